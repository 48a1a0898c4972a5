import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** See native/engine.h. The numbers are the enums' there. */
export const MODE = { copy: 0, verify: 1, count: 2 } as const;
export const ZEROS = { write: 0, punch: 1, skip: 2 } as const;
export const END = { done: 0, paused: 1, stopped: 2, failed: 3 } as const;
/** As DBD_MAX_MAPS in native/scan.h. */
export const MAX_MAPS = 1024;
export const FAULT_KINDS = ['read', 'write', 'differs', 'map'] as const;

export interface RawCopyOptions {
  readonly mode: number;
  readonly zeros: number;
  /** Descriptors. */
  readonly from: number;
  readonly to: number;
  readonly maps: readonly number[];
  readonly deviceBytes: number;
  readonly firstBlock: number;
  readonly allFrom: number;
  /** 0: no limit. */
  readonly bytesPerSecond: number;
  /** Start and count, in turn, of runs of blocks that may differ when comparing; ascending. */
  readonly ignored: readonly number[];
}

/** How far a copy is. */
export interface CopyProgress {
  /** All blocks before this one are done. */
  readonly position: number;
  /** Changed blocks dealt with, and their bytes; a last partial block counts its bytes. */
  readonly blocks: number;
  readonly bytes: number;
  /** Bytes of them that became holes, or were left out where the image was empty. */
  readonly zeroBytes: number;
  /** Runs of consecutive changed blocks. */
  readonly runs: number;
}

export interface RawFault {
  readonly kind: number;
  readonly errno: number;
  readonly map: number;
  readonly offset: number;
  readonly length: number;
}

export interface RawCopy {
  /** Runs in a thread of the pool; resolves to one of {@link END}. */
  run(milliseconds: number): Promise<number>;
  stop(): void;
  progress(): CopyProgress;
  /** Not while it runs. */
  faults(): readonly RawFault[];
}

/** The addon. */
export interface CopyBinding {
  readonly Copy: new (options: RawCopyOptions) => RawCopy;
  /** flock(2), exclusive, without waiting: 0 or an errno value. */
  lock(fd: number): number;
  /** FIEMAP: the runs of blocks of the device that a file has, as in `ignored`; or an errno value. */
  extents(fd: number): number | readonly number[];
  /** Drops the clean cached pages of a file. */
  forget(fd: number): void;
}

let loaded: CopyBinding | undefined;

/** The addon, loaded at the first call. Throws when it was not built for this machine. */
export function copyBinding(): CopyBinding {
  // By require(), as the addon's path is known at run time only, and neither is to be bundled.
  const require = createRequire(import.meta.url);
  const load = require('node-gyp-build') as (directory: string) => CopyBinding;
  loaded ??= load(fileURLToPath(new URL('../native', import.meta.url)));
  return loaded;
}
