/** Texts of a command line, checked and turned into values. */
import type { DeviceRef, Kind, NewDeviceRef } from './definition.js';
import { UsageError } from './usage-error.js';

interface Parameter {
  readonly kind: Kind;
  readonly choices?: readonly string[];
  readonly min?: bigint;
  readonly max?: bigint;
  readonly unit?: 'bytes' | 'MiB';
}

const U64_MAX = 2n ** 64n - 1n;
const U32_MAX = 0xffff_ffffn;

/**
 * Checks one text.
 * @param what how the message names it: `<minor>`, `-c`
 * @throws UsageError
 */
export function parseValue(
  what: string,
  text: string,
  { kind, choices, min, max, unit }: Parameter,
): string | bigint | number | DeviceRef | NewDeviceRef {
  switch (kind) {
    case 'number':
      return atLeast(what, parseNumber(what, text, max ?? U64_MAX), min);
    case 'size':
      return atLeast(what, parseSize(what, text, unit ?? 'bytes', max ?? U64_MAX), min);
    case 'minor':
      return Number(parseNumber(what, text, U32_MAX));
    case 'device':
      return parseDevice(what, text);
    case 'new-device':
      return parseNewDevice(what, text);
    case 'choice':
      if (choices?.includes(text)) return text;
      throw new UsageError(`${what} must be one of ${choices?.join(', ')}, not ${quote(text)}`);
    case 'absolute-path':
      if (notEmpty(what, text).startsWith('/')) return text;
      throw new UsageError(
        `${what} must be an absolute path, beginning with the mount point, not ${quote(text)}`,
      );
    default:
      return notEmpty(what, text);
  }
}

/** Digits only: no sign, no unit, no other base, no spaces; refused when too large, not wrapped. */
function parseNumber(what: string, text: string, max: bigint): bigint {
  if (!/^[0-9]+$/.test(text)) {
    throw new UsageError(`${what} must be a number in digits, not ${quote(text)}`);
  }
  return atMost(what, BigInt(text), max, text);
}

const POWERS = 'KMGTPE';

/**
 * A size: bare digits count `unit`, as dattobd's tools had it; with a unit of its own (K, KiB, kB, ...) it
 * is exact or refused.
 */
export function parseSize(
  what: string,
  text: string,
  unit: 'bytes' | 'MiB',
  max = U64_MAX,
): bigint {
  if (/^[0-9]+$/.test(text)) return atMost(what, BigInt(text), max, text);
  const match = /^([0-9]+)(?:\.([0-9]+))?(?:([KMGTPE])(iB|B)?|(B))$/i.exec(text);
  if (match === null) {
    throw new UsageError(
      `${what} must be a number of ${unit} in digits, or a size such as 512MiB or 2GiB, not ${quote(text)}`,
    );
  }
  const [, whole = '', fraction = '', letter = '', suffix = ''] = match;
  const power = letter === '' ? 0 : POWERS.indexOf(letter.toUpperCase()) + 1;
  // As in SI and IEC: kB is 1000, KiB 1024; a bare K is 1024, as lvm and dd have it.
  const base = suffix.toUpperCase() === 'B' ? 1000n : 1024n;
  const scale = 10n ** BigInt(fraction.length);
  const divisor = scale * (unit === 'MiB' ? 2n ** 20n : 1n);
  const scaled = BigInt(whole + fraction) * base ** BigInt(power);
  if (scaled % divisor !== 0n) {
    throw new UsageError(`${what} must be a whole number of ${unit}, not ${quote(text)}`);
  }
  return atMost(what, scaled / divisor, max, text);
}

/** Digits are a minor; everything else is a path. */
function parseDevice(what: string, text: string): DeviceRef {
  if (/^[0-9]+$/.test(text)) return { minor: Number(parseNumber(what, text, U32_MAX)) };
  if (text.startsWith('/')) return { path: text };
  throw new UsageError(
    `${what} must be a minor in digits, or the path of a device such as /dev/sdb1, not ${quote(text)}`,
  );
}

/**
 * The first colon before a slash ends the device, digits after the last one are the minor: paths may
 * have colons of their own, and a COW file whose name ends as a minor does takes one more.
 */
function parseNewDevice(what: string, text: string): NewDeviceRef {
  const match = /^(.+?):(\/.*?)(?::([0-9]*))?$/s.exec(text);
  if (match === null) {
    throw new UsageError(
      `${what} must be a device, the absolute path of its COW file and perhaps a minor, such as /dev/sdb1:/mnt/.datto1:0, not ${quote(text)}`,
    );
  }
  const [, blockDevice = '', cowFile = '', minor = ''] = match;
  return {
    blockDevice,
    cowFile,
    minor: minor === '' ? undefined : Number(parseNumber(`the minor of ${what}`, minor, U32_MAX)),
  };
}

function atMost(what: string, number: bigint, max: bigint, text: string): bigint {
  if (number > max) throw new UsageError(`${what} must be at most ${max}, not ${text}`);
  return number;
}

function atLeast(what: string, number: bigint, min = 0n): bigint {
  if (number < min) throw new UsageError(`${what} must be at least ${min}, not ${number}`);
  return number;
}

function notEmpty(what: string, text: string): string {
  if (text === '') throw new UsageError(`${what} must not be empty`);
  return text;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
