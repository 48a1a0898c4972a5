import { beforeEach, describe, expect, it } from 'vitest';
import { Machine } from './support.js';

const UUID = '00010203-0405-0607-0809-0a0b0c0d0e0f';
const WANTED = `/etc/dbd/devices/${UUID}`;
// The driver in memory names a COW file as it was given, the real one from the root of its file system.
const LIVE = '/mnt/.dbd/live';
const NEXT = '/mnt/.dbd/next';
const setup = ['setup-snapshot', '/dev/sdb1', '/mnt/.datto1'] as const;

let machine: Machine;

beforeEach(() => {
  machine = new Machine();
  machine.files.devices.set('/dev/sdb1', ext4());
});

function ext4(): Uint8Array {
  const block = Buffer.alloc(4096);
  block.writeUInt16LE(0xef53, 1024 + 0x38);
  for (let i = 0; i < 16; i++) block[1024 + 0x68 + i] = i;
  return block;
}

function xfs(): Uint8Array {
  const block = Buffer.alloc(4096);
  block.write('XFSB');
  for (let i = 0; i < 16; i++) block[32 + i] = i;
  return block;
}

const links = () => Object.fromEntries(machine.files.links);
const isOn = () => machine.host.texts.has(WANTED);
const persistent = async () => {
  const { device } = await machine.json('dbdctl.info.v1', 'info', '0');
  return (device as { persistent: boolean | null }).persistent;
};

/** What the links are when the driver is called. */
function linksDuringTransition(): Promise<Record<string, string>> {
  const { driver } = machine;
  const transition = driver.transitionSnap.bind(driver);
  return new Promise((resolve) => {
    driver.transitionSnap = async (...args) => {
      resolve(links());
      return transition(...args);
    };
  });
}

async function twoModes(): Promise<void> {
  await machine.dbdctl(...setup);
  await machine.dbdctl('transition-to-incremental', '0');
}

describe('persist', () => {
  it.each([
    ['ext4', ext4()],
    ['xfs', xfs()],
  ])('leaves what boot needs on %s', async (_, block) => {
    machine.files.devices.set('/dev/sdb1', block);
    await machine.dbdctl(...setup);
    expect(await persistent()).toBe(false);
    expect(await machine.dbdctl('persist', '/dev/datto0')).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    expect(machine.host.texts.get(WANTED)).toMatch(/^minor=0$/m);
    expect(links()).toEqual({ [LIVE]: '/mnt/.datto1' });
    expect(await persistent()).toBe(true);
  });

  it.each([
    ['a mapping', '/sys/dev/block/8:17/dm/uuid', 'LVM-abc\n', 'kind=dm:LVM-abc'],
    ['a loop device', '/sys/dev/block/8:17/loop/backing_file', '/a\n', 'kind=loop'],
  ])('tells %s from copies of its file system', async (_, path, text, line) => {
    machine.host.texts.set(path, text);
    await machine.dbdctl(...setup, '--persist');
    expect(machine.host.texts.get(WANTED)?.split('\n')).toContain(line);
  });

  it('knows a partition of a loop device', async () => {
    machine.host.texts.set('/sys/dev/block/8:17/partition', '1\n');
    machine.host.texts.set('/sys/dev/block/8:17/../loop/backing_file', '/a\n');
    await machine.dbdctl(...setup, '--persist');
    expect(machine.host.texts.get(WANTED)).toMatch(/^kind=loop$/m);
  });

  it('is taken back by --off, also when the device is tracked no more', async () => {
    await machine.dbdctl(...setup, '--persist');
    expect(await machine.dbdctl('persist', '--off', '0')).toMatchObject({ code: 0 });
    expect([isOn(), links()]).toEqual([false, {}]);
    expect(await persistent()).toBe(false);
    await machine.dbdctl('persist', '0');
    await machine.driver.destroy(0);
    expect(await machine.dbdctl('persist', '--off', '/dev/sdb1')).toMatchObject({ code: 0 });
    expect([isOn(), links()]).toEqual([false, {}]);
    expect(await machine.dbdctl('persist', '--off', '3')).toMatchObject({ code: 4 });
  });

  it('says what it would do, and what it did', async () => {
    await machine.dbdctl(...setup);
    expect((await machine.dbdctl('persist', '--dry-run', '0')).stdout).toBe(
      'would have /dev/sdb1 tracked again as minor 0 after a reboot\n',
    );
    expect(isOn()).toBe(false);
    expect(await machine.json('dbdctl.persist.v1', 'persist', '0')).toMatchObject({
      blockDevice: '/dev/sdb1',
      persistent: true,
      dryRun: false,
    });
  });

  it('reminds of the initramfs where that mounts the file system', async () => {
    machine.driver.blockDevices.set('/dev/sdb1', {
      bytes: 2 ** 30,
      mountPoint: '/usr',
      freeMib: 500,
    });
    machine.addDirectory('/usr', '8:17');
    machine.mount('8:17', '/usr', 'rw', 'ext4', '/dev/sdb1', 'rw');
    await machine.dbdctl('setup-snapshot', '/dev/sdb1', '/usr/.datto1');
    const { code, stderr } = await machine.dbdctl('persist', '0');
    expect([code, stderr]).toEqual([0, expect.stringContaining('update-initramfs -u')]);
    expect(links()).toEqual({ '/usr/.dbd/live': '/usr/.datto1' });
  });

  it('refuses what it cannot do', async () => {
    expect(await machine.dbdctl('persist', '0')).toMatchObject({ code: 4 });
    await machine.dbdctl(...setup);
    machine.files.devices.set('/dev/sdb1', new Uint8Array(4096));
    const { code, stderr } = await machine.dbdctl('persist', '0');
    expect([code, stderr]).toEqual([1, expect.stringContaining('no UUID')]);
    machine.files.devices.set('/dev/sdb1', ext4());
    machine.mount('8:17', '/mnt', 'rw', 'ext4', '/dev/sdb1', 'ro');
    expect((await machine.dbdctl('persist', '0')).stderr).toContain('not mounted as a whole');
    machine.host.texts.set(
      '/proc/self/mountinfo',
      '36 25 8:17 /part /mnt rw - ext4 /dev/sdb1 rw\n',
    );
    expect((await machine.dbdctl('persist', '0')).stderr).toContain('not mounted as a whole');
    machine.host.uid = 1000;
    expect(await machine.dbdctl('persist', '0')).toMatchObject({ code: 6 });
  });

  it('is not known without root', async () => {
    await machine.dbdctl(...setup, '--persist');
    machine.files.devices.clear();
    expect(await persistent()).toBe(null);
  });
});

