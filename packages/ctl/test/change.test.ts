import { beforeEach, describe, expect, it } from 'vitest';
import { checked, Machine } from './support.js';

let machine: Machine;

beforeEach(() => {
  machine = new Machine();
});

const setup = ['setup-snapshot', '/dev/sdb1', '/mnt/.datto1'] as const;
const calls = () => machine.driver.calls.map(([name]) => name);

describe('a minor that is not given', () => {
  it('is the lowest free one; --show prints it', async () => {
    machine.driver.blockDevices.set('/dev/sdc1', { bytes: 2 ** 30, mountPoint: '/srv' });
    await machine.dbdctl(...setup, '0');
    expect(await machine.dbdctl('setup-snapshot', '--show', '/dev/sdc1', '/srv/.datto1')).toEqual({
      code: 0,
      stdout: '1\n',
      stderr: '',
    });
    expect(await machine.dbdctl('destroy', '/dev/sdc1')).toMatchObject({ code: 0, stdout: '' });
    expect(await machine.json('dbdctl.list.v1', 'list')).toMatchObject({ devices: [{ minor: 0 }] });
  });

  it('is silent without --show, and a given one is shown too', async () => {
    expect(await machine.dbdctl(...setup)).toEqual({ code: 0, stdout: '', stderr: '' });
    await machine.dbdctl('destroy', '0');
    expect((await machine.dbdctl(...setup, '7', '--show')).stdout).toBe('7\n');
  });

  it('is the next one when somebody was faster', async () => {
    const { driver } = machine;
    driver.blockDevices.set('/dev/sdc1', { bytes: 2 ** 30, mountPoint: '/srv' });
    const getFree = driver.getFree.bind(driver);
    driver.getFree = async () => {
      driver.getFree = getFree;
      const minor = await getFree();
      await driver.setupSnap('/dev/sdc1', '/srv/.datto', 0n, 0n, minor);
      return minor;
    };
    expect(await machine.dbdctl(...setup, '--show')).toMatchObject({ code: 0, stdout: '1\n' });
  });

  it('does not go on for ever', async () => {
    machine.driver.getFree = async () => 0;
    machine.driver.blockDevices.set('/dev/sdc1', { bytes: 2 ** 30, mountPoint: '/srv' });
    await machine.driver.setupSnap('/dev/sdc1', '/srv/.datto', 0n, 0n, 0);
    expect(await machine.dbdctl(...setup)).toMatchObject({ code: 5 });
  });
});

describe('--json', () => {
  it('tells what was done and what is there now', async () => {
    expect(await machine.json('dbdctl.change.v1', ...setup)).toMatchObject({
      command: 'setup-snapshot',
      dryRun: false,
      minor: 0,
      plan: 'take a snapshot of /dev/sdb1 as minor 0 with the COW file /mnt/.datto1',
      device: { state: 'active snapshot', snapshotDevice: '/dev/datto0' },
    });
    for (const args of [
      ['reconfigure', '-c', '8MiB', '0'],
      ['expand-cow-file', '64', '0'],
      ['reconfigure-auto-expand', '1G', '0'],
      ['transition-to-incremental', '0'],
      ['transition-to-snapshot', '/mnt/.datto2', '0'],
    ]) {
      expect(await machine.json('dbdctl.change.v1', ...args)).toMatchObject({
        command: args[0],
        device: { minor: 0 },
      });
    }
    expect(await machine.json('dbdctl.change.v1', 'destroy', '0')).toMatchObject({ device: null });
  });

  it('tells a failure, with the code that the process ends with', async () => {
    const { code, stdout } = await machine.dbdctl('destroy', '5', '--json');
    expect(code).toBe(4);
    expect(checked('dbd.error.v1', JSON.parse(stdout))).toEqual({
      schema: 'dbd.error.v1',
      error: {
        exit: 'no such device',
        exitCode: 4,
        code: 'ENOENT',
        message: expect.stringContaining('there is no device with minor 5'),
      },
    });
  });
});

