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

/**
 * The system calls, as the addon offers them; anything else of this shape can stand in for it.
 * A failure rejects with an object that has `errno` (positive) and `syscall`.
 */
export interface DattoBinding {
  setupSnap(bdev: string, cow: string, mib: bigint, cache: bigint, minor: number): Promise<void>;
  reloadSnap(bdev: string, cow: string, cache: bigint, minor: number): Promise<void>;
  reloadInc(bdev: string, cow: string, cache: bigint, minor: number): Promise<void>;
  destroy(minor: number): Promise<void>;
  transitionInc(minor: number): Promise<void>;
  transitionSnap(cow: string, mib: bigint, minor: number): Promise<void>;
  reconfigure(cache: bigint, minor: number): Promise<void>;
  info(minor: number): Promise<RawInfo>;
  getFree(): Promise<number>;
  /** Text of the status file; left out: /proc/datto-info is read. */
  readStatus?(): Promise<string>;
  expandCowFile(mib: bigint, minor: number): Promise<void>;
  reconfigureAutoExpand(stepMib: bigint, reservedMib: bigint, minor: number): Promise<void>;
  deviceSize(path: string): Promise<bigint>;
  logicalBlockSize(path: string): Promise<number>;
  seekData(fd: number, offset: bigint): Promise<bigint>;
  seekHole(fd: number, offset: bigint): Promise<bigint>;
  fadvise(fd: number, offset: bigint, length: bigint, advice: number): Promise<void>;
}

/** Loads the addon. Throws when it was not built for this machine. */
export function loadBinding(): DattoBinding {
  // By require(), as the addon's path is known at run time only, and neither is to be bundled.
  const require = createRequire(import.meta.url);
  const load = require('node-gyp-build') as (directory: string) => DattoBinding;
  return load(fileURLToPath(new URL('../native', import.meta.url)));
}
