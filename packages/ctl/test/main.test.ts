import { commandsOf } from '@dbd/cli-kit';
import { beforeEach, describe, expect, it } from 'vitest';
import { program } from '../src/program.js';
import { Machine } from './support.js';

const commands = commandsOf(program);
let machine: Machine;
let driver: Machine['driver'];

beforeEach(() => {
  machine = new Machine();
  driver = machine.driver;
});

const dbdctl = (...args: string[]) => machine.dbdctl(...args);

const silent = { code: 0, stdout: '', stderr: '' };
const setup = ['setup-snapshot', '/dev/sdb1', '/mnt/.datto1', '0'] as const;

describe('dbdctl', () => {
  it('does the whole cycle in silence', async () => {
    for (const args of [
      setup,
      ['reconfigure', '-c', '8388608', '0'],
      ['expand-cow-file', '64', '0'],
      ['reconfigure-auto-expand', '-r', '2048', '512', '0'],
      ['reconfigure-auto-expand', '512', '0'],
      ['transition-to-incremental', '0'],
      ['transition-to-snapshot', '/mnt/.datto2', '0'],
      ['transition-to-incremental', '0'],
      ['transition-to-snapshot', '-f', '100', '/mnt/.datto3', '0'],
      ['destroy', '0'],
    ]) {
      expect(await dbdctl(...args)).toEqual(silent);
    }
    expect(driver.calls).toEqual([
      ['setupSnap', '/dev/sdb1', '/mnt/.datto1', 0n, 0n, 0],
      ['reconfigure', 8388608n, 0],
      ['expandCowFile', 64n, 0],
      ['reconfigureAutoExpand', 512n, 2048n, 0],
      ['reconfigureAutoExpand', 512n, 0n, 0],
      ['transitionInc', 0],
      ['transitionSnap', '/mnt/.datto2', 0n, 0],
      ['transitionInc', 0],
      ['transitionSnap', '/mnt/.datto3', 100n, 0],
      ['destroy', 0],
    ]);
  });

  it('reloads with a path relative to the mount point', async () => {
    driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30 });
    expect(await dbdctl('reload-snapshot', '/dev/sdb1', '.datto1', '0')).toEqual(silent);
    expect(await dbdctl('reload-incremental', '-c', '9', '/dev/sdb1', '/.datto1', '1')).toEqual(
      silent,
    );
    expect(driver.calls).toEqual([
      ['reloadSnap', '/dev/sdb1', '.datto1', 0n, 0],
      ['reloadInc', '/dev/sdb1', '/.datto1', 9n, 1],
    ]);
  });

  it.each([
    [['-c', '7', '-f', '9', '/dev/sdb1', '/mnt/a', '0']],
    [['-c7', '-f9', '/dev/sdb1', '/mnt/a', '0']],
    [['/dev/sdb1', '-c', '7', '/mnt/a', '-f', '9', '0']],
    [['/dev/sdb1', '/mnt/a', '0', '-f', '9', '-c', '7']],
    [['--cache-size', '7', '--cow-size=9', '/dev/sdb1', '/mnt/a', '0']],
    [['-c', '1', '-f', '9', '-c', '7', '/dev/sdb1', '/mnt/a', '0']],
    [['-c', '007', '-f9', '--', '/dev/sdb1', '/mnt/a', '00']],
  ])('takes options where getopt took them: %j', async (args) => {
    expect(await dbdctl('setup-snapshot', ...args)).toEqual(silent);
    expect(driver.calls).toEqual([['setupSnap', '/dev/sdb1', '/mnt/a', 9n, 7n, 0]]);
  });

  it('keeps paths as they were typed', async () => {
    for (const path of ['/mnt/0x10', '/mnt/a b', "'/mnt/q'", '/mnt/help', '/mnt/-x', '/mnt/ä=1']) {
      const absolute = path.startsWith('/') ? path : `/${path}`;
      driver.calls.length = 0;
      await dbdctl('setup-snapshot', '12', absolute, '0');
      expect(driver.calls).toEqual([['setupSnap', '12', absolute, 0n, 0n, 0]]);
    }
    await dbdctl('reload-snapshot', '"/dev/q"', "'x'", '0');
    expect(driver.calls.at(-1)).toEqual(['reloadSnap', '"/dev/q"', "'x'", 0n, 0]);
  });

  it('hands the largest numbers on whole', async () => {
    await dbdctl('expand-cow-file', '18446744073709551615', '4294967295');
    expect(driver.calls).toEqual([['expandCowFile', 2n ** 64n - 1n, 0xffffffff]]);
  });
});

