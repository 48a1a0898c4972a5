import type { Fault } from './copy.js';

/**
 * What stopped the update:
 * - `ERR_UPDATE_NO_SNAPSHOT` the first argument is no snapshot device
 * - `ERR_UPDATE_SNAPSHOT` the snapshot cannot be read, or is not in order
 * - `ERR_UPDATE_COW` a COW file cannot be used; `cause` has the detail
 * - `ERR_UPDATE_GAP` the COW files do not lead from the image to the snapshot without a gap
 * - `ERR_UPDATE_IMAGE` the image cannot be the copy to bring up to date
 * - `ERR_UPDATE_BUSY` another run works on the image
 * - `ERR_UPDATE_HALFWAY` the image is half way from an earlier run, and this one would not mend it
 * - `ERR_UPDATE_JOURNAL` the journal cannot be read, written or removed
 * - `ERR_UPDATE_MANIFEST` the image is not what its manifest says, or that cannot be read or written
 * - `ERR_UPDATE_COPY` blocks could not be read or written; `faults` has them
 * - `ERR_UPDATE_VERIFY` blocks of the image differ from the snapshot; `faults` has them
 * - `ERR_UPDATE_SYNC` the image could not be brought to the disk
 * - `ERR_UPDATE_INTERRUPTED` it was told to stop
 */
export type UpdateErrorCode =
  | 'ERR_UPDATE_NO_SNAPSHOT'
  | 'ERR_UPDATE_SNAPSHOT'
  | 'ERR_UPDATE_COW'
  | 'ERR_UPDATE_GAP'
  | 'ERR_UPDATE_IMAGE'
  | 'ERR_UPDATE_BUSY'
  | 'ERR_UPDATE_HALFWAY'
  | 'ERR_UPDATE_JOURNAL'
  | 'ERR_UPDATE_MANIFEST'
  | 'ERR_UPDATE_COPY'
  | 'ERR_UPDATE_VERIFY'
  | 'ERR_UPDATE_SYNC'
  | 'ERR_UPDATE_INTERRUPTED';

export interface UpdateErrorDetails {
  readonly cause?: unknown;
  readonly faults?: readonly Fault[];
}

/** The one error of this package; the message names object, cause and next step. */
export class UpdateError extends Error {
  override readonly name = 'UpdateError';
  readonly code: UpdateErrorCode;
  /** Blocks that failed, in the order they were found. */
  readonly faults: readonly Fault[];
  /** The image is half way between two snapshots now: a journal is beside it. */
  partial = false;

  constructor(code: UpdateErrorCode, message: string, details: UpdateErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.faults = details.faults ?? [];
  }
}

/** The name of a failed system call's error: `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
