import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** What the addon gives for INFO. */
export interface RawInfo {
  readonly minor: number;
  readonly state: bigint;
  /** 0 or a negative errno value. */
  readonly error: number;
  readonly cacheSize: bigint;
  readonly fallocSize: bigint;
  readonly seqid: bigint;
  readonly uuid: Uint8Array;
  readonly cow: string;
  readonly bdev: string;
  readonly version: bigint;
  readonly nrChangedBlocks: bigint;
}

/** What the addon gives for FAILURE. */
export interface RawFailure {
  /** 0 or a negative errno value. */
  readonly error: number;
  readonly block: bigint;
  /** Empty: there is no more to say. */
  readonly reason: string;
}

/** One device of {@link DattoBinding.setupGroup}; the fields as in `setupSnap`. */
export interface RawMember {
  readonly bdev: string;
  readonly cow: string;
  readonly mib: bigint;
  readonly cache: bigint;
  readonly minor: number;
}

/**
 * The system calls, as the addon offers them; anything else of this shape can stand in for it.
 * A failure rejects with an object that has `errno` (positive) and `syscall`, and `reason` when the
 * driver has one.
 */
export interface DattoBinding {
  /** SETUP_SNAP; `mib` and `cache` of 0 are the defaults. */
  setupSnap(bdev: string, cow: string, mib: bigint, cache: bigint, minor: number): Promise<void>;
  /** SETUP_GROUP; the error has `member`, the index of the one that was refused, if it was one. */
  setupGroup(members: readonly RawMember[]): Promise<void>;
  /** RELOAD_SNAP. */
  reloadSnap(bdev: string, cow: string, cache: bigint, minor: number): Promise<void>;
  /** RELOAD_INC. */
  reloadInc(bdev: string, cow: string, cache: bigint, minor: number): Promise<void>;
  /** DESTROY. */
  destroy(minor: number): Promise<void>;
  /** TRANSITION_INC. */
  transitionInc(minor: number): Promise<void>;
  /** TRANSITION_SNAP; `mib` of 0 is what the device used last. */
  transitionSnap(cow: string, mib: bigint, minor: number): Promise<void>;
  /** RECONFIGURE. */
  reconfigure(cache: bigint, minor: number): Promise<void>;
  /** DATTOBD_INFO. */
  info(minor: number): Promise<RawInfo>;
  /** GET_FREE. */
  getFree(): Promise<number>;
  /** Text of the status file; left out: /proc/datto-info is read. */
  readStatus?(): Promise<string>;
  /** EXPAND_COW_FILE. */
  expandCowFile(mib: bigint, minor: number): Promise<void>;
  /** RECONFIGURE_AUTO_EXPAND. */
  reconfigureAutoExpand(stepMib: bigint, reservedMib: bigint, minor: number): Promise<void>;
  /** FORCE_TRANSITION_INC. */
  forceTransitionInc(minor: number): Promise<void>;
  /** FAILURE of a device. */
  failure(minor: number): Promise<RawFailure>;
  /** BLKGETSIZE64. */
  deviceSize(path: string): Promise<bigint>;
  /** BLKSSZGET. */
  logicalBlockSize(path: string): Promise<number>;
  /** lseek(2) with SEEK_DATA; ENXIO when there is none. */
  seekData(fd: number, offset: bigint): Promise<bigint>;
  /** lseek(2) with SEEK_HOLE. */
  seekHole(fd: number, offset: bigint): Promise<bigint>;
  /** posix_fadvise(2). */
  fadvise(fd: number, offset: bigint, length: bigint, advice: number): Promise<void>;
}

/** Loads the addon. Throws when it was not built for this machine. */
export function loadBinding(): DattoBinding {
  // By require(), as the addon's path is known at run time only, and neither is to be bundled.
  const require = createRequire(import.meta.url);
  const load = require('node-gyp-build') as (directory: string) => DattoBinding;
  return load(fileURLToPath(new URL('../native', import.meta.url)));
}
