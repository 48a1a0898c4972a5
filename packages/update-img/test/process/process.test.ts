/** update-img as a process: system calls that fail, the order of those that matter, death at any of them. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyBinding } from '../../src/binding.js';
import { readJournal } from '../../src/journal.js';
import { BYTES, range, Scene } from '../support.js';
import { type SpawnOptions, spawnUpdate } from './spawn.js';

const EPERM = 1;
const EIO = 5;
const EAGAIN = 11;
const ENOSPC = 28;
const ALWAYS = 1_000_000;
const root = process.getuid?.() === 0;

let scene: Scene;
beforeEach(async () => {
  scene = await Scene.make();
});
afterEach(() => scene.remove());

const args = () => ['/dev/datto0', scene.cowFile, scene.imageFile];
const run = (options: SpawnOptions = {}, more: readonly string[] = []) =>
  spawnUpdate(scene, [...more, ...args()], options);
const rules = (...list: string[]) => ({ faults: { RULES: list.join(';') } });
const block = (n: number) => n * 4096;

/** The same command again makes the image what it should be. */
async function repaired(blocks: readonly number[]): Promise<void> {
  expect(await run()).toMatchObject({ code: 0 });
  expect((await scene.image()).equals(scene.expected(blocks))).toBe(true);
  expect(existsSync(scene.journal)).toBe(false);
}

describe('system calls', () => {
  it('that fall short or are interrupted are put together', async () => {
    const blocks = [...range(0, 40), 599, 600];
    await scene.writeCow(blocks);
    expect(await run({ faults: { SHORT: '1' } }, ['--verify'])).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect((await scene.image()).equals(scene.expected(blocks))).toBe(true);
  });

  it('that fail in the middle of a read leave that block out, name it, and copy the rest', async () => {
    const blocks = range(0, 400);
    await scene.writeCow(blocks);
    const result = await run(
      rules(
        `pread snapshot ${block(77)} ${block(77) + 1} ${EIO} ${ALWAYS}`,
        `pread snapshot ${block(300)} ${block(302)} ${EIO} ${ALWAYS}`,
      ),
    );
    expect(result).toMatchObject({ code: 9, stdout: '' });
    expect(result.stderr).toContain(
      'cannot read the snapshot at byte 315392 (block 77, 4096 bytes): EIO: i/o error\n' +
        'cannot read the snapshot at byte 1228800 (block 300, 8192 bytes): EIO: i/o error\n',
    );
    expect(result.stderr).toMatch(/update-img: the copy is not complete: .* same command again/);
    const copied = blocks.filter((b) => ![77, 300, 301].includes(b));
    expect((await scene.image()).equals(scene.expected(copied))).toBe(true);
    expect(await readJournal(scene.journal)).toMatchObject({ position: 77 });
    await repaired(blocks);
  });

  it('that fail once cost nothing but time', async () => {
    await scene.writeCow(range(0, 400));
    expect(await run(rules(`pread snapshot ${block(9)} ${block(10)} ${EIO} 1`))).toMatchObject({
      code: 0,
    });
    expect((await scene.image()).equals(scene.expected(range(0, 400)))).toBe(true);
  });

  it('that fail to write a block leave that block out, name it, and copy the rest', async () => {
    await scene.writeCow([3, 4, 5, 9]);
    const result = await run(rules(`pwrite image ${block(4)} ${block(5)} ${EIO} ${ALWAYS}`));
    expect(result.code).toBe(9);
    expect(result.stderr).toContain(
      'cannot write the image at byte 16384 (block 4, 4096 bytes): EIO',
    );
    expect((await scene.image()).equals(scene.expected([3, 5, 9]))).toBe(true);
    await repaired([3, 4, 5, 9]);
  });

  it('that fail for lack of space end the copy, which goes on when there is some', async () => {
    await scene.writeCow([3, 300, 400]);
    const result = await run(rules(`pwrite image ${block(300)} ${block(301)} ${ENOSPC} ${ALWAYS}`));
    expect(result.code).toBe(9);
    expect(result.stderr).toMatch(
      /cannot write the image at byte 1228800 .* ENOSPC: no space left/,
    );
    expect((await scene.image()).equals(scene.expected([3]))).toBe(true);
    expect(await readJournal(scene.journal)).toMatchObject({ position: 4 });
    await repaired([3, 300, 400]);
  });

  it('that fail to sync end in failure, and nothing counts as done', async () => {
    await scene.writeCow([3, 300]);
    const result = await run(rules(`fsync image 0 1 ${EIO} 1`));
    expect(result).toMatchObject({ code: 9, stdout: '' });
    expect(result.stderr).toMatch(/cannot bring the image .* to the disk: EIO/);
    expect(await readJournal(scene.journal)).toMatchObject({ position: 0 });
    await repaired([3, 300]);
  });

  it('that fail to write the journal end the run before the image is touched', async () => {
    await scene.writeCow([3]);
    for (const call of ['write', 'fsync']) {
      const result = await run(rules(`${call} image.journal.new 0 1 ${ENOSPC} 1`));
      expect(result).toMatchObject({ code: 1, stdout: '' });
      expect(result.stderr).toMatch(/cannot use the journal .*: it cannot be written: ENOSPC/);
      expect((await scene.image()).equals(scene.before)).toBe(true);
      expect(readdirSync(scene.directory).sort()).toEqual(['1.datto', 'image', 'snapshot']);
    }
  });

  it('that fail to write the manifest leave the journal, and the same command records it', async () => {
    await scene.writeCow([3]);
    for (const call of ['write', 'fsync']) {
      const result = await run(rules(`${call} image.manifest.new 0 1 ${ENOSPC} 1`));
      expect(result).toMatchObject({ code: 9, stdout: '' });
      expect(result.stderr).toMatch(
        /the manifest .*: it cannot be written: ENOSPC.* what it is a copy of is not recorded/,
      );
      expect((await scene.image()).equals(scene.expected([3]))).toBe(true);
      expect(existsSync(`${scene.imageFile}.manifest`)).toBe(false);
      expect(existsSync(scene.journal)).toBe(true);
    }
    await repaired([3]);
    expect(existsSync(`${scene.imageFile}.manifest`)).toBe(true);
  });

  it('that cannot make holes are followed by writes of zeros', async () => {
    scene.now.fill(0, block(10), block(20));
    await writeFile(scene.snapshotFile, scene.now);
    await scene.writeCow(range(8, 14));
    expect(await run(rules(`fallocate image 0 ${ALWAYS} 95 1`))).toMatchObject({ code: 0 });
    expect((await scene.image()).equals(scene.expected(range(8, 14)))).toBe(true);
  });
});

