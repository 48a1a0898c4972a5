import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { systemErrorText } from '@dbd/cli-kit';
import {
  type CowHeader,
  changedRunBatches,
  cowLayout,
  type Run,
  readHeader,
  requireCount,
  requireIncremental,
  requirePredecessor,
  requireWholeIndex,
} from '@dbd/cow-format';
import { handleSource } from '@dbd/cow-format/node';
import type { Datto } from '@dbd/ioctl';
import { MAX_MAPS } from './binding.js';
import { UpdateError } from './error.js';
import type { Snapshot } from './snapshot.js';

export interface MapTools {
  readonly datto: Datto;
  readonly signal?: AbortSignal | undefined;
}

/** A map of what changed between two snapshots, open. */
export interface CowFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly header: CowHeader;
}

/**
 * Opens COW files, given in any order, that together lead to a snapshot without a gap.
 * @param opened gets each file as soon as it is open; whoever calls this closes them
 * @returns the files, the oldest first
 * @throws UpdateError ERR_UPDATE_COW, ERR_UPDATE_GAP, with the CowFormatError as cause
 */
export async function openCowFiles(
  paths: readonly string[],
  snapshot: Snapshot,
  tools: MapTools,
  opened: (handle: FileHandle) => void,
): Promise<CowFile[]> {
  if (paths.length > MAX_MAPS) {
    const message = `cannot use ${paths.length} COW files: ${MAX_MAPS} at most. Make a full copy (--full).`;
    throw new UpdateError('ERR_UPDATE_COW', message);
  }
  const files: CowFile[] = [];
  for (const path of paths) files.push(await openCowFile(path, snapshot, tools, opened));
  files.sort((a, b) => Number(a.header.seqid - b.header.seqid));
  for (const [i, file] of files.entries()) {
    const next = files[i + 1];
    if (next !== undefined) requireNeighbours(file, next);
    else await naming(file.path, () => requirePredecessor(file.header, snapshot));
  }
  return files;
}

async function openCowFile(
  path: string,
  snapshot: Snapshot,
  tools: MapTools,
  opened: (handle: FileHandle) => void,
): Promise<CowFile> {
  return naming(path, async () => {
    // Without O_NONBLOCK the opening of a FIFO waits for somebody who writes into it.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    opened(handle);
    const stats = await handle.stat();
    if (!stats.isFile()) throw new Error(`it is not a regular file. ${NAME_IT}`);
    const source = await handleSource(handle);
    const header = await readHeader(source);
    requireIncremental(header);
    // Whether the seqid fits is judged when all are known.
    requirePredecessor(header, { uuid: snapshot.uuid, seqid: header.seqid + 1n });
    requireWholeIndex(cowLayout(snapshot.bytes), source.size);
    let blocks = 0;
    for await (const runs of runsOf(handle, snapshot.bytes, tools)) {
      for (const { count } of runs) blocks += count;
    }
    requireCount(header, blocks);
    return { path, handle, header };
  });
}

/** The runs of changed blocks, in batches; holes are not read. */
export async function* runsOf(
  handle: FileHandle,
  bytes: number,
  { datto, signal }: MapTools,
): AsyncGenerator<Run[], void> {
  const seekData = (offset: number) => datto.seekData(handle.fd, offset);
  const source = await handleSource(handle, { seekData });
  for await (const runs of changedRunBatches(source, { device: cowLayout(bytes) })) {
    requireGoing(signal);
    yield runs;
  }
}

/** @throws UpdateError ERR_UPDATE_INTERRUPTED */
export function requireGoing(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw new UpdateError('ERR_UPDATE_INTERRUPTED', 'interrupted. Run the same command again.');
}

const NAME_IT = 'Name the COW file that dbdctl transition-to-snapshot has left';

function requireNeighbours(file: CowFile, next: CowFile): void {
  const between = next.header.seqid - file.header.seqid;
  if (between === 1n) return;
  const pair = `${file.path} (seqid ${file.header.seqid}) and ${next.path} (seqid ${next.header.seqid})`;
  throw new UpdateError(
    'ERR_UPDATE_GAP',
    between === 0n
      ? `cannot use the COW files: ${pair} are of the same snapshot. Name each file once.`
      : `cannot use the COW files: between ${pair} there is a gap. ` +
          `Name the ${between === 2n ? 'file' : 'files'} between them too, or make a full copy.`,
  );
}

/** Puts the path before the reason of a failure, which does not have it. */
async function naming<T>(path: string, call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof UpdateError) throw cause;
    throw cowError(path, cause);
  }
}

function cowError(path: string, cause: unknown): UpdateError {
  const reason = systemErrorText(cause);
  const message = `cannot use the COW file ${path}: ${reason}.`;
  return new UpdateError('ERR_UPDATE_COW', message, { cause });
}
