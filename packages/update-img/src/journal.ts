/**
 * The journal beside an image. While it exists, the image is neither the old nor the new snapshot; it
 * says between which two, and how far the copy is known to be on the disk.
 *
 * Format, version 1: two slots of 4096 bytes, each a line of JSON padded with spaces, written in turn
 * so that one is whole at any time. `sha256` is of the line's other keys; the valid slot with the
 * higher `generation` counts. Both slots are there from the beginning, so a full disk does not keep an
 * update of the journal back.
 */

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemErrorText } from '@dbd/cli-kit';
import { codeOf, UpdateError } from './error.js';
import { syncDirectory } from './sync.js';

/** What a run is about, and how far it is. */
export interface RunState {
  /** `full`: before it, the image was of no snapshot at all. */
  readonly mode: 'update' | 'full';
  /** Of the series, 32 hexadecimal digits. */
  readonly uuid: string;
  /** Seqid of the snapshot that the image was of; 0 in mode `full`. */
  readonly base: bigint;
  /** Seqid of the snapshot that it becomes. */
  readonly target: bigint;
  readonly deviceBytes: number;
  /** Blocks before this one are on the disk. */
  readonly position: number;
  /** From this block on all blocks are copied; null: only those that changed. */
  readonly allFrom: number | null;
  /** Where nothing was written yet, the image reads as zeros. */
  readonly empty: boolean;
}

export interface JournalState extends RunState {
  /** The image as it was then, see {@link halfwayIdentityOf}: of another one this journal says nothing. */
  readonly image: string;
}

const SLOT = 4096;
const FORMAT = 'update-img journal';
const VERSION = 1;

/** A journal that is kept. */
export class Journal {
  readonly path: string;
  readonly #handle: FileHandle;
  #generation: number;

  private constructor(path: string, handle: FileHandle, generation: number) {
    this.path = path;
    this.#handle = handle;
    this.#generation = generation;
  }

  /**
   * Puts a journal in place. On return it is on the disk, its name too.
   * @throws UpdateError ERR_UPDATE_JOURNAL
   */
  static async begin(path: string, state: JournalState): Promise<Journal> {
    try {
      await mkdir(dirname(path)).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
      const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
      const fresh = `${path}.new`;
      const handle = await open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
      try {
        await handle.writeFile(encode(state, 1) + encode(state, 2));
        await handle.sync();
        await rename(fresh, path);
        await syncDirectory(dirname(path));
        return new Journal(path, handle, 2);
      } catch (error) {
        await handle.close();
        await unlink(fresh).catch(() => {});
        throw error;
      }
    } catch (cause) {
      throw failure(path, `it cannot be written: ${systemErrorText(cause)}`, cause);
    }
  }

  /** Records how far the image is on the disk; on return that is on the disk too. */
  async update(state: JournalState): Promise<void> {
    const generation = this.#generation + 1;
    try {
      const { bytesWritten } = await this.#handle.write(
        encode(state, generation),
        (generation % 2) * SLOT,
      );
      if (bytesWritten !== SLOT) throw new Error(`only ${bytesWritten} bytes were written`);
      await this.#handle.datasync();
      this.#generation = generation;
    } catch (cause) {
      throw failure(this.path, `it cannot be written: ${systemErrorText(cause)}`, cause);
    }
  }

  /** Removes it: the image is whole. To be called when that is on the disk. */
  async end(): Promise<void> {
    try {
      await this.close();
      await unlink(this.path);
      await syncDirectory(dirname(this.path));
    } catch (cause) {
      throw failure(this.path, `it cannot be removed: ${systemErrorText(cause)}`, cause);
    }
  }

  /** Leaves it where it is. */
  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/**
 * The journal of an earlier run; undefined when there is none.
 * @throws UpdateError ERR_UPDATE_JOURNAL, or ERR_UPDATE_HALFWAY when it cannot be understood
 */
export async function readJournal(path: string): Promise<JournalState | undefined> {
  const text = await readFile(path, 'latin1').catch((cause: unknown) => {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw failure(path, systemErrorText(cause), cause);
  });
  if (text === undefined) return undefined;
  const slots = [decode(text.slice(0, SLOT)), decode(text.slice(SLOT, 2 * SLOT))];
  const [newest] = slots
    .filter((slot) => slot !== undefined)
    .sort((a, b) => b.generation - a.generation);
  if (newest !== undefined) return newest.state;
  throw new UpdateError(
    'ERR_UPDATE_HALFWAY',
    `the journal ${path} is damaged, or of a newer version, so the image may be half way between two ` +
      'snapshots. Remove it and make a full copy.',
  );
}

function encode(state: JournalState, generation: number): string {
  const body = {
    format: FORMAT,
    version: VERSION,
    generation,
    ...state,
    // JSON has no integers beyond 2^53.
    base: String(state.base),
    target: String(state.target),
  };
  const line = JSON.stringify({ ...body, sha256: digest(body) });
  return `${line.padEnd(SLOT - 1)}\n`;
}

function decode(slot: string): { generation: number; state: JournalState } | undefined {
  try {
    const { sha256, ...body } = JSON.parse(slot);
    if (sha256 !== digest(body) || body.format !== FORMAT || body.version !== VERSION) {
      return undefined;
    }
    const { format, version, generation, ...state } = body;
    return {
      generation,
      state: { ...state, base: BigInt(state.base), target: BigInt(state.target) },
    };
  } catch {
    return undefined;
  }
}

function digest(body: object): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex');
}

function failure(path: string, reason: string, cause?: unknown): UpdateError {
  return new UpdateError('ERR_UPDATE_JOURNAL', `cannot use the journal ${path}: ${reason}.`, {
    cause,
  });
}