const BLOCKS = 6000;
// More pieces than can be under way, pieces of all lengths, and the partial last block.
const blocks = [...range(0, 1500).map((n) => 2 * n), ...range(4000, 900), 5500, BLOCKS];

describe('a snapshot that is in memory', () => {
  beforeEach(async () => {
    await scene.remove();
    scene = await Scene.make(BLOCKS * 4096 + 512);
    await scene.writeCow(blocks);
  });

  it('leaves out what cannot be read among many pieces, names it, and copies the rest', async () => {
    const failing = [0, 1400, 4255, 4256, 4600, BLOCKS];
    const list = failing.map((n) => `pread snapshot ${block(n)} ${block(n) + 1} ${EIO} ${ALWAYS}`);
    const { code, stderr } = await run(rules(...list));
    expect(code).toBe(9);
    const named = [...stderr.matchAll(/^cannot read .* \(block (\d+), (\d+) bytes\): EIO/gm)];
    expect(named.map(([, first, bytes]) => [Number(first), Number(bytes)])).toEqual([
      [0, 4096],
      [1400, 4096],
      [4255, 8192],
      [4600, 4096],
      [BLOCKS, 512],
    ]);
    const copied = blocks.filter((n) => !failing.includes(n));
    expect((await scene.image()).equals(scene.expected(copied))).toBe(true);
    await repaired(blocks);
  });

  it('is read where there is no thread to be had', async () => {
    const result = await run(rules(`pthread_create - 0 1 ${EAGAIN} ${ALWAYS}`), ['--verify']);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect((await scene.image()).equals(scene.expected(blocks))).toBe(true);
  });
});