describe('what keeps it true', () => {
  it('leads to the file that counts at each moment of a transition', async () => {
    await twoModes();
    await machine.dbdctl('persist', '0');
    const during = linksDuringTransition();
    await machine.dbdctl('transition-to-snapshot', '/mnt/.datto2', '0');
    expect(await during).toEqual({ [LIVE]: '/mnt/.datto1', [NEXT]: '/.datto2' });
    expect(links()).toEqual({ [LIVE]: '/mnt/.datto2' });
    expect(await persistent()).toBe(true);
  });

  it('knows the next file by its path from the root of the file system', async () => {
    await twoModes();
    await machine.dbdctl('persist', '0');
    machine.addDirectory('/elsewhere', '8:17');
    machine.host.texts.set(
      '/proc/self/mountinfo',
      `${machine.host.texts.get('/proc/self/mountinfo')}40 25 8:17 /deep/inside /elsewhere rw - ext4 /dev/sdb1 rw\n`,
    );
    let during: unknown;
    machine.driver.transitionSnap = async () => {
      during = links();
      throw Object.assign(new Error(), { errno: 28, syscall: 'ioctl' });
    };
    await machine.dbdctl('transition-to-snapshot', '/elsewhere/.datto2', '0');
    expect(during).toMatchObject({ [NEXT]: '/deep/inside/.datto2' });
  });

  it('is as before when a transition fails', async () => {
    await twoModes();
    await machine.dbdctl('persist', '0');
    expect(await machine.dbdctl('transition-to-snapshot', '/mnt/directory', '0')).toMatchObject({
      code: 1,
    });
    expect(links()).toEqual({ [LIVE]: '/mnt/.datto1' });
  });

  it('mends what transitions past this program left', async () => {
    await twoModes();
    await machine.dbdctl('persist', '0');
    await machine.driver.transitionSnap('/mnt/.datto2', 0n, 0);
    expect(await persistent()).toBe(false);
    await machine.dbdctl('transition-to-incremental', '0');
    const during = linksDuringTransition();
    await machine.dbdctl('transition-to-snapshot', '/mnt/.datto3', '0');
    expect(await during).toEqual({ [LIVE]: '/mnt/.datto2', [NEXT]: '/.datto3' });
    expect(links()).toEqual({ [LIVE]: '/mnt/.datto3' });
  });

  it('is nobody’s business who did not ask for it', async () => {
    await twoModes();
    await machine.dbdctl('transition-to-snapshot', '/mnt/.datto2', '0');
    await machine.dbdctl('destroy', '0');
    expect([isOn(), links()]).toEqual([false, {}]);
  });

  it('outlives destroy and a new setup, and is not looked at in between', async () => {
    await machine.dbdctl(...setup, '--persist');
    await machine.dbdctl('destroy', '0');
    expect([isOn(), links()]).toEqual([false, {}]);
    expect(machine.files.emptied).toEqual(['/mnt/.dbd']);
    await machine.dbdctl('setup-snapshot', '/dev/sdb1', '/mnt/.datto5', '4');
    expect(machine.host.texts.get(WANTED)).toMatch(/^minor=4$/m);
    expect(links()).toEqual({ [LIVE]: '/mnt/.datto5' });
    expect([...machine.host.texts.keys()].filter((path) => path.startsWith(WANTED))).toEqual([
      WANTED,
    ]);
  });

  it('goes with each of a group', async () => {
    machine.addMounted('/dev/sdc1', '8:33', '/srv');
    machine.files.devices.set('/dev/sdc1', xfs());
    const group = ['--group', '/dev/sdb1:/mnt/.datto1:0', '--group', '/dev/sdc1:/srv/.datto1:1'];
    expect(await machine.dbdctl('setup-snapshot', '--persist', ...group)).toMatchObject({
      code: 0,
    });
    expect(links()).toEqual({ [LIVE]: '/mnt/.datto1', '/srv/.dbd/live': '/srv/.datto1' });
  });

  it('a record that cannot be written keeps a transition from being made', async () => {
    await twoModes();
    await machine.dbdctl('persist', '0');
    machine.driver.calls.length = 0;
    machine.files.link = async () => {
      throw Object.assign(new Error('ENOSPC: no space left on device'), {
        code: 'ENOSPC',
        errno: -28,
        syscall: 'symlink',
      });
    };
    const { code, stderr } = await machine.dbdctl('transition-to-snapshot', '/mnt/.datto2', '0');
    expect([code, stderr]).toEqual([1, expect.stringContaining('ENOSPC')]);
    expect(machine.driver.calls.map(([name]) => name)).not.toContain('transitionSnap');
  });
});
