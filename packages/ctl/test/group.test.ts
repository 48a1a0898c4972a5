import { beforeEach, describe, expect, it } from 'vitest';
import { topmostFirst } from '../src/lib/stacking.js';
import { Machine, MemoryHost } from './support.js';

let machine: Machine;

/** /dev/loop0 is on a file of /dev/sdb1. */
beforeEach(() => {
  machine = new Machine();
  machine.addMounted('/dev/sdc1', '8:33', '/srv');
  machine.addMounted('/dev/loop0', '7:0', '/loop', '/dev/sdb1');
  machine.host.files.set('/mnt/image', { kind: 'file', dev: '8:17', rdev: '0:0' });
  machine.host.texts.set('/sys/dev/block/7:0/loop/backing_file', '/mnt/image\n');
});

const group = ['setup-snapshot', '--group'] as const;
const members = ['/dev/sdb1:/mnt/cow:4', '/dev/sdc1:/srv/cow:2', '/dev/loop0:/loop/cow:9'] as const;
const minors = async () => {
  const { devices } = await machine.json('dbdctl.list.v1', 'list');
  return (devices as { minor: number }[]).map(({ minor }) => minor);
};
/** Minors in the order in which the driver got them. */
const handedOver = () =>
  machine.driver.calls
    .filter(([name]) => name === 'setupGroup')
    .map(([, list]) => (list as { minor: number }[]).map(({ minor }) => minor));

describe('a group', () => {
  it('is taken in silence; what stands on a file of another is frozen first', async () => {
    expect(await machine.dbdctl(...group, ...members)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await minors()).toEqual([2, 4, 9]);
    expect(handedOver()).toEqual([[2, 9, 4]]);
  });

  it('is given in one go, or by several options, anywhere; the sizes are those of each', async () => {
    const [a, b] = members;
    for (const args of [
      ['setup-snapshot', '-f', '64MiB', '--group', a, b, '-c', '8MiB'],
      ['setup-snapshot', '--group', a, '-f64', `--group=${b}`, '--cache-size', '8388608'],
      ['setup-snapshot', a, '--group', b, '-f', '64', '-c8M'],
    ]) {
      machine.driver.calls.length = 0;
      expect(await machine.dbdctl(...args)).toMatchObject({ code: 0, stderr: '' });
      const sizes = { mib: 64n, cache: 8388608n };
      expect(machine.driver.calls).toEqual([
        [
          'setupGroup',
          [
            { bdev: '/dev/sdb1', cow: '/mnt/cow', minor: 4, ...sizes },
            { bdev: '/dev/sdc1', cow: '/srv/cow', minor: 2, ...sizes },
          ],
        ],
      ]);
      for (const minor of ['4', '2']) await machine.dbdctl('destroy', minor);
    }
  });

  it('gets free minors, which --show prints in the order given', async () => {
    await machine.dbdctl('setup-snapshot', '/dev/sdc1', '/srv/cow', '1');
    const rest = ['/dev/sdb1:/mnt/cow', '/dev/loop0:/loop/a:0:'] as const;
    expect(await machine.dbdctl(...group, ...rest, '--show')).toMatchObject({ stdout: '0\n2\n' });
    expect(handedOver()).toEqual([[2, 0]]);
    expect([...machine.driver.cowFiles]).toContain('/loop/a:0');
    machine.host.texts.set('/sys/module/dattobd/parameters/max_snap_devices', '3\n');
    machine.addMounted('/dev/sdd1', '8:49', '/d');
    expect(await machine.dbdctl(...group, '/dev/sdd1:/d/cow')).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('there is no free minor for /dev/sdd1'),
    });
  });

  it('gets others when somebody was faster, and does not go on for ever', async () => {
    const { driver } = machine;
    const readStatus = driver.readStatus.bind(driver);
    driver.readStatus = async () => {
      const text = await readStatus();
      driver.readStatus = readStatus;
      await driver.setupSnap('/dev/sdc1', '/srv/a', 0n, 0n, 0);
      return text;
    };
    expect((await machine.dbdctl(...group, '/dev/sdb1:/mnt/cow', '--show')).stdout).toBe('1\n');
    await machine.dbdctl('destroy', '1');
    driver.readStatus = async () => '{ "version": "x", "devices": [] }';
    expect(await machine.dbdctl(...group, '/dev/sdb1:/mnt/cow')).toMatchObject({ code: 5 });
  });

  it('is told as JSON', async () => {
    const dry = await machine.json('dbdctl.group.v1', ...group, ...members, '--dry-run');
    expect(dry).toMatchObject({ dryRun: true, freezeOrder: [2, 9, 4] });
    expect(handedOver()).toEqual([]);
    const done = await machine.json('dbdctl.group.v1', ...group, ...members);
    expect(done).toMatchObject({
      command: 'setup-snapshot',
      dryRun: false,
      plan: dry.plan,
      freezeOrder: [2, 9, 4],
      members: [
        { minor: 4, blockDevice: '/dev/sdb1', cowFile: '/mnt/cow', device: { minor: 4 } },
        { minor: 2, device: { state: 'active snapshot' } },
        { minor: 9 },
      ],
    });
  });

  it('is only planned with --dry-run', async () => {
    const [a, b] = members;
    expect(await machine.dbdctl(...group, a, b, '-f', '64', '--dry-run')).toEqual({
      code: 0,
      stdout:
        'would take snapshots at one instant of /dev/sdb1 as minor 4 with the COW file /mnt/cow of 64 MiB, ' +
        '/dev/sdc1 as minor 2 with the COW file /srv/cow of 64 MiB\n',
      stderr: '',
    });
    expect(handedOver()).toEqual([]);
  });
});