describe('a snapshot that is not in memory', () => {
  async function cold(): Promise<void> {
    await scene.remove();
    scene = await Scene.make(BLOCKS * 4096 + 512);
    await scene.writeCow(blocks);
    await evict();
  }

  async function evict(): Promise<void> {
    const handle = await open(scene.snapshotFile, 'r');
    await handle.sync();
    copyBinding().forget(handle.fd);
    await handle.close();
  }

  /** Runs, and tells how many reads were submitted by io_uring. */
  async function submitted(options: SpawnOptions['faults'], more: readonly string[] = []) {
    const path = `${scene.directory}.log`;
    const result = await run({ faults: { LOG: path, ...options } }, more);
    const lines = (await readFile(path, 'utf8')).split('\n').map((line) => line.split(' '));
    await rm(path);
    const reads = lines
      .filter(([call]) => call === 'io_uring_enter')
      .reduce((sum, [, , count]) => sum + Number(count), 0);
    return { ...result, reads };
  }

  it('is read past the page cache, many reads at once', async () => {
    await cold();
    const { code, stderr, reads } = await submitted({}, ['--verify']);
    expect([code, stderr]).toEqual([0, '']);
    // Copied and compared, but for what was found in memory.
    expect(reads).toBeGreaterThan(2000);
    expect((await scene.image()).equals(scene.expected(blocks))).toBe(true);
  });

  it('is read ahead into the page cache where the kernel refuses io_uring', async () => {
    await cold();
    const RULES = `io_uring_setup - 0 1 ${EPERM} ${ALWAYS}`;
    expect(await submitted({ RULES }, ['--verify'])).toMatchObject({ code: 0, reads: 0 });
    expect((await scene.image()).equals(scene.expected(blocks))).toBe(true);
  });

  it('and ends too early leaves out what is not there, names it, and copies the rest', async () => {
    await cold();
    await scene.shortenSnapshot(block(5500) + 100);
    await evict();
    const { code, stderr, reads } = await submitted({});
    expect(code).toBe(9);
    expect(reads).toBeGreaterThan(1000);
    for (const missing of [5500, BLOCKS]) {
      expect(stderr).toContain(`cannot read the snapshot at byte ${block(missing)}`);
    }
    expect((await scene.image()).equals(scene.expected(blocks.slice(0, -2)))).toBe(true);
  });
});

describe('the order of what reaches the disk', () => {
  async function log(more: readonly string[] = []): Promise<string[]> {
    const path = join(scene.directory, '..', `${scene.directory.split('/').at(-1)}.log`);
    expect(await run({ faults: { LOG: path } }, more)).toMatchObject({ code: 0 });
    const lines = (await readFile(path, 'utf8')).trim().split('\n');
    await rm(path);
    return lines.map((line) => line.split(' ').slice(0, 2).join(' '));
  }

  it('is: journal, image, journal, manifest, and only then no journal', async () => {
    await scene.writeCow([3, 300, 600]);
    expect(await log()).toEqual([
      'write image.journal.new',
      'fsync image.journal.new',
      'rename image.journal',
      'fsync .',
      // None is there; one of another image would claim what is no longer so.
      'unlink image.manifest',
      'pwrite image',
      'pwrite image',
      'pwrite image',
      'fsync image',
      'pwrite image.journal',
      'fdatasync image.journal',
      'write image.manifest.new',
      'fsync image.manifest.new',
      'rename image.manifest',
      'fsync .',
      'unlink image.journal',
      'fsync .',
    ]);
  });

  it('holds for a first copy: the image has its size after the journal is there', async () => {
    await rm(scene.imageFile);
    const path = join(scene.directory, '..', `${scene.directory.split('/').at(-1)}.log`);
    const full = ['--full', '/dev/datto0', scene.imageFile];
    expect(await spawnUpdate(scene, full, { faults: { LOG: path } })).toMatchObject({ code: 0 });
    const calls = (await readFile(path, 'utf8')).split('\n').map((line) => line.split(' '));
    await rm(path);
    const names = calls.map(([call, name]) => `${call} ${name}`);
    expect(names.slice(0, 7)).toEqual([
      'fsync .',
      'write image.journal.new',
      'fsync image.journal.new',
      'rename image.journal',
      'fsync .',
      'unlink image.manifest',
      'ftruncate image',
    ]);
    expect(names.lastIndexOf('pwrite image')).toBeLessThan(names.indexOf('fsync image'));
    expect(names.indexOf('fsync image')).toBeLessThan(names.indexOf('unlink image.journal'));
  });
});

