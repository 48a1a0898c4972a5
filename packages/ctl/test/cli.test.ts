import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

function run(...args: string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(process.execPath, [cli, ...args], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

/** The program as it is installed: exit codes and streams. */
describe('dist/cli.js', () => {
  it('gives help on stdout, without driver', async () => {
    const { code, stdout, stderr } = await run('help');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('dbdctl transition-to-incremental [--dry-run] <minor|device>');
  });

  it('refuses a minor that would wrap, with 2', async () => {
    expect(await run('destroy', '4294967296')).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'dbdctl: <minor|device> must be at most 4294967295, not 4294967296\nSee: dbdctl --help\n',
    });
  });

  it.skipIf(existsSync('/dev/datto-ctl'))(
    'says that the driver is not loaded, with 3',
    async () => {
      const { code, stdout, stderr } = await run('destroy', '0');
      expect([code, stdout]).toEqual([3, '']);
      expect(stderr).toBe(
        'dbdctl: cannot destroy minor 0: the dattobd driver is not loaded ' +
          '(nothing answers at /dev/datto-ctl). Load it with: modprobe dattobd (ENOENT).\n',
      );
    },
  );
});
