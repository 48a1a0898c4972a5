import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { capture, type World } from '@dbd/cli-kit/testing';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../src/main.js';
import { ProgressLine, progressText } from '../src/progress.js';
import { range, SCENE_DEVICE, Scene } from './support.js';

let scene: Scene;
beforeEach(async () => {
  scene = await Scene.make();
});
afterEach(() => scene.remove());

const run = (args: readonly string[], world: World = {}) =>
  capture((io) => main(args, io, { datto: async () => scene.datto, locate: scene.locate }), world);
const args = () => ['/dev/datto0', scene.cowFile, scene.imageFile];

describe('update-img', () => {
  it('reports in one line on stdout', async () => {
    await scene.writeCow([3, 4, 9, 600]);
    expect(await run(args())).toEqual({
      code: 0,
      stdout: `updated ${scene.imageFile}: 4 blocks, 12800 bytes in 3 runs\n`,
      stderr: '',
    });
    expect((await scene.image()).equals(scene.expected([3, 4, 9, 600]))).toBe(true);
  });

  it('tells of a dry run, a first copy and a comparison', async () => {
    await scene.writeCow([3]);
    expect(await run(['-n', ...args()])).toMatchObject({
      code: 0,
      stdout: `would update ${scene.imageFile} from /dev/datto0: 1 blocks, 4096 bytes in 1 runs\n`,
    });
    await rm(scene.imageFile);
    expect(await run(['--full', '--verify', '/dev/datto0', scene.imageFile])).toMatchObject({
      code: 0,
      stdout: `updated ${scene.imageFile}: 601 blocks, ${scene.bytes} bytes in 1 runs, verified\n`,
    });
  });

  it('takes options anywhere, and a directory for what it keeps', async () => {
    await scene.writeCow([3]);
    const state = join(scene.directory, 'state');
    await mkdir(state);
    const [device = '', cow = '', image = ''] = args();
    const call = [device, '--checksum', cow, '--bwlimit=1GiB', image, '--state-directory', state];
    expect(await run(call)).toMatchObject({ code: 0, stderr: '' });
    // Under the whole path, so that no other image has the same.
    const name = scene.imageFile.slice(1).replaceAll('-', '%2D').replaceAll('/', '-');
    expect(await readFile(join(state, `${name}.manifest`), 'latin1')).toMatch(
      /^update-img manifest 1\n/,
    );
  });

  it('refuses an image of an older snapshot than the COW files start at, with 7', async () => {
    expect(await run(args())).toMatchObject({ code: 0 });
    await scene.nextSnapshot();
    await scene.nextSnapshot();
    await scene.writeCow([3], { seqid: 3n }, scene.cow(3));
    expect(await run(['/dev/datto0', scene.cow(3), scene.imageFile])).toEqual({
      code: 7,
      stdout: '',
      stderr:
        `update-img: cannot update the image ${scene.imageFile}: by its manifest ` +
        `${scene.imageFile}.manifest, it is of snapshot 2, and the COW files start at snapshot 3. ` +
        'Name the COW file of seqid 2 too, or make a full copy (--full).\n',
    });
    expect((await scene.image()).equals(scene.before)).toBe(true);
  });

  it('remarks on stderr that an image is not the one of its manifest', async () => {
    expect(await run(args())).toMatchObject({ code: 0, stderr: '' });
    await utimes(scene.imageFile, 1, 1);
    expect(await run(args())).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(
        /^the image .*image was replaced, or written by something else/,
      ),
    });
    expect(await run(args())).toMatchObject({ code: 0, stderr: '' });
  });

  it('shows progress on a terminal only, and clears it', async () => {
    await scene.writeCow(range(0, 600), { nrChangedBlocks: 600n });
    const { stderr } = await run(args(), { columns: 60 });
    expect(stderr).toContain('copied 0 B of 2.3 MiB (0 %)');
    expect(stderr).toContain('bringing it to the disk');
    expect(stderr.endsWith('\r\x1b[1A\x1b[J')).toBe(true);
  });

  it('writes a line of JSON for each event, as the schema says', async () => {
    const schema = new URL('../schema/update-img.v1.json', import.meta.url);
    const validate = new Ajv2020({ strict: false }).compile(
      JSON.parse(await readFile(schema, 'utf8')),
    );
    await scene.writeCow([0, 600]);
    const good = await run(['--json', ...args()]);
    const lines = good.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ event }) => event)).toEqual(['start', 'progress', 'end']);
    for (const line of lines) expect(validate(line), JSON.stringify(validate.errors)).toBe(true);
    expect(lines.at(-1)).toEqual({
      schema: 'update-img.v1',
      event: 'end',
      dry_run: false,
      blocks: 2,
      bytes: 4096 + 512,
      zero_bytes: 0,
      runs: 2,
      verified: false,
      manifest: `${scene.imageFile}.manifest`,
    });
    await scene.shortenSnapshot(4096);
    const bad = await run(['--json', ...args()]);
    const events = bad.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.at(-2)).toMatchObject({ event: 'fault', kind: 'read', offset: 600 * 4096 });
    expect(validate(events.at(-2))).toBe(true);
    expect(events.at(-1)).toMatchObject({
      schema: 'dbd.error.v1',
      error: { exit: 'partial copy', exitCode: 9, code: 'ERR_UPDATE_COPY' },
    });
  });

  it.each([
    [[], /<snapshot device> is missing/],
    [['a'], /<image file> is missing/],
    [['a', 'b'], /<cow file> is missing; a first copy is made with --full/],
    [['--full', 'a', 'b', 'c'], /--full copies everything/],
    [['a', '', 'c'], /<cow file> must not be empty/],
    [['-x', 'a', 'b', 'c'], /unknown option: -x/],
    [['--bwlimit', '0', 'a', 'b', 'c'], /--bwlimit must be at least 1/],
    [['--bwlimit', 'fast', 'a', 'b', 'c'], /--bwlimit must be a number of bytes/],
  ])('refuses %j with 2', async (wrong, message) => {
    const { code, stdout, stderr } = await run(wrong);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/\nSee: update-img --help\n$/);
  });
});