describe('a group that is refused', () => {
  it.each([
    [4, '/dev/none does not exist', ['/dev/none:/mnt/b:0']],
    [4, '/dev/null is not a block device', ['/dev/null:/mnt/b:0']],
    [1, 'is not on the file system of /dev/loop0', ['/dev/loop0:/mnt/b:0']],
    [1, '/loop is a directory', ['/dev/loop0:/loop:0']],
    [1, 'minor 4 is in the group twice', ['/dev/loop0:/loop/b:4']],
    [1, '/dev/sdb1 is in the group twice', ['/dev/sdb1:/mnt/b:0']],
    [1, 'minor 24 is not below', ['/dev/loop0:/loop/b:24']],
    [1, '501 MiB, and 500 MiB are free on /loop', ['/dev/loop0:/loop/b:0', '-f', '501']],
  ])('exit %d, %s, before the call and after it', async (code, text, rest) => {
    machine.driver.otherFiles.add('/dev/null');
    machine.driver.directories.add('/loop');
    machine.host.files.set('/dev/null', { kind: 'other', dev: '0:5', rdev: '1:3' });
    machine.host.texts.set('/sys/module/dattobd/parameters/max_snap_devices', '24\n');
    for (const disk of ['/dev/sdb1', '/dev/sdc1']) {
      const [device] = [machine.driver.blockDevices.get(disk)];
      if (device !== undefined) machine.driver.blockDevices.set(disk, { ...device, freeMib: 999 });
    }
    machine.host.free.set('/mnt', 2 ** 40).set('/srv', 2 ** 40);
    for (const dry of [['--dry-run'], []]) {
      const args = [...group, members[0], members[1], ...rest, ...dry];
      expect(await machine.dbdctl(...args)).toEqual({
        code,
        stdout: '',
        stderr: expect.stringContaining(text),
      });
    }
    expect(await minors()).toEqual([]);
    expect(machine.driver.cowFiles.size).toBe(0);
  });

  it('names the member that the driver says, and its words', async () => {
    machine.driver.setupGroup = () =>
      Promise.reject({
        errno: 16,
        syscall: 'ioctl',
        reason: 'its file system is frozen',
        member: 1,
      });
    // The driver got the device on the loop device first.
    expect((await machine.dbdctl(...group, ...members.slice(0, 1), members[2])).stderr).toBe(
      'dbdctl: cannot take snapshots at one instant because of /dev/sdb1 (minor 4, COW file /mnt/cow): ' +
        'minor 4 is in use, or the file system of /dev/sdb1 is frozen. Choose another minor or destroy ' +
        'that device, or thaw it (fsfreeze -u) (EBUSY). The driver says: its file system is frozen.\n',
    );
    const { stdout } = await machine.dbdctl(...group, ...members, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ error: { exitCode: 5, code: 'EBUSY' } });
  });

  it('for none of its members', async () => {
    machine.driver.failNext('setupGroup', 'ENOMEM');
    expect((await machine.dbdctl(...group, ...members)).stderr).toMatch(
      /^dbdctl: cannot take snapshots at one instant: .* memory.*\(ENOMEM\)/,
    );
  });

  it.each([
    [[]],
    [['/dev/sdb1']],
    [['/dev/sdb1:cow:1']],
    [[':/cow']],
    [['/dev/sdb1:/mnt/a:4294967296']],
    [['/dev/sdb1:/mnt/a:1', '/dev/sdc1', '/srv/a', '2']],
  ])('as wrongly called: %j', async (words) => {
    expect(await machine.dbdctl(...group, ...words)).toMatchObject({ code: 2, stdout: '' });
    expect(machine.driver.calls).toEqual([]);
  });
});

