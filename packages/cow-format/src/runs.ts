import { ENTRY_SIZE, HEADER_SIZE } from './constants.js';
import { rangeError } from './error.js';
import { type CowLayout, cowLayout } from './layout.js';
import { type Run, RunBuilder } from './run-builder.js';
import { guard, readExactly, type Source } from './source.js';
import { requireWholeIndex } from './verify.js';

/** How to walk an index. */
export interface RunOptions {
  /** Size of the device in bytes, or its layout. */
  readonly device: number | bigint | CowLayout;
  /**
   * Bytes of the index read at a time: a multiple of 8 up to 16 MiB, 256 KiB when left out (which
   * describes 128 MiB of the device). Memory in use is a small multiple of it.
   */
  readonly chunkBytes?: number;
}

const DEFAULT_CHUNK = 256 * 1024;
const MAX_CHUNK = 16 * 1024 * 1024;

/**
 * The runs of changed blocks in ascending order, none touching the next.
 * @throws CowFormatError ERR_COW_TRUNCATED before the first run when the file is too short for the
 *   device; ERR_COW_READ, ERR_COW_TRUNCATED when reading fails later; ERR_COW_RANGE
 */
export async function* changedRuns(source: Source, options: RunOptions): AsyncGenerator<Run, void> {
  for await (const runs of changedRunBatches(source, options)) yield* runs;
}

/** The changed blocks in ascending order. Errors as in {@link changedRuns}. */
export async function* changedBlocks(
  source: Source,
  options: RunOptions,
): AsyncGenerator<number, void> {
  for await (const runs of changedRunBatches(source, options)) {
    for (const { start, count } of runs) {
      for (let block = start; block < start + count; block++) yield block;
    }
  }
}

/**
 * As {@link changedRuns}, in arrays as they come from one chunk each; none is empty. Faster when
 * there are many runs.
 */
export async function* changedRunBatches(
  source: Source,
  options: RunOptions,
): AsyncGenerator<Run[], void> {
  const chunkBytes = checkChunk(options.chunkBytes ?? DEFAULT_CHUNK);
  const layout = typeof options.device === 'object' ? options.device : cowLayout(options.device);
  requireWholeIndex(layout, source.size);
  const end = layout.requiredBytes;
  const builder = new RunBuilder();
  let offset = HEADER_SIZE;
  let runs: Run[] = [];
  while (offset < end) {
    offset = await skipHole(source, offset, end);
    if (offset >= end) break;
    const bytes = await readExactly(source, offset, Math.min(chunkBytes, end - offset));
    builder.feed(bytes, (offset - HEADER_SIZE) / ENTRY_SIZE, runs);
    offset += bytes.byteLength;
    if (runs.length > 0) {
      yield runs;
      runs = [];
    }
  }
  builder.finish(runs);
  if (runs.length > 0) yield runs;
}

/** Offset of the entry that holds the next data, `end` when there is none before it. */
async function skipHole(source: Source, offset: number, end: number): Promise<number> {
  if (source.nextData === undefined) return offset;
  const next = await guard(offset, () => source.nextData?.(offset) ?? null);
  // Beyond the end of a file there is no data either: it may have been cut.
  if (next === null) await readExactly(source, end - ENTRY_SIZE, ENTRY_SIZE);
  if (next === null || next >= end) return end;
  // Also where a source answers with an earlier offset or with NaN.
  if (!(next > offset)) return offset;
  return Math.floor(next / ENTRY_SIZE) * ENTRY_SIZE;
}

function checkChunk(bytes: number): number {
  if (!Number.isInteger(bytes) || bytes < ENTRY_SIZE || bytes > MAX_CHUNK || bytes % ENTRY_SIZE) {
    throw rangeError('chunkBytes', `a multiple of ${ENTRY_SIZE} up to ${MAX_CHUNK}`, String(bytes));
  }
  return bytes;
}
