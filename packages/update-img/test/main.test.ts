import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../src/main.js';
import { Progress } from '../src/progress.js';
import { Scene } from './support.js';

let scene: Scene;
beforeEach(async () => {
  scene = await Scene.make();
});
afterEach(() => scene.remove());

async function run(args: readonly string[], isTTY = false) {
  const result = { code: 0, stdout: '', stderr: '' };
  result.code = await main(args, {
    stdout: (text) => {
      result.stdout += text;
    },
    stderr: {
      isTTY,
      write: (text) => {
        result.stderr += text;
      },
    },
    datto: async () => scene.datto,
    locate: scene.locate,
  });
  return result;
}

const args = () => ['/dev/datto0', scene.cowFile, scene.imageFile];

describe('update-img', () => {
  it('reports in one line on stdout', async () => {
    await scene.writeCow([3, 4, 9, 600]);
    expect(await run(args())).toEqual({
      code: 0,
      stdout: `updated ${scene.imageFile}: 4 blocks, 12800 bytes in 3 runs\n`,
      stderr: '',
    });
    expect((await readFile(scene.imageFile)).equals(scene.expected([3, 4, 9, 600]))).toBe(true);
  });

  it('shows progress on a terminal only, and clears it', async () => {
    await scene.writeCow([3], { nrChangedBlocks: 2n });
    const { stderr } = await run(args(), true);
    expect(stderr).toBe('\r\x1b[K0.0 MiB copied (50 %)\r\x1b[K');
  });

  it('fails with 1 and the reason on stderr', async () => {
    await scene.writeCow([3], { seqid: 9n });
    const { code, stdout, stderr } = await run(args());
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^update-img: cannot use the COW file .*seqid at byte 24.*found 9.*\n$/);
  });

  it('says what state the image is in when copying failed', async () => {
    await scene.writeCow([0, 600]);
    await scene.shortenSnapshot(4096);
    const { code, stderr } = await run(args());
    expect(code).toBe(1);
    expect(stderr).toMatch(/^update-img: cannot read .*\nThe image may be updated in part\./);
  });

  it.each([[[]], [['a', 'b']], [['a', 'b', 'c', 'd']], [['a', '', 'c']], [['-x', 'a', 'b', 'c']]])(
    'refuses %j with 2',
    async (wrong) => {
      const { code, stdout, stderr } = await run(wrong);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^update-img: .*\nSee: update-img --help\n$/);
      expect(scene.driver.calls.filter(([name]) => name === 'info').length).toBe(1);
    },
  );
});

describe('dist/cli.js', () => {
  const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
  const spawn = (...list: string[]) =>
    new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
      const child = execFile(process.execPath, [cli, ...list], (_, stdout, stderr) => {
        resolve({ code: child.exitCode, stdout, stderr });
      });
    });

  it('gives help', async () => {
    const { code, stdout, stderr } = await spawn('--help');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('update-img <snapshot-device> <cow-file> <image-file>');
  });

  it('fails with 1 and leaves the image', async () => {
    expect(await spawn('/dev/null', scene.cowFile, scene.imageFile)).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'update-img: cannot read the snapshot /dev/null: it is not a snapshot device. ' +
        'Give /dev/datto<minor>.\n',
    });
    expect((await readFile(scene.imageFile)).equals(scene.before)).toBe(true);
  });

  it('refuses a wrong call with 2', async () => {
    expect((await spawn('one')).code).toBe(2);
  });
});

describe('Progress', () => {
  it('writes five times a second at most', () => {
    let now = 0;
    const lines: string[] = [];
    const progress = new Progress({ isTTY: true, write: (text) => lines.push(text) }, () => now);
    for (; now < 1000; now += 50) {
      progress.show({ blocks: 0, bytes: now * 2 ** 20, runs: 0 }, undefined);
    }
    expect(lines).toEqual([0, 200, 400, 600, 800].map((mib) => `\r\x1b[K${mib}.0 MiB copied`));
  });
});
