/** The driver's status file, /proc/datto-info, which anybody may read. */
import { errnoName } from './errno.js';
import { type DattoState, decodeState } from './info.js';

/** What the status file tells of one device. */
export interface DeviceStatus {
  readonly minor: number;
  readonly state: DattoState;
  /** 0, or the negative errno of the device's first failure. */
  readonly error: number;
  /** Its name, such as `EFBIG`; null without an error. */
  readonly errorName: string | null;
  /** Relative to the root of its file system; as it was given while the device is unverified. */
  readonly cowFile: string;
  readonly blockDevice: string;
  /** Memory for the index in bytes. */
  readonly cacheBytes: bigint;
  /** What a device has once its COW file is verified; undefined while it is not. */
  readonly verified?: VerifiedStatus;
  /** Growth of the COW file by itself; undefined when it is not set. */
  readonly autoExpand?: { readonly stepMib: bigint; readonly reservedMib: bigint };
}

/** What is known from the COW file. */
export interface VerifiedStatus {
  /** Bytes of the COW file that were asked for, in whole MiB. */
  readonly fallocateBytes: bigint;
  /** Present size of the COW file in bytes. */
  readonly cowBytes: bigint;
  /** Number of the snapshot in its series, from 1. */
  readonly seqid: bigint;
  /** Of the series: 32 hexadecimal digits. */
  readonly uuid: string;
  /** Of the COW file's header. */
  readonly version: bigint;
  readonly nrChangedBlocks: bigint;
  /**
   * Bytes of the COW file that old blocks can still go to; undefined but for snapshots, and of drivers
   * that do not tell. What a file grew by need not all be of use.
   */
  readonly cowFreeBytes?: bigint;
}

/** The status file as a whole. */
export interface DattoStatus {
  /** Version of the interface: `0.12.1`. */
  readonly version: string;
  /** By minor, ascending. */
  readonly devices: readonly DeviceStatus[];
}

/** The status file does not hold what it should. */
export class DattoStatusError extends Error {
  override readonly name = 'DattoStatusError';
  readonly code = 'ERR_DATTO_STATUS';
}

/**
 * Reads the text of /proc/datto-info, of this driver or of dattobd; keys that are not known are left.
 * @throws DattoStatusError
 */
export function parseStatus(text: string): DattoStatus {
  const file = parseJson(text);
  if (!isRecord(file) || typeof file.version !== 'string' || !Array.isArray(file.devices)) {
    throw fault('version and devices');
  }
  return { version: file.version, devices: file.devices.map(deviceOf) };
}

function deviceOf(entry: unknown): DeviceStatus {
  if (!isRecord(entry)) throw fault('an object for each device');
  const error = entry.error === undefined ? 0 : Number(integer(entry, 'error'));
  const { auto_expand: autoExpand } = entry;
  return {
    minor: Number(integer(entry, 'minor')),
    state: decodeState(Number(integer(entry, 'state'))),
    error,
    errorName: error === 0 ? null : errnoName(-error),
    cowFile: string(entry, 'cow_file'),
    blockDevice: string(entry, 'block_device'),
    cacheBytes: integer(entry, 'max_cache'),
    ...(entry.uuid === undefined ? {} : { verified: verifiedOf(entry) }),
    ...(isRecord(autoExpand)
      ? {
          autoExpand: {
            stepMib: integer(autoExpand, 'step_size_mib'),
            reservedMib: integer(autoExpand, 'reserved_space_mib'),
          },
        }
      : {}),
  };
}

function verifiedOf(entry: Readonly<Record<string, unknown>>): VerifiedStatus {
  return {
    fallocateBytes: integer(entry, 'fallocate'),
    cowBytes: integer(entry, 'cow_size_current'),
    seqid: integer(entry, 'seq_id'),
    uuid: string(entry, 'uuid'),
    version: integer(entry, 'version'),
    nrChangedBlocks: integer(entry, 'nr_changed_blocks'),
    ...(entry.cow_free === undefined ? {} : { cowFreeBytes: integer(entry, 'cow_free') }),
  };
}

/** Integers come as texts: JSON.parse would round those above 2^53. */
function parseJson(text: string): unknown {
  const exact = text.replace(/"(?:[^"\\]|\\.)*"|-?\d+/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
  try {
    return JSON.parse(exact);
  } catch (cause) {
    throw fault('JSON', cause);
  }
}

function integer(entry: Readonly<Record<string, unknown>>, key: string): bigint {
  const value = entry[key];
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return BigInt(value);
  throw fault(`an integer ${key}`);
}

function string(entry: Readonly<Record<string, unknown>>, key: string): string {
  const value = entry[key];
  if (typeof value === 'string') return value;
  throw fault(`a text ${key}`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fault(expected: string, cause?: unknown): DattoStatusError {
  return new DattoStatusError(
    `the driver's status file does not hold ${expected}. Is another driver loaded?`,
    cause === undefined ? undefined : { cause },
  );
}
