import { beforeEach, describe, expect, it } from 'vitest';
import {
  Datto,
  DattoArgumentError,
  DattoIoctlError,
  decodeState,
  errnoName,
} from '../src/index.js';
import { MemoryDriver } from '../src/testing.js';

let driver: MemoryDriver;
let datto: Datto;
const setup = { blockDevice: '/dev/sdb1', cowFile: '/mnt/.datto', minor: 3 };

beforeEach(() => {
  driver = new MemoryDriver();
  driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30, mountPoint: '/mnt' });
  datto = new Datto(driver);
});

describe('Datto', () => {
  it('hands each argument to its field', async () => {
    await datto.setupSnapshot({ ...setup, cacheBytes: 7, fallocateMib: 2n ** 10n });
    await datto.reconfigure({ minor: 3, cacheBytes: 2n ** 40n });
    await datto.expandCowFile({ minor: 3, mib: 5 });
    await datto.reconfigureAutoExpand({ minor: 3, stepMib: 6, reservedMib: 9 });
    await datto.transitionToIncremental(3);
    await datto.transitionToSnapshot({ minor: 3, cowFile: '/mnt/b', fallocateMib: 11 });
    await datto.destroy(3);
    driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30 });
    await datto.reloadSnapshot({ ...setup, cacheBytes: 12 });
    await datto.reloadIncremental({ ...setup, minor: 4 });
    expect(driver.calls).toEqual([
      ['setupSnap', '/dev/sdb1', '/mnt/.datto', 1024n, 7n, 3],
      ['reconfigure', 2n ** 40n, 3],
      ['expandCowFile', 5n, 3],
      ['reconfigureAutoExpand', 6n, 9n, 3],
      ['transitionInc', 3],
      ['transitionSnap', '/mnt/b', 11n, 3],
      ['destroy', 3],
      ['reloadSnap', '/dev/sdb1', '/mnt/.datto', 12n, 3],
      ['reloadInc', '/dev/sdb1', '/mnt/.datto', 0n, 4],
    ]);
  });

  it('hands each member of a group on, in the order given', async () => {
    driver.blockDevices.set('/dev/sdc1', { bytes: 2 ** 30, mountPoint: '/srv' });
    await datto.setupGroup([
      { ...setup, cacheBytes: 7 },
      { blockDevice: '/dev/sdc1', cowFile: '/srv/a', minor: 1, fallocateMib: 9n },
    ]);
    expect(driver.calls).toEqual([
      [
        'setupGroup',
        [
          { bdev: '/dev/sdb1', cow: '/mnt/.datto', mib: 0n, cache: 7n, minor: 3 },
          { bdev: '/dev/sdc1', cow: '/srv/a', mib: 9n, cache: 0n, minor: 1 },
        ],
      ],
    ]);
  });

  it('gives the state in units and names', async () => {
    await datto.setupSnapshot({ ...setup, fallocateMib: 100 });
    driver.overflow(3);
    expect(await datto.info(3)).toMatchObject({
      minor: 3,
      state: { code: 3, snapshot: true, active: true, unverified: false, text: 'active snapshot' },
      error: -27,
      errorName: 'EFBIG',
      cowBytes: 104857600n,
      cowFile: '/mnt/.datto',
    });
  });

  it.each([
    [0, 'dormant incremental'],
    [1, 'dormant snapshot'],
    [2, 'active incremental'],
    [3, 'active snapshot'],
    [4, 'unverified incremental'],
    [5, 'unverified snapshot'],
  ])('state %d is %s', (code, text) => expect(decodeState(code).text).toBe(text));

  it('refuses numbers that do not fit, before any call', async () => {
    const calls: (() => Promise<unknown>)[] = [-1, 2 ** 32, 0.5, Number.NaN].flatMap((minor) => [
      () => datto.setupSnapshot({ ...setup, minor }),
      () => datto.reloadSnapshot({ ...setup, minor }),
      () => datto.transitionToSnapshot({ cowFile: '/a', minor }),
      () => datto.destroy(minor),
      () => datto.info(minor),
      () => datto.transitionToIncremental(minor),
      () => datto.reconfigure({ minor }),
    ]);
    for (const size of [-1, 2 ** 53, 0.5, -1n, 2n ** 64n]) {
      calls.push(
        () => datto.setupSnapshot({ ...setup, cacheBytes: size }),
        () => datto.setupSnapshot({ ...setup, fallocateMib: size }),
        () => datto.reloadIncremental({ ...setup, cacheBytes: size }),
        () => datto.expandCowFile({ minor: 0, mib: size }),
        () => datto.reconfigureAutoExpand({ minor: 0, stepMib: size }),
        () => datto.reconfigureAutoExpand({ minor: 0, stepMib: 1, reservedMib: size }),
      );
    }
    calls.push(() => datto.setupSnapshot({ ...setup, cowFile: '/a\0b' }));
    calls.push(() => datto.setupGroup([setup, { ...setup, minor: -1 }]));
    for (const run of calls) await expect(run()).rejects.toThrowError(DattoArgumentError);
    expect(driver.calls).toEqual([]);
    await expect(datto.destroy(2 ** 32)).rejects.toThrowError(
      'minor must be an integer from 0 to 2^32-1, not 4294967296',
    );
  });
});

