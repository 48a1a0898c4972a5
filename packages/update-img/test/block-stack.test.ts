import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { deviceId, isMadeOf } from '../src/block-stack.js';

/** Stands for /sys. */
let sys: string;
beforeEach(async () => {
  sys = await mkdtemp(join(tmpdir(), 'sys-'));
  await mkdir(join(sys, 'dev/block'), { recursive: true });
});
afterEach(() => rm(sys, { recursive: true }));

const number = (major: number, minor: number) => major * 256 + minor;

/** A device with these attributes, below another one if it is its partition. */
async function device(numbers: string, directory: string, files: Readonly<Record<string, string>>) {
  const path = join(sys, 'devices', directory);
  for (const [name, text] of Object.entries({ ...files, dev: numbers })) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), `${text}\n`);
  }
  await symlink(path, join(sys, 'dev/block', numbers));
}

it('a device is known by device mapper, or by its disk and the partition', async () => {
  await device('8:0', 'sda', { 'device/wwid': 't10.ATA   Disk  7' });
  await device('8:1', 'sda/sda1', { partition: '1' });
  await device('253:0', 'dm-0', { 'dm/uuid': 'LVM-x' });
  await device('253:1', 'dm-1', { 'dm/uuid': `CRYPT-LUKS2-${'0f'.repeat(16)}-name` });
  await device('254:0', 'vda', { serial: '' });
  expect(await deviceId(number(8, 0), sys)).toBe('wwid t10.ATA   Disk  7');
  expect(await deviceId(number(8, 1), sys)).toBe('wwid t10.ATA   Disk  7 1');
  expect(await deviceId(number(253, 0), sys)).toBe('dm/uuid LVM-x');
  // Whatever it was opened as.
  expect(await deviceId(number(253, 1), sys)).toBe(`dm/uuid CRYPT-LUKS2-${'0f'.repeat(16)}`);
  expect(await deviceId(number(254, 0), sys)).toBeUndefined();
  expect(await deviceId((await stat('/dev/null')).rdev)).toBeUndefined();
});

it('a device stands on the file of a loop device below it, by whatever name', async () => {
  const [file, other] = [join(sys, 'disk.img'), join(sys, 'other.img')];
  await writeFile(file, '');
  await writeFile(other, '');
  await symlink(file, join(sys, 'link'));
  await device('7:0', 'loop0', { 'loop/backing_file': join(sys, 'link') });
  await device('259:0', 'loop0/loop0p1', { partition: '1' });
  await device('253:0', 'dm-0', { 'slaves/loop0p1/dev': '259:0' });
  for (const top of [number(7, 0), number(259, 0), number(253, 0)]) {
    expect(await isMadeOf(top, await stat(file), sys)).toBe(true);
    expect(await isMadeOf(top, await stat(other), sys)).toBe(false);
  }
});
