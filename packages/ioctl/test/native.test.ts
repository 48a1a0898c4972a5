import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Datto, DattoIoctlError, loadBinding } from '../src/index.js';

/** The addon itself, as far as it goes without the driver. */
const binding = loadBinding();
const datto = new Datto(binding);
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ioctl-'));
});
afterAll(() => rm(directory, { recursive: true }));

describe('addon arguments', () => {
  it.each([
    ['below', -1],
    ['above', 2 ** 32],
    ['fraction', 1.5],
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
  ])('refuses a u32 that is %s', (_, value) => {
    expect(() => binding.destroy(value)).toThrowError(
      expect.objectContaining({ name: 'RangeError', code: 'ERR_DATTO_ARGUMENT' }),
    );
  });

  it('refuses a u64 that does not fit', () => {
    for (const value of [-1n, 2n ** 64n]) {
      expect(() => binding.reconfigure(value, 0)).toThrowError(RangeError);
      expect(() => binding.setupSnap('a', 'b', value, 0n, 0)).toThrowError('argument 3');
      expect(() => binding.setupSnap('a', 'b', 0n, value, 0)).toThrowError('argument 4');
    }
  });

  it('refuses members of a group that are not', () => {
    const good = { bdev: 'a', cow: 'b', mib: 0n, cache: 0n, minor: 0 };
    for (const bad of [
      { ...good, minor: -1 },
      { ...good, mib: 2n ** 64n },
      { ...good, cow: 'x\0' },
      { ...good, cache: 0 as unknown as bigint },
      {} as typeof good,
      3 as unknown as typeof good,
    ]) {
      expect(() => binding.setupGroup([good, bad])).toThrowError('argument 1');
    }
    expect(() => binding.setupGroup({} as unknown as [])).toThrowError('an array');
  });

  it('refuses other types', () => {
    const bad = binding as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const call of [
      () => bad.destroy?.('1'),
      () => bad.destroy?.(1n),
      () => bad.reconfigure?.(1, 0),
      () => bad.deviceSize?.(null),
      () => bad.info?.(),
    ]) {
      expect(call).toThrowError(
        expect.objectContaining({ name: 'TypeError', code: 'ERR_DATTO_ARGUMENT' }),
      );
    }
  });

  it('refuses paths that C would cut', () => {
    for (const path of ['/dev/a\0b', 'x'.repeat(4096)]) {
      expect(() => binding.deviceSize(path)).toThrowError('without NUL');
    }
  });
});

describe('system calls', () => {
  it('tells that a path is no block device', async () => {
    await expect(datto.deviceSize('/dev/null')).rejects.toThrowError(
      expect.objectContaining({
        name: 'DattoIoctlError',
        code: 'ENOTTY',
        errno: 25,
        syscall: 'ioctl',
        operation: 'deviceSize',
        subject: { blockDevice: '/dev/null' },
        driverAbsent: false,
      }),
    );
    await expect(datto.logicalBlockSize('/no/such')).rejects.toThrowError(
      expect.objectContaining({ code: 'ENOENT', syscall: 'open', driverAbsent: false }),
    );
  });

  it('finds data and holes', async () => {
    const handle = await open(join(directory, 'sparse'), 'w+');
    try {
      const MIB = 2 ** 20;
      await handle.truncate(4 * MIB);
      await handle.write(Buffer.alloc(4096, 1), 0, 4096, 2 * MIB);
      expect(await datto.seekData(handle.fd, 0)).toBe(2 * MIB);
      expect(await datto.seekHole(handle.fd, 2 * MIB)).toBe(2 * MIB + 4096);
      expect(await datto.seekData(handle.fd, 3 * MIB)).toBeNull();
      expect(await datto.seekHole(handle.fd, 5 * MIB)).toBeNull();
      await datto.fadvise(handle.fd, 0, 0, 'sequential');
    } finally {
      await handle.close();
    }
  });

  it('names the call that failed on a descriptor', async () => {
    await expect(datto.seekData(-1, 0)).rejects.toThrowError(
      expect.objectContaining({ code: 'EBADF', syscall: 'lseek', subject: { fd: -1 } }),
    );
    await expect(datto.fadvise(-1, 0, 0, 'normal')).rejects.toThrowError(
      expect.objectContaining({ code: 'EBADF', syscall: 'posix_fadvise' }),
    );
  });

  it('leaves the event loop free, and settles many calls', async () => {
    const calls = Array.from({ length: 200 }, () => datto.deviceSize('/dev/null'));
    const results = await Promise.allSettled(calls);
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  });

  it.each([
    ['info', () => datto.info(0)],
    ['getFreeMinor', () => datto.getFreeMinor()],
  ] as const)('%s answers, or says that the driver is not loaded', async (operation, run) => {
    const error: unknown = await run().catch((reason: unknown) => reason);
    if (!(error instanceof DattoIoctlError)) return;
    expect(error.operation).toBe(operation);
    expect(error.driverAbsent).toBe(error.syscall === 'open' && error.code === 'ENOENT');
  });
});
