import { execFile, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const fixture = new URL('../../cow-format/test/fixtures/runs-alternate.datto.gz', import.meta.url);
let directory: string;
let cow: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ctl-cli-'));
  cow = join(directory, 'datto1');
  writeFileSync(cow, gunzipSync(readFileSync(fixture)));
});
afterAll(() => rmSync(directory, { recursive: true }));

function run(...args: string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(process.execPath, [cli, ...args], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

const loaded = existsSync('/dev/datto-ctl');

/** The program as it is installed: exit codes and streams. */
describe('dist/cli.js', () => {
  it('gives help on stdout, without driver', async () => {
    const { code, stdout, stderr } = await run('help');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(
      'dbdctl transition-to-incremental [--force] [--dry-run] <minor|device>',
    );
  });

  it('refuses a minor that would wrap, with 2', async () => {
    expect(await run('destroy', '4294967296')).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'dbdctl: <minor|device> must be at most 4294967295, not 4294967296\nSee: dbdctl --help\n',
    });
  });

  it.skipIf(loaded)('says that the driver is not loaded, with 3', async () => {
    expect(await run('destroy', '0')).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'dbdctl: cannot destroy minor 0: the dattobd driver is not loaded ' +
        '(nothing answers at /dev/datto-ctl). Load it with: modprobe dattobd (ENOENT).\n',
    });
    for (const args of [
      ['list'],
      ['info', '0'],
      ['watch'],
      ['setup-snapshot', '--dry-run', '/a', '/b'],
    ]) {
      expect(await run(...args)).toMatchObject({ code: 3, stdout: '' });
    }
    expect(JSON.parse((await run('list', '--json')).stdout)).toMatchObject({
      error: { exitCode: 3, exit: 'driver absent' },
    });
  });

  it('reads a COW file, holes and all', async () => {
    const { code, stdout } = await run('changed', '--device-size', '64MiB', '--format=csv', cow);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toHaveLength(214);
    expect(await run('changed', '/dev/zero')).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'dbdctl: cannot read the COW file /dev/zero: it is not a regular file. Name the COW file that transition-to-snapshot has left.\n',
    });
  });

  it('ends without a word when nobody reads on', async () => {
    const many = join(directory, 'many');
    const file = Buffer.concat([readFileSync(cow).subarray(0, 4096), Buffer.alloc(8 << 20)]);
    for (let at = 4096; at < file.length; at += 16) file[at] = 1;
    file.writeBigUInt64LE(BigInt(file.length), 0x10);
    writeFileSync(many, file);
    const child = spawn(process.execPath, [cli, 'changed', '--format', 'csv', many]);
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, stderr]).toEqual([1, '']);
  });

  it('fails when its output cannot be written', () => {
    const full = openSync('/dev/full', 'w');
    try {
      const { status, stderr } = spawnSync(process.execPath, [cli, 'inspect', cow], {
        stdio: ['ignore', full, 'pipe'],
        encoding: 'utf8',
      });
      expect(status).toBe(1);
      expect(stderr).toContain('ENOSPC');
    } finally {
      closeSync(full);
    }
  });

  it('knows the width of a terminal, and NO_COLOR', () => {
    const shown = (columns: number, env: Record<string, string>) => {
      const command = `stty cols ${columns} rows 30; exec ${process.execPath} ${cli} inspect ${cow}`;
      const { stdout } = spawnSync('script', ['-qefc', command, '/dev/null'], {
        encoding: 'utf8',
        env: { ...process.env, NO_COLOR: '', TERM: 'xterm', LC_ALL: 'C.UTF-8', ...env },
      });
      return stdout.split('\r\n').filter((line) => !/datto1|58fc97/.test(line));
    };
    const narrow = shown(50, { NO_COLOR: '1' });
    expect(Math.max(...narrow.map((line) => line.length))).toBeLessThanOrEqual(50);
    expect(narrow.join()).toContain('█');
    expect(narrow.join()).not.toContain('\x1b');
    expect(shown(100, {}).join()).toContain('\x1b[1mdevice:');
    expect(shown(100, { TERM: 'dumb' }).join()).not.toContain('\x1b');
  });

  it('looks at this very machine', async () => {
    const { code, stdout } = await run('doctor', '--json');
    const { healthy, findings } = JSON.parse(stdout);
    expect(code).toBe(healthy ? 0 : 1);
    expect(findings.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['kernel', 'architecture', 'module']),
    );
  });
});