it('death at any system call leaves an image that the next run makes whole', {
  timeout: 300_000,
}, async () => {
  const blocks = [...range(0, 20), 300, 301, 599, 600];
  await scene.writeCow(blocks);
  let at = 0;
  for (; ; at++) {
    await writeFile(scene.imageFile, scene.before);
    await rm(`${scene.imageFile}.manifest`, { force: true });
    const { code, signal } = await run({ faults: { KILL: String(at) } });
    if (code === 0) break;
    expect(signal).toBe('SIGKILL');
    const touched = !(await scene.image()).equals(scene.before);
    // Whenever the image is not what it was, the mark is there.
    if (touched && !(await scene.image()).equals(scene.expected(blocks))) {
      expect(existsSync(scene.journal)).toBe(true);
    }
    if (existsSync(`${scene.imageFile}.manifest`)) {
      expect((await scene.image()).equals(scene.expected(blocks))).toBe(true);
    }
    await repaired(blocks);
  }
  expect(at).toBeGreaterThan(10);
});

it('SIGINT leaves it resumable, with 130', async () => {
  await scene.writeCow(range(0, 600));
  const result = await run(
    {
      started: (child) => {
        const timer = setInterval(() => {
          if (!existsSync(scene.journal)) return;
          clearInterval(timer);
          setTimeout(() => child.kill('SIGINT'), 500);
        }, 20);
      },
    },
    ['--bwlimit', '500KiB'],
  );
  expect(result).toMatchObject({ code: 130, stdout: '' });
  expect(result.stderr).toMatch(/^update-img: interrupted\. .* same command again/);
  const state = await readJournal(scene.journal);
  expect(state?.position).toBeGreaterThan(0);
  await repaired(range(0, 600));
});

describe('an image that cannot be written', () => {
  it.skipIf(!root)('on a read-only file system is refused with 6', async () => {
    const mount = join(scene.directory, 'mount');
    await mkdir(mount);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8M', 'tmpfs', mount]);
    try {
      const image = join(mount, 'image');
      await writeFile(image, scene.before);
      execFileSync('mount', ['-o', 'remount,ro', mount]);
      const result = await spawnUpdate(scene, ['/dev/datto0', scene.cowFile, image]);
      expect(result).toMatchObject({ code: 6, stdout: '' });
      expect(result.stderr).toMatch(
        /cannot update the image .*image: EROFS: read-only file system/,
      );
      expect((await readFile(image)).equals(scene.before)).toBe(true);
    } finally {
      execFileSync('umount', [mount]);
    }
  });

  it.skipIf(!root)('for want of space half way is resumable', async () => {
    const mount = join(scene.directory, 'mount');
    await mkdir(mount);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', mount]);
    try {
      const image = join(mount, 'image');
      const full = ['--full', '/dev/datto0', image];
      const result = await spawnUpdate(scene, full);
      expect(result).toMatchObject({ code: 9, stdout: '' });
      expect(result.stderr).toMatch(/cannot write the image at byte \d+ .*ENOSPC: no space left/);
      expect(await readJournal(`${image}.journal`)).toMatchObject({ mode: 'full' });
      execFileSync('mount', ['-o', 'remount,size=8M', mount]);
      expect(await spawnUpdate(scene, [...full, '--verify'])).toMatchObject({ code: 0 });
      expect((await readFile(image)).equals(scene.now)).toBe(true);
      expect(BYTES).toBeGreaterThan(2 ** 20);
    } finally {
      execFileSync('umount', [mount]);
    }
  });
});
