import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { CowHeader, Run, Source } from '../src/index.js';
import { cowLayout, EXTENSION_SIZE, encodeHeader } from '../src/index.js';

/** A header of a finished incremental file; the fields given replace its own. */
export function header(fields: Partial<CowHeader> = {}): CowHeader {
  return {
    flags: { clean: true, indexOnly: true, driverPrivate: false, unknown: 0 },
    fpos: 9n,
    fsize: 36864n,
    seqid: 1n,
    uuid: Uint8Array.from({ length: 16 }, (_, i) => i * 16 + 1),
    version: 1n,
    nrChangedBlocks: 0n,
    extension: new Uint8Array(EXTENSION_SIZE),
    ...fields,
  };
}

/** A COW file with these entries for the first blocks of a device of so many blocks. */
export function cowFile(blocks: number, entries: ArrayLike<bigint>): Uint8Array {
  const layout = cowLayout(blocks * 4096);
  const file = new Uint8Array(layout.dataOffset);
  file.set(encodeHeader(header()));
  const view = new DataView(file.buffer);
  for (let i = 0; i < entries.length; i++) {
    view.setBigUint64(4096 + i * 8, entries[i] as bigint, true);
  }
  return file;
}

/** Runs by the plainest way there is. */
export function naiveRuns(entries: ArrayLike<bigint>): Run[] {
  const runs: { start: number; count: number }[] = [];
  for (let i = 0; i < entries.length; i++) {
    if (entries[i] === 0n) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.start + last.count === i) last.count++;
    else runs.push({ start: i, count: 1 });
  }
  return runs;
}

/** What a source was asked for. */
export interface Reads {
  bytes: number;
  largest: number;
  calls: number;
}

/** Counts the reads that go through. */
export function counted(source: Source): Source & { readonly reads: Reads } {
  const reads: Reads = { bytes: 0, largest: 0, calls: 0 };
  return {
    ...source,
    reads,
    read: (offset, length) => {
      reads.calls++;
      reads.bytes += length;
      reads.largest = Math.max(reads.largest, length);
      return source.read(offset, length);
    },
  };
}

export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

/**
 * Files of the real driver, beside what other programs say of them. `<property>.datto.gz` is the
 * COW file, `<property>.json` its facts; u64 facts may be numbers or decimal strings.
 */
export interface Facts {
  readonly deviceBytes: number;
  readonly uuid: string;
  readonly seqid: number | string;
  readonly flags: number;
  readonly fpos: number | string;
  readonly fsize: number | string;
  readonly version: number | string;
  readonly nrChangedBlocks: number | string;
  readonly changedRuns: readonly (readonly [start: number, count: number])[];
}

export const fixtureDirectory = fileURLToPath(new URL('./fixtures/', import.meta.url));

export function readFixture(name: string): { readonly file: Uint8Array; readonly facts: Facts } {
  return {
    file: gunzipSync(readFileSync(`${fixtureDirectory}${name}.datto.gz`)),
    facts: JSON.parse(readFileSync(`${fixtureDirectory}${name}.json`, 'utf8')),
  };
}
