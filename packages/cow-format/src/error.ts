/**
 * What went wrong, for programs:
 * - `ERR_COW_TRUNCATED` the bytes end before the header or the index does
 * - `ERR_COW_MAGIC` not a COW file
 * - `ERR_COW_VERSION` a COW file of a newer format
 * - `ERR_COW_NOT_CLEAN` still in use, or not closed in order
 * - `ERR_COW_NOT_INCREMENTAL` still in snapshot mode
 * - `ERR_COW_SERIES` of another series than the one asked for (uuid)
 * - `ERR_COW_SEQID` of the same series, but not of the snapshot asked for
 * - `ERR_COW_COUNT` the index has fewer changed blocks than the header counts
 * - `ERR_COW_RANGE` an argument or field outside its range
 * - `ERR_COW_READ` the source failed; its error is the `cause`
 */
export type CowErrorCode =
  | 'ERR_COW_TRUNCATED'
  | 'ERR_COW_MAGIC'
  | 'ERR_COW_VERSION'
  | 'ERR_COW_NOT_CLEAN'
  | 'ERR_COW_NOT_INCREMENTAL'
  | 'ERR_COW_SERIES'
  | 'ERR_COW_SEQID'
  | 'ERR_COW_COUNT'
  | 'ERR_COW_RANGE'
  | 'ERR_COW_READ';

/** The parts of a {@link CowFormatError}. */
export interface CowErrorDetails {
  /** Byte offset in the COW file; absent when the fault is in an argument. */
  readonly offset?: number;
  readonly expected: string;
  readonly found: string;
  /** What the reader of the message can do about it. */
  readonly advice: string;
  readonly cause?: unknown;
}

/** The one error of this package. */
export class CowFormatError extends Error {
  override readonly name = 'CowFormatError';
  readonly code: CowErrorCode;
  /** Byte offset in the COW file, or undefined when the fault is in an argument. */
  readonly offset: number | undefined;
  readonly expected: string;
  readonly found: string;

  constructor(code: CowErrorCode, what: string, details: CowErrorDetails) {
    const where =
      details.offset === undefined
        ? ''
        : ` at byte ${details.offset} (0x${details.offset.toString(16)})`;
    super(
      `${what}${where}: expected ${details.expected}, found ${details.found}. ${details.advice}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    this.offset = details.offset;
    this.expected = details.expected;
    this.found = details.found;
  }
}

/** An argument or field outside its range. */
export function rangeError(what: string, expected: string, found: string): CowFormatError {
  return new CowFormatError('ERR_COW_RANGE', what, {
    expected,
    found,
    advice: 'Check the value and its unit.',
  });
}