describe('--dry-run', () => {
  it('says what would be done, and does nothing', async () => {
    expect(await machine.dbdctl(...setup, '-f', '100', '--dry-run')).toEqual({
      code: 0,
      stdout:
        'would take a snapshot of /dev/sdb1 as minor 0 with the COW file /mnt/.datto1 of 100 MiB\n',
      stderr: '',
    });
    expect(calls()).toEqual(['getFree']);
    await machine.dbdctl(...setup, '0');
    machine.driver.calls.length = 0;
    for (const args of [
      ['destroy', '0'],
      ['transition-to-incremental', '/dev/sdb1'],
      ['reconfigure', '0'],
      ['expand-cow-file', '1', '0'],
      ['reconfigure-auto-expand', '0', '0'],
    ]) {
      const result = await machine.dbdctl(...args, '--dry-run');
      expect(result).toMatchObject({ code: 0, stderr: '' });
      expect(result.stdout).toMatch(/^would .* minor 0/);
    }
    expect(calls()).toEqual([]);
  });

  it('refuses whatever the driver would, with the same code', async () => {
    await machine.dbdctl(...setup, '0');
    for (const args of [
      ['destroy', '5'],
      ['transition-to-snapshot', '/mnt/.datto2', '0'],
      ['setup-snapshot', '/dev/sdb1', '/mnt/b', '1'],
      ['setup-snapshot', '/dev/sdb1', '/mnt/b', '0'],
      ['setup-snapshot', '/dev/none', '/mnt/b', '1'],
      ['reload-snapshot', '/dev/sdb1', 'b', '1'],
    ]) {
      const dry = await machine.dbdctl(...args, '--dry-run', '--json');
      const wet = await machine.dbdctl(...args, '--json');
      expect([args, dry.code, JSON.parse(dry.stdout)]).toEqual([
        args,
        wet.code,
        JSON.parse(wet.stdout),
      ]);
      expect(dry.code).not.toBe(0);
    }
  });

  it('needs root as well', async () => {
    machine.host.uid = 1000;
    expect(await machine.dbdctl(...setup, '3', '--dry-run')).toMatchObject({ code: 6 });
  });
});