/** Each is refused with a code and a message, and the image stays as it is. */
describe('bad input', () => {
  type Case = [string, number, RegExp, () => Promise<readonly string[] | undefined>];
  const cow = (prepare: () => Promise<unknown>) => async () => {
    await prepare();
    return undefined;
  };
  const cases: Case[] = [
    [
      'a COW file of another series',
      7,
      /1\.datto: COW file uuid at byte 32 .*: expected .* found 0{32}\. The file is of another series/,
      cow(() => scene.writeCow([3], { uuid: new Uint8Array(16) })),
    ],
    [
      'a COW file of another snapshot',
      7,
      /1\.datto: COW file seqid at byte 24 .*: expected 1 .* found 9\./,
      cow(() => scene.writeCow([3], { seqid: 9n })),
    ],
    [
      'a COW file of zero length',
      8,
      /1\.datto: COW file header .*: expected 4096 bytes, found 0 bytes\./,
      cow(() => truncate(scene.cowFile, 0)),
    ],
    [
      'a COW file that is cut short',
      8,
      /1\.datto: COW file index .*: expected 8904 bytes .* found 8000 bytes\./,
      cow(() => truncate(scene.cowFile, 8000)),
    ],
    [
      'something else as COW file',
      8,
      /1\.datto: COW file magic number/,
      cow(() => writeFile(scene.cowFile, Buffer.alloc(50_000, 'x'))),
    ],
    [
      'a directory as COW file',
      1,
      /cannot use the COW file .*: it is not a regular file\. Name the COW file .* left\.$/m,
      async () => ['/dev/datto0', scene.directory, scene.imageFile],
    ],
    [
      'a FIFO as COW file',
      1,
      /it is not a regular file/,
      cow(async () => {
        await rm(scene.cowFile);
        execFileSync('mkfifo', [scene.cowFile]);
      }),
    ],
    [
      'a COW file that is not there',
      1,
      /cannot use the COW file .*none: ENOENT: no such file/,
      async () => ['/dev/datto0', `${scene.directory}/none`, scene.imageFile],
    ],
    [
      'an image of another size',
      1,
      /has 4096 bytes, the snapshot 2458112, so it seems to be no copy .* use --resize/,
      async () => {
        await writeFile(`${scene.directory}/small`, scene.before.subarray(0, 4096));
        return ['/dev/datto0', scene.cowFile, `${scene.directory}/small`];
      },
    ],
    [
      'an image of zero length',
      1,
      /has 0 bytes, the snapshot 2458112.*Make a full copy first: update-img --full/,
      async () => {
        await writeFile(`${scene.directory}/empty`, '');
        return ['/dev/datto0', scene.cowFile, `${scene.directory}/empty`];
      },
    ],
    [
      'a FIFO as image',
      1,
      /it is neither a regular file nor a block device/,
      async () => {
        const fifo = `${scene.directory}/fifo`;
        execFileSync('mkfifo', [fifo]);
        return ['/dev/datto0', scene.cowFile, fifo];
      },
    ],
    [
      'a directory as image',
      1,
      /it is neither a regular file nor a block device/,
      async () => ['/dev/datto0', scene.cowFile, scene.directory],
    ],
    [
      'a snapshot that has failed',
      1,
      /failed with EFBIG \(-27\)/,
      cow(async () => scene.driver.overflow(0)),
    ],
    [
      'a driver that is not loaded',
      3,
      /the dattobd driver is not loaded/,
      cow(async () => {
        scene.driver.loaded = false;
      }),
    ],
  ];
  it.each(cases)('%s: exit code %d', async (_, code, message, prepare) => {
    const result = await run((await prepare()) ?? args());
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(message);
    expect(result.stderr).toMatch(/^update-img: .*\n$/);
    expect((await scene.image()).equals(scene.before)).toBe(true);
    expect(existsSync(scene.journal)).toBe(false);
  });

  it.skipIf(SCENE_DEVICE === undefined)('an image on the device itself: exit code 1', async () => {
    await scene.writeCow([3]);
    const info = scene.driver.info.bind(scene.driver);
    const bdev = String(SCENE_DEVICE);
    scene.driver.info = async (minor) => ({ ...(await info(minor)), bdev });
    expect(await run(args())).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /it is on .*, the device that the snapshot is of: .* Keep the image on another device\.\n$/,
      ),
    });
    expect((await scene.image()).equals(scene.before)).toBe(true);
    expect(existsSync(scene.journal)).toBe(false);
  });

  it.skipIf(process.getuid?.() !== 0)('a read-only image: exit code 6', async () => {
    await scene.writeCow([3]);
    await chmod(scene.directory, 0o755);
    await chmod(scene.imageFile, 0o444);
    process.seteuid?.(65534);
    const result = await run(args()).finally(() => process.seteuid?.(0));
    expect(result).toMatchObject({ code: 6, stdout: '' });
    expect(result.stderr).toMatch(/cannot update the image .*image: EACCES: permission denied/);
    expect((await scene.image()).equals(scene.before)).toBe(true);
  });

  it('an image that another run works on: exit code 5', async () => {
    await scene.writeCow(range(0, 600));
    const other = run(['--bwlimit', '1MiB', ...args()]);
    while (!existsSync(scene.journal)) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await run(args())).toMatchObject({ code: 5, stdout: '' });
    expect(await other).toMatchObject({ code: 0 });
  });
});

