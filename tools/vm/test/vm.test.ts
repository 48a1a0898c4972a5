import { expect, test } from 'vitest';
import { isClockSane } from '../src/vm.js';

test('a clock that ran ahead of the machine is not believed', () => {
  expect(isClockSane(4.2, 5)).toBe(true);
  expect(isClockSane(42, 5)).toBe(false);
  expect(isClockSane(Number.NaN, 5)).toBe(false);
});
