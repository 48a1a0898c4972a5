import { describe, expect, it } from 'vitest';
import { Datto } from '../src/index.js';
import { contract, MemoryDriver } from '../src/testing.js';

describe('the in-memory driver keeps the contract', () => {
  it.each(contract.map((one) => [one.name, one] as const))('%s', async (_, { run }) => {
    const driver = new MemoryDriver();
    driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30, mountPoint: '/mnt', freeMib: 500 });
    driver.directories.add('/mnt');
    driver.otherFiles.add('/dev/null');
    await run({
      datto: new Datto(driver),
      blockDevice: '/dev/sdb1',
      directory: '/mnt',
      minor: 0,
      otherMinor: 1,
      maxDevices: 24,
      notBlockDevice: '/dev/null',
      holdOpen: async (minor) => {
        driver.heldOpen.add(minor);
        return async () => void driver.heldOpen.delete(minor);
      },
    });
    expect(await driver.getFree()).toBe(0);
  });
});

describe('the in-memory driver', () => {
  it('knows the rows of the error table that the contract cannot bring about', async () => {
    const driver = new MemoryDriver();
    const datto = new Datto(driver);
    const setup = { blockDevice: '/dev/sdb1', cowFile: '/mnt/a', minor: 0 };
    driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30 });
    await expect(datto.setupSnapshot(setup)).rejects.toThrowError(/EINVAL/);
    driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30, mountPoint: '/mnt', readOnly: true });
    await expect(datto.setupSnapshot(setup)).rejects.toThrowError(/EINVAL/);
    driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30, mountPoint: '/mnt', freeMib: 99 });
    await expect(datto.setupSnapshot({ ...setup, fallocateMib: 100 })).rejects.toThrowError(
      /ENOSPC/,
    );
    expect(driver.cowFiles.size).toBe(0);
    await datto.setupSnapshot({ ...setup, fallocateMib: 99 });
    driver.overflow(0);
    await expect(datto.transitionToIncremental(0)).rejects.toThrowError(/EINVAL/);
    expect(await datto.failure(0)).toEqual({
      errno: 27,
      code: 'EFBIG',
      block: 0n,
      reason: 'the COW file is full',
    });
    await datto.forceTransitionToIncremental(0);
    expect(await datto.failure(0)).toBeNull();
    expect((await datto.info(0)).state.text).toBe('active incremental');
    await datto.transitionToSnapshot({ cowFile: '/mnt/b', minor: 0 });
    await datto.destroy(0);
    driver.maxDevices = 0;
    await expect(datto.getFreeMinor()).rejects.toThrowError(/ENOENT/);
  });

  it('reloads before the mount only, and leaves the file of an unverified device', async () => {
    const driver = new MemoryDriver();
    const datto = new Datto(driver);
    const reload = { blockDevice: '/dev/sdb1', cowFile: '.datto', minor: 0 };
    driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30, mountPoint: '/mnt' });
    await expect(datto.reloadIncremental(reload)).rejects.toThrowError(/EINVAL/);
    driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30 });
    driver.cowFiles.add('.datto');
    await datto.reloadIncremental(reload);
    expect((await datto.info(0)).state.text).toBe('unverified incremental');
    await datto.destroy(0);
    expect([...driver.cowFiles]).toEqual(['.datto']);
  });
});