describe('dist/cli.js', () => {
  const cli = fileURLToPath(new URL('../bin/update-img.js', import.meta.url));
  const spawn = (...list: string[]) =>
    new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
      const child = execFile(process.execPath, [cli, ...list], (_, stdout, stderr) => {
        resolve({ code: child.exitCode, stdout, stderr });
      });
    });

  it('gives help', async () => {
    const { code, stdout, stderr } = await spawn('--help');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('<snapshot device> [<cow file>...] <image file>');
  });

  it('refuses what is no snapshot device, and leaves the image', async () => {
    const fifo = `${scene.directory}/fifo`;
    execFileSync('mkfifo', [fifo]);
    for (const path of ['/dev/null', scene.directory, scene.cowFile, fifo]) {
      expect(await spawn(path, scene.cowFile, scene.imageFile)).toEqual({
        code: 4,
        stdout: '',
        stderr:
          `update-img: cannot read the snapshot ${path}: it is not a snapshot device. ` +
          'Give /dev/datto<minor>.\n',
      });
    }
    expect((await scene.image()).equals(scene.before)).toBe(true);
  });

  it('refuses a wrong call with 2', async () => {
    expect((await spawn('one')).code).toBe(2);
  });
});

describe('progress', () => {
  const MIB = 2 ** 20;

  it.each([
    [{ phase: 'copy', bytes: 0, expected: undefined }, 0, 80, 'copied 0 B'],
    [
      { phase: 'copy', bytes: 30 * MIB, expected: 90 * MIB },
      6 * MIB,
      80,
      'copied 30 MiB of 90 MiB (33 %), 6 MiB/s, 10s left',
    ],
    [
      { phase: 'copy', bytes: 30 * MIB, expected: 90 * MIB },
      6 * MIB,
      45,
      'copied 30 MiB of 90 MiB (33 %), 6 MiB/s',
    ],
    [{ phase: 'verify', bytes: MIB, expected: 90 * MIB }, MIB, 12, 'compared 1 '],
    // More than the headers said.
    [{ phase: 'copy', bytes: 2 * MIB, expected: MIB }, MIB, 80, 'copied 2 MiB, 1 MiB/s'],
    [{ phase: 'sync', bytes: MIB, expected: MIB }, 0, 80, 'bringing it to the disk'],
  ] as const)('%o at %d bytes a second in %d columns', (progress, rate, width, text) => {
    expect(progressText(progress, rate, width)).toBe(text);
  });

  it('is written five times a second at most, with the rate of the last seconds', () => {
    let now = 0;
    const texts: string[] = [];
    const write = (text: string) => void texts.push(text);
    const line = new ProgressLine({ isTTY: true, columns: 80, write }, () => now);
    for (; now < 30_000; now += 50) {
      // Twice as fast after 15 seconds.
      const bytes = (now < 15_000 ? now : 2 * now - 15_000) * 1024;
      line.show({ phase: 'copy', bytes, expected: undefined });
    }
    expect(texts.length).toBe(150);
    expect(texts.at(2)).toContain(', 1000 KiB/s');
    expect(texts.at(-1)).toContain(', 2 MiB/s');
  });
});
