import type { Source } from '@dbd/cow-format';
import { BLOCK_SIZE, type CowLayout, changedRunBatches, type Run, runBytes } from '@dbd/cow-format';
import { cowError } from './cow-file.js';
import { messageOf, UpdateError } from './error.js';

/** The part of a FileHandle that copying needs. */
export interface Readable {
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }>;
}

export interface Writable {
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesWritten: number }>;
}

/** What was copied so far. */
export interface Copied {
  readonly blocks: number;
  readonly bytes: number;
  /** Runs of consecutive changed blocks. */
  readonly runs: number;
}

export interface CopyJob {
  readonly map: Source;
  readonly layout: CowLayout;
  readonly from: Readable;
  readonly to: Writable;
  /** For messages. */
  readonly names: { readonly cowFile: string; readonly from: string; readonly to: string };
  readonly onProgress?: ((copied: Copied) => void) | undefined;
}

/** Most bytes read or written at a time; a multiple of the block size. */
export const PIECE = 1024 * 1024;

interface Piece {
  readonly offset: number;
  readonly length: number;
  readonly blocks: number;
  /** The run begins here. */
  readonly first: boolean;
}

/**
 * Copies the changed blocks, each to where it came from. The next piece is read while one is
 * written; two buffers of 1 MiB, whatever the size.
 * @throws UpdateError ERR_UPDATE_READ, ERR_UPDATE_WRITE, ERR_UPDATE_COW
 */
export async function copyChanged(job: CopyJob): Promise<Copied> {
  const buffers = [new Uint8Array(PIECE), new Uint8Array(PIECE)] as const;
  let turn: 0 | 1 = 0;
  let copied: Copied = { blocks: 0, bytes: 0, runs: 0 };
  let ahead: { piece: Piece; bytes: Promise<Uint8Array> } | undefined;
  const settle = async () => {
    if (ahead === undefined) return;
    await writePiece(job, ahead.piece, await ahead.bytes);
    copied = {
      blocks: copied.blocks + ahead.piece.blocks,
      bytes: copied.bytes + ahead.piece.length,
      runs: copied.runs + (ahead.piece.first ? 1 : 0),
    };
    job.onProgress?.(copied);
  };
  for await (const piece of pieces(job)) {
    const bytes = readPiece(job, piece, buffers[turn]);
    // Looked at when its turn comes; until then a failure is not an unhandled one.
    bytes.catch(() => {});
    await settle();
    ahead = { piece, bytes };
    turn = turn === 0 ? 1 : 0;
  }
  await settle();
  return copied;
}

async function* pieces({ map, layout, names }: CopyJob): AsyncGenerator<Piece, void> {
  const batches = changedRunBatches(map, { device: layout });
  while (true) {
    const next = await batches.next().catch((cause: unknown) => {
      throw cowError(names.cowFile, cause);
    });
    if (next.done) return;
    for (const run of next.value) yield* split(layout, run);
  }
}

function* split(layout: CowLayout, run: Run): Generator<Piece, void> {
  const { offset, length } = runBytes(layout, run);
  for (let at = 0; at < length; at += PIECE) {
    const bytes = Math.min(PIECE, length - at);
    const blocks = Math.ceil(bytes / BLOCK_SIZE);
    yield { offset: offset + at, length: bytes, blocks, first: at === 0 };
  }
}

async function readPiece(
  { from, names }: CopyJob,
  { offset, length }: Piece,
  buffer: Uint8Array,
): Promise<Uint8Array> {
  let done = 0;
  while (done < length) {
    const at = offset + done;
    const { bytesRead } = await from
      .read(buffer, done, length - done, at)
      .catch((cause: unknown) => {
        throw failure('ERR_UPDATE_READ', `cannot read ${names.from}`, at, messageOf(cause), cause);
      });
    if (bytesRead === 0) {
      const reason = `it ended ${length - done} bytes early`;
      throw failure('ERR_UPDATE_READ', `cannot read ${names.from}`, at, reason);
    }
    done += bytesRead;
  }
  return buffer.subarray(0, length);
}

async function writePiece(
  { to, names }: CopyJob,
  { offset, length }: Piece,
  bytes: Uint8Array,
): Promise<void> {
  let done = 0;
  while (done < length) {
    const at = offset + done;
    const { bytesWritten } = await to
      .write(bytes, done, length - done, at)
      .catch((cause: unknown) => {
        throw failure('ERR_UPDATE_WRITE', `cannot write ${names.to}`, at, messageOf(cause), cause);
      });
    if (bytesWritten === 0) {
      throw failure('ERR_UPDATE_WRITE', `cannot write ${names.to}`, at, 'nothing was written');
    }
    done += bytesWritten;
  }
}

function failure(
  code: 'ERR_UPDATE_READ' | 'ERR_UPDATE_WRITE',
  what: string,
  offset: number,
  reason: string,
  cause?: unknown,
): UpdateError {
  const block = Math.floor(offset / BLOCK_SIZE);
  return new UpdateError(
    code,
    `${what} at byte ${offset} (block ${block}): ${reason}.`,
    cause,
    offset,
  );
}
