/** The examples are run as they are, against the in-memory driver. */
import { readdirSync, readFileSync } from 'node:fs';
import { Datto } from '@dbd/ioctl';
import { MemoryDriver } from '@dbd/ioctl/testing';
import { beforeEach, expect, it } from 'vitest';
import { nextSnapshot } from '../examples/backup-cycle.js';
import { trySnapshot } from '../examples/explain-failure.js';
import { listDevices } from '../examples/list-devices.js';

let driver: MemoryDriver;
let datto: Datto;

beforeEach(() => {
  driver = new MemoryDriver();
  driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30, mountPoint: '/mnt' });
  datto = new Datto(driver);
});

it('backup-cycle', async () => {
  await datto.setupSnapshot({ blockDevice: '/dev/sdb1', cowFile: '/mnt/.datto1', minor: 0 });
  const copied: unknown[] = [];
  const copy = async (...args: unknown[]) => void copied.push(args);
  expect(await nextSnapshot(datto, 0, '/mnt/.datto2', copy)).toBe('/mnt/.datto1');
  expect(copied).toEqual([['/dev/datto0', '/mnt/.datto1']]);
  expect((await datto.info(0)).seqid).toBe(2n);
});

it('explain-failure', async () => {
  expect(await trySnapshot(datto, '/dev/sdb1', '/mnt/a')).toEqual({ minor: 0 });
  expect(await trySnapshot(datto, '/dev/none', '/mnt/a')).toEqual({
    why: expect.stringContaining('/dev/none'),
    again: false,
  });
  driver.failNext('setupSnap', 'EBUSY');
  expect(await trySnapshot(datto, '/dev/sdb1', '/mnt/a')).toMatchObject({ again: true });
  driver.loaded = false;
  expect(await trySnapshot(datto, '/dev/sdb1', '/mnt/a')).toEqual({
    why: 'modprobe dattobd first',
    again: false,
  });
});

it('list-devices', async () => {
  await datto.setupSnapshot({ blockDevice: '/dev/sdb1', cowFile: '/mnt/.datto1', minor: 4 });
  driver.overflow(4);
  expect(await listDevices(datto)).toEqual(['4 /dev/sdb1 active snapshot EFBIG']);
});

it('all of them, and the README names each', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const names = readdirSync(new URL('../examples', import.meta.url));
  expect(names).toHaveLength(3);
  for (const name of names) expect(readme).toContain(`examples/${name}`);
});