describe('DattoIoctlError', () => {
  it('names object, cause and next step', async () => {
    await expect(datto.destroy(3)).rejects.toThrowError(
      'cannot destroy minor 3: there is no device with minor 3. ' +
        'See /proc/datto-info for those there are (ENOENT).',
    );
    await datto.setupSnapshot(setup);
    const again = datto.setupSnapshot({ ...setup, cowFile: '/mnt/b' });
    await expect(again).rejects.toThrowError(
      'cannot set up minor 3 as a snapshot of /dev/sdb1 with COW file /mnt/b: minor 3 is in use, ' +
        'or the file system of /dev/sdb1 is frozen. Choose another minor or destroy that device, ' +
        'or thaw it (fsfreeze -u) (EBUSY).',
    );
    const error: unknown = await again.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DattoIoctlError);
    expect(error).toMatchObject({
      code: 'EBUSY',
      errno: 16,
      syscall: 'ioctl',
      operation: 'setupSnapshot',
      subject: { minor: 3, blockDevice: '/dev/sdb1', cowFile: '/mnt/b' },
      driverAbsent: false,
      cause: { errno: 16 },
    });
  });

  it('names the member of a group that was refused', async () => {
    driver.blockDevices.set('/dev/loop0', {
      bytes: 2 ** 28,
      mountPoint: '/l',
      standsOn: '/dev/sdb1',
    });
    const loop = { blockDevice: '/dev/loop0', cowFile: '/l/a', minor: 4 };
    await expect(datto.setupGroup([setup, loop])).rejects.toThrowError(
      expect.objectContaining({
        code: 'ETIMEDOUT',
        operation: 'setupGroup',
        member: 1,
        subject: loop,
        message: expect.stringMatching(
          /because of \/dev\/loop0 \(minor 4, COW file \/l\/a\): .*comes before that/,
        ),
      }),
    );
    expect(driver.cowFiles.size).toBe(0);
    await datto.setupGroup([loop, setup]);
    expect((await datto.status()).devices.map(({ minor }) => minor)).toEqual([3, 4]);
    await expect(datto.setupGroup([])).rejects.toThrowError(/one member at least/);
  });

  it('tells a missing driver from a missing device', async () => {
    driver.loaded = false;
    await expect(datto.destroy(3)).rejects.toThrowError(
      expect.objectContaining({
        code: 'ENOENT',
        syscall: 'open',
        driverAbsent: true,
        message: expect.stringContaining('modprobe dattobd'),
      }),
    );
    driver.loaded = true;
    await expect(datto.destroy(3)).rejects.toThrowError(
      expect.objectContaining({ code: 'ENOENT', driverAbsent: false }),
    );
  });

  it('says that root is needed', async () => {
    driver.privileged = false;
    await expect(datto.getFreeMinor()).rejects.toThrowError(/needs root.*\(EPERM\)/);
  });

  it('has a cause and a step for errors of any number', async () => {
    driver.failNext('destroy', 'ESTALE');
    await expect(datto.destroy(0)).rejects.toThrowError(/does not know.*kernel log \(ESTALE\)/);
    expect(errnoName(4095)).toBe('E4095');
    expect(errnoName(95)).toBe('EOPNOTSUPP');
  });

  it('lets errors that are no system call through', async () => {
    driver.destroy = () => Promise.reject(new TypeError('x'));
    await expect(datto.destroy(0)).rejects.toThrowError(TypeError);
  });
});