describe('dbdctl fails', () => {
  it('and says what, why, and what to do', async () => {
    expect(await dbdctl('destroy', '3')).toEqual({
      code: 4,
      stdout: '',
      stderr:
        'dbdctl: cannot end the tracking of minor 3 and remove its COW file: there is no device ' +
        'with minor 3. See those there are with: dbdctl list (ENOENT).\n',
    });
  });

  it.each([
    [['setup-snapshot', '/dev/none', '/mnt/a', '0'], '/dev/none', 'ENOENT', 4],
    [['setup-snapshot', '/dev/sdb1', '/mnt/directory', '0'], '/mnt/directory', 'EISDIR', 1],
    [['setup-snapshot', '-f', '501', '/dev/sdb1', '/mnt/a', '0'], 'are free on /mnt', 'ENOSPC', 1],
    [['setup-snapshot', '/dev/sdb1', '/mnt/a', '24'], 'max_snap_devices', 'EINVAL', 1],
    [['transition-to-snapshot', '/mnt/a', '5'], 'minor 5', 'ENOENT', 4],
  ])('%j names %s and %s', async (args, object, code, exit) => {
    const result = await dbdctl(...args);
    expect(result).toMatchObject({ code: exit, stdout: '' });
    expect(result.stderr).toContain(object);
    expect(result.stderr).toContain(`(${code})`);
  });

  it('when the driver is not loaded, or the caller is not root', async () => {
    driver.loaded = false;
    expect(await dbdctl(...setup)).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/not loaded.*modprobe dattobd/),
    });
    driver.loaded = true;
    driver.privileged = false;
    expect(await dbdctl(...setup)).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/needs root/),
    });
  });
});

describe('dbdctl refuses with 2, before any call', () => {
  const numbers = ['4294967296', '-1', '+1', '0x10', '1e3', '1.0', ' 1', '1 ', '', '١', 'x', '1k'];

  it.each(numbers)('minor %j', async (text) => {
    const result = await dbdctl('destroy', text);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(/^dbdctl: .*\nSee: dbdctl --help\n$/);
  });

  it.each([
    '18446744073709551616',
    '-1',
    '0x10',
    '1e3',
    '1.5',
    '',
    '8X',
    '1.5B',
    '0.1K',
    '1 M',
    '-1M',
  ])('size %j', async (text) => {
    for (const args of [
      ['reconfigure', '-c', text, '0'],
      ['reconfigure', `-c=${text}`, '0'],
      ['reconfigure', `--cache-size=${text}`, '0'],
      ['setup-snapshot', '-f', text, '/dev/sdb1', '/mnt/a', '0'],
      ['transition-to-snapshot', '-f', text, '/mnt/a', '0'],
      ['expand-cow-file', text, '0'],
      ['reconfigure-auto-expand', text, '0'],
      ['reconfigure-auto-expand', '-r', text, '1', '0'],
    ]) {
      expect([args, (await dbdctl(...args)).code]).toEqual([args, 2]);
    }
    expect(driver.calls).toEqual([]);
  });

  it.each([
    [[]],
    [['nonsense']],
    [['destroy']],
    [['destroy', '0', '1']],
    [['destroy', '-c', '1', '0']],
    [['destroy', '--force', '0']],
    [['reconfigure', '0', '-c']],
    [['setup-snapshot', '/dev/sdb1']],
    [['transition-to-snapshot', '/mnt/b']],
    [['setup-snapshot', '', '/mnt/a', '0']],
    [['setup-snapshot', '/dev/sdb1', '', '0']],
    [['setup-snapshot', '/dev/sdb1', '.datto1', '0']],
    [['transition-to-snapshot', 'mnt/a', '0']],
    [['help', 'nonsense']],
  ])('%j', async (args) => {
    const result = await dbdctl(...args);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(/^dbdctl: [a-z<-].*\nSee: dbdctl --help\n$/);
    expect(driver.calls).toEqual([]);
  });

  it('a relative COW file, and says that it must be absolute', async () => {
    expect((await dbdctl('setup-snapshot', '/dev/sdb1', '.datto1', '0')).stderr).toContain(
      '<cow file> must be an absolute path, beginning with the mount point, not ".datto1"',
    );
  });
});

describe('dbdctl answers', () => {
  it('get-free-minor', async () => {
    await dbdctl(...setup);
    expect(await dbdctl('get-free-minor')).toEqual({ code: 0, stdout: '1\n', stderr: '' });
  });

  it('help, with all verbs, and nothing loaded', async () => {
    for (const args of [['help'], ['--help'], ['-h']]) {
      const { code, stdout, stderr } = await dbdctl(...args);
      expect([code, stderr]).toEqual([0, '']);
      for (const { name } of commands) expect(stdout).toContain(`dbdctl ${name}`);
    }
    expect((await dbdctl('help', 'setup-snapshot')).stdout).toContain(
      'dbdctl setup-snapshot [-c BYTES] [-f MIB] [--show] [--persist] [--dry-run] <block device> <cow file> [<minor>]',
    );
    expect((await dbdctl('destroy', '--help')).stdout).toContain(
      'dbdctl destroy [--dry-run] <minor|device>',
    );
    expect((await dbdctl('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(machine.loads).toBe(0);
  });
});

/** Without this `watch` would not end. */
const bounded = (name: string) => (name === 'watch' ? ['--count', '1'] : []);

describe('each command', () => {
  it.each(commands.map((command) => [command.name, command] as const))(
    '%s has examples that its parser takes',
    async (name, { examples }) => {
      for (const { args: example } of examples) {
        expect(
          (await dbdctl(name, ...example.split(' ').filter(Boolean), ...bounded(name))).code,
        ).not.toBe(2);
      }
    },
  );
});
