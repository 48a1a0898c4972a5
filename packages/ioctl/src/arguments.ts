/** Arguments on their way to the driver: checked here, never wrapped or cut. */
import { DattoArgumentError } from './error.js';
import { DATTO_PATH_SIZE } from './uapi.js';

const U64_MAX = 2n ** 64n - 1n;
const encoder = new TextEncoder();

/** A u64 field; `undefined` is 0, which means the driver's default. */
export function u64(argument: string, value: number | bigint | undefined): bigint {
  if (value === undefined) return 0n;
  const exact = typeof value === 'bigint' || Number.isSafeInteger(value);
  const number = exact ? BigInt(value) : -1n;
  if (number < 0n || number > U64_MAX) {
    throw new DattoArgumentError(argument, 'an integer from 0 to 2^64-1', value);
  }
  return number;
}

/** A u32 field. */
export function u32(argument: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new DattoArgumentError(argument, 'an integer from 0 to 2^32-1', value);
  }
  return value;
}

/** An offset or length in a file, for off_t. */
export function offset(argument: string, value: number): bigint {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new DattoArgumentError(argument, 'an integer from 0 to 2^53-1', value);
  }
  return BigInt(value);
}

/** A path; C would end it at a NUL, and the driver takes 4095 bytes. */
export function path(argument: string, value: string): string {
  if (value.includes('\0') || encoder.encode(value).byteLength >= DATTO_PATH_SIZE) {
    throw new DattoArgumentError(argument, 'a path without NUL of at most 4095 bytes', value);
  }
  return value;
}
