import { expect, test } from 'vitest';
import { diskAddress, diskName, isClockSane } from '../src/vm.js';

test('a clock that ran ahead of the machine is not believed', () => {
  expect(isClockSane(4.2, 5)).toBe(true);
  expect(isClockSane(42, 5)).toBe(false);
  expect(isClockSane(Number.NaN, 5)).toBe(false);
});

test('disks have an address and a name each, more than there are slots and letters', () => {
  expect([0, 25, 26, 51, 52].map(diskName)).toEqual(
    ['a', 'z', 'aa', 'az', 'ba'].map((letters) => `/dev/vd${letters}`),
  );
  expect([0, 7, 8, 127].map(diskAddress)).toEqual(['0x10.0', '0x10.7', '0x11.0', '0x1f.7']);
  expect(() => diskAddress(128)).toThrow('room for 128 disks');
});
