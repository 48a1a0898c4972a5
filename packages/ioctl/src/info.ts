import type { RawInfo } from './binding.js';
import { errnoName } from './errno.js';
import { DATTO_STATE_ACTIVE, DATTO_STATE_SNAPSHOT, DATTO_STATE_UNVERIFIED } from './uapi.js';

/** State of a device, as bits and in words. */
export interface DattoState {
  /** As the driver and /proc/datto-info give it, 0..5. */
  readonly code: number;
  /** Snapshot mode; otherwise incremental. */
  readonly snapshot: boolean;
  /** The file system is mounted read-write and the device follows it; otherwise dormant. */
  readonly active: boolean;
  /** Reloaded, not yet found to be right. */
  readonly unverified: boolean;
  /** Such as `active snapshot`. */
  readonly text: string;
}

/** What the driver tells of one device. */
export interface DattoInfo {
  readonly minor: number;
  readonly state: DattoState;
  /** 0, or the negative errno of the device's first failure. */
  readonly error: number;
  /** Its name, such as `EFBIG`; null without an error. */
  readonly errorName: string | null;
  /** Memory for the index in bytes. */
  readonly cacheBytes: bigint;
  /** Present size of the COW file in bytes. */
  readonly cowBytes: bigint;
  /** Number of the snapshot in its series, from 1. */
  readonly seqid: bigint;
  /** 16 bytes, of the series. */
  readonly uuid: Uint8Array;
  /** Relative to the root of its file system. */
  readonly cowFile: string;
  readonly blockDevice: string;
  /** Of the COW file's header. */
  readonly version: bigint;
  readonly nrChangedBlocks: bigint;
}

/** The state's bits by name. */
export function decodeState(code: number): DattoState {
  const snapshot = (code & DATTO_STATE_SNAPSHOT) !== 0;
  const active = (code & DATTO_STATE_ACTIVE) !== 0;
  const unverified = (code & DATTO_STATE_UNVERIFIED) !== 0;
  const phase = unverified ? 'unverified' : active ? 'active' : 'dormant';
  const text = `${phase} ${snapshot ? 'snapshot' : 'incremental'}`;
  return { code, snapshot, active, unverified, text };
}

export function decodeInfo(raw: RawInfo): DattoInfo {
  return {
    minor: raw.minor,
    state: decodeState(Number(raw.state)),
    error: raw.error,
    errorName: raw.error === 0 ? null : errnoName(-raw.error),
    cacheBytes: raw.cacheSize,
    cowBytes: raw.fallocSize,
    seqid: raw.seqid,
    uuid: raw.uuid,
    cowFile: raw.cow,
    blockDevice: raw.bdev,
    version: raw.version,
    nrChangedBlocks: raw.nrChangedBlocks,
  };
}