describe('devices that stand on others', () => {
  let host: MemoryHost;

  const order = (...paths: string[]) => topmostFirst(paths, (path) => path, host);
  const device = (path: string, number: string) =>
    host.files.set(path, { kind: 'block', dev: '0:5', rdev: number });
  const slave = (number: string, name: string, of: string) =>
    host.texts.set(`/sys/dev/block/${number}/slaves/${name}/dev`, `${of}\n`);

  beforeEach(() => {
    host = new MemoryHost();
    device('/dev/sda1', '8:1');
    device('/dev/sdb1', '8:17');
    device('/dev/loop0', '7:0');
    device('/dev/loop0p1', '259:0');
    device('/dev/dm-0', '253:0');
    device('/dev/md0', '9:0');
    host.texts.set('/sys/dev/block/7:0/loop/backing_file', '/mnt/image\n');
    host.files.set('/mnt/image', { kind: 'file', dev: '8:1', rdev: '0:0' });
    host.texts.set('/sys/dev/block/259:0/partition', '1\n');
    host.links.set('/sys/dev/block/259:0', '/sys/devices/virtual/block/loop0/loop0p1');
    host.texts.set('/sys/devices/virtual/block/loop0/dev', '7:0\n');
  });

  it('keep their order where there is nothing to say', async () => {
    expect(await order('/dev/sdb1', '/dev/sda1', '/dev/none', '/dev/md0')).toEqual([
      '/dev/sdb1',
      '/dev/sda1',
      '/dev/none',
      '/dev/md0',
    ]);
    expect(await order('/dev/sda1', '/dev/sda1')).toEqual(['/dev/sda1', '/dev/sda1']);
  });

  it('come first: a loop device, a partition of it, and whatever is made of these', async () => {
    expect(await order('/dev/sda1', '/dev/sdb1', '/dev/loop0')).toEqual([
      '/dev/sdb1',
      '/dev/loop0',
      '/dev/sda1',
    ]);
    expect(await order('/dev/sda1', '/dev/loop0p1')).toEqual(['/dev/loop0p1', '/dev/sda1']);
    slave('253:0', 'loop0p1', '259:0');
    slave('9:0', 'dm-0', '253:0');
    slave('9:0', 'sdc', '8:32');
    expect(await order('/dev/sda1', '/dev/md0')).toEqual(['/dev/md0', '/dev/sda1']);
    // On a file of md0, which is at last on sda1.
    device('/dev/loop1', '7:1');
    host.texts.set('/sys/dev/block/7:1/loop/backing_file', '/md/image\n');
    host.files.set('/md/image', { kind: 'file', dev: '9:0', rdev: '0:0' });
    expect(await order('/dev/sda1', '/dev/md0', '/dev/sdb1', '/dev/loop1')).toEqual([
      '/dev/sdb1',
      '/dev/loop1',
      '/dev/md0',
      '/dev/sda1',
    ]);
  });

  it('and a loop device on a block device itself', async () => {
    host.files.set('/mnt/image', { kind: 'block', dev: '0:5', rdev: '8:17' });
    expect(await order('/dev/sdb1', '/dev/loop0')).toEqual(['/dev/loop0', '/dev/sdb1']);
  });

  it('may be circular as /sys tells it, without end', async () => {
    slave('253:0', 'md0', '9:0');
    slave('9:0', 'dm-0', '253:0');
    expect((await order('/dev/md0', '/dev/dm-0')).sort()).toEqual(['/dev/dm-0', '/dev/md0']);
  });
});
