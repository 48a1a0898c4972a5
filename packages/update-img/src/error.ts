/**
 * What stopped the update:
 * - `ERR_UPDATE_SNAPSHOT` the first argument is no snapshot that can be read
 * - `ERR_UPDATE_COW` the COW file is not the one that leads to the snapshot; `cause` has the detail
 * - `ERR_UPDATE_IMAGE` the image cannot be the copy to bring up to date
 * - `ERR_UPDATE_READ`, `ERR_UPDATE_WRITE`, `ERR_UPDATE_SYNC` copying failed
 */
export type UpdateErrorCode =
  | 'ERR_UPDATE_SNAPSHOT'
  | 'ERR_UPDATE_COW'
  | 'ERR_UPDATE_IMAGE'
  | 'ERR_UPDATE_READ'
  | 'ERR_UPDATE_WRITE'
  | 'ERR_UPDATE_SYNC';

/** The one error of this package; the message names object, cause and next step. */
export class UpdateError extends Error {
  override readonly name = 'UpdateError';
  readonly code: UpdateErrorCode;
  /** Byte offset on device and image, where copying failed. */
  readonly offset: number | undefined;

  constructor(code: UpdateErrorCode, message: string, cause?: unknown, offset?: number) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.offset = offset;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