/** The driver gives EINVAL for all of these. */
describe('a refusal is explained', () => {
  it.each([
    [
      'not mounted',
      (m: Machine) => {
        m.host.texts.set('/proc/self/mountinfo', '');
        m.driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30 });
      },
      /\/dev\/sdb1 is not mounted\. Mount it first: .* \(EINVAL\)\.$/,
    ],
    [
      'mounted read-only',
      (m: Machine) => {
        m.mount('8:17', '/mnt\\040x', 'ro,relatime', 'ext4', '/dev/sdb1', 'rw');
        m.driver.blockDevices.set('/dev/sdb1', {
          bytes: 2 ** 30,
          mountPoint: '/mnt',
          readOnly: true,
        });
      },
      /is mounted read-only at \/mnt x\. Mount it read-write: mount -o remount,rw \/mnt x \(EINVAL\)\.$/,
    ],
  ])('%s', async (_, prepare, expected) => {
    prepare(machine);
    const { code, stderr } = await machine.dbdctl(...setup, '0');
    expect([code, stderr.trim()]).toEqual([1, expect.stringMatching(expected)]);
  });

  it('tracked already', async () => {
    await machine.dbdctl(...setup, '4');
    const { code, stderr } = await machine.dbdctl('setup-snapshot', '/dev/sdb1', '/mnt/b', '1');
    expect([code, stderr]).toEqual([
      5,
      'dbdctl: cannot take a snapshot of /dev/sdb1 as minor 1 with the COW file /mnt/b: ' +
        '/dev/sdb1 is tracked already, as minor 4. Use that one, or destroy it first (EINVAL).\n',
    ]);
  });

  it('tracked already, under another name', async () => {
    await machine.dbdctl(...setup, '4');
    const link = ['setup-snapshot', '/dev/disk/by-label/data', '/mnt/b', '1', '--dry-run'];
    expect(await machine.dbdctl(...link)).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('/by-label/data is tracked already, as minor 4.'),
    });
    machine.addDisk('/dev/sdc1', '8:33', 2 ** 30);
    const other = ['setup-snapshot', '/dev/sdc1', '/mnt/b', '1', '--dry-run'];
    expect((await machine.dbdctl(...other)).stderr).toContain('/dev/sdc1 is not mounted.');
  });

  it('COW file on another file system', async () => {
    const { code, stderr } = await machine.dbdctl('setup-snapshot', '/dev/sdb1', '/srv/b', '1');
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(
        ': the COW file /srv/b is not on the file system of /dev/sdb1, which is mounted at /mnt. ' +
          'Name a file under /mnt (EINVAL).',
      ),
    ]);
  });

  it('minor too large', async () => {
    machine.host.texts.set('/sys/module/dattobd/parameters/max_snap_devices', '24\n');
    const { stderr } = await machine.dbdctl(...setup, '24');
    expect(stderr).toContain("minor 24 is not below the module's max_snap_devices, which is 24.");
  });

  it('wrong state', async () => {
    await machine.dbdctl(...setup, '0');
    expect((await machine.dbdctl('transition-to-snapshot', '/mnt/b', '0')).stderr).toContain(
      'the device with minor 0 (/dev/sdb1) is active snapshot; it must be active incremental. ' +
        'End the snapshot first: dbdctl transition-to-incremental 0 (EINVAL).',
    );
    await machine.dbdctl('transition-to-incremental', '0');
    expect((await machine.dbdctl('expand-cow-file', '1', '0')).stderr).toContain(
      'Take a snapshot first: dbdctl transition-to-snapshot <cow file> 0 (EINVAL).',
    );
  });

  it('a failed device', async () => {
    await machine.dbdctl(...setup, '0');
    machine.driver.overflow(0);
    expect((await machine.dbdctl('transition-to-incremental', '0')).stderr).toContain(
      'the device with minor 0 (/dev/sdb1) has failed: the COW file is full (EFBIG). Destroy it',
    );
    // An older driver, which has no words for it.
    machine.driver.failNext('failure', 'EINVAL');
    expect((await machine.dbdctl('reconfigure', '0', '--dry-run')).stderr).toContain(
      'has failed: the COW file ran full (EFBIG). Destroy it',
    );
    machine.driver.privileged = false;
    expect((await machine.dbdctl('list')).stderr).toBe(
      'minor 0 has failed: the COW file ran full (EFBIG)\n',
    );
  });

  it('a failed device goes on by force, another does not', async () => {
    await machine.dbdctl(...setup, '0');
    const force = ['transition-to-incremental', '--force', '0'] as const;
    expect((await machine.dbdctl(...force)).stderr).toContain(
      'the device with minor 0 (/dev/sdb1) has not failed. Leave --force out (EINVAL).',
    );
    machine.driver.overflow(0);
    expect((await machine.dbdctl('transition-to-incremental', '0')).stderr).toContain(
      'or go on with what it tracked: dbdctl transition-to-incremental --force 0 (EINVAL).',
    );
    expect((await machine.dbdctl('info', '0')).stdout).toContain('the COW file is full (EFBIG)');
    expect((await machine.dbdctl(...force)).code).toBe(0);
    expect((await machine.dbdctl('info', '0')).stdout).toContain('active incremental');
    expect((await machine.dbdctl('transition-to-snapshot', '/mnt/b', '0')).code).toBe(0);
  });

  it('reload after the mount', async () => {
    expect((await machine.dbdctl('reload-snapshot', '/dev/sdb1', 'a', '0')).stderr).toContain(
      '/dev/sdb1 is mounted read-write at /mnt already. Reload before',
    );
  });

  it('with what the driver says of it', async () => {
    machine.driver.setupSnap = () =>
      Promise.reject({ errno: 22, syscall: 'ioctl', reason: 'the file system is read-only' });
    machine.mount('8:17', '/mnt', 'ro', 'ext4', '/dev/sdb1', 'rw');
    expect((await machine.dbdctl(...setup, '0')).stderr).toContain(
      'mount -o remount,rw /mnt (EINVAL). The driver says: the file system is read-only.\n',
    );
  });

  it('as the driver gave it, where nothing is found', async () => {
    machine.driver.failNext('setupSnap', 'EINVAL');
    expect((await machine.dbdctl(...setup, '0')).stderr).toContain('one of these holds:');
    machine.driver.failNext('setupSnap', 'EIO');
    expect((await machine.dbdctl(...setup, '0')).stderr).toContain('(EIO)');
  });
});
