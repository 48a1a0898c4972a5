import { ENTRY_SIZE } from './constants.js';

/** Consecutive changed blocks. */
export interface Run {
  /** First block. */
  readonly start: number;
  /** Number of blocks, at least 1. */
  readonly count: number;
}

/** Entries of zeros looked at in one step: 8 entries are 16 words. */
const STRIDE = 16;

/**
 * Turns index entries, fed in order and in pieces of any size, into runs. A run goes on over the
 * edge of a piece; blocks that were not fed count as unchanged.
 */
export class RunBuilder {
  #start = -1;
  #end = -1;

  /**
   * Adds the runs that end in this piece to `out`.
   * @param bytes whole entries
   * @param firstBlock the block of the first entry; at or after the end of the last piece
   */
  feed(bytes: Uint8Array, firstBlock: number, out: Run[]): void {
    const words = wordsOf(bytes);
    const end = words.length;
    let at = 0;
    while (at < end) {
      at = skipZeros(words, at);
      if (at >= end) break;
      const from = at;
      while (at < end && ((words[at] as number) | (words[at + 1] as number)) !== 0) at += 2;
      this.#add(firstBlock + from / 2, firstBlock + at / 2, out);
    }
  }

  /** Adds the run that is still open to `out`. */
  finish(out: Run[]): void {
    if (this.#start >= 0) out.push({ start: this.#start, count: this.#end - this.#start });
    this.#start = -1;
    this.#end = -1;
  }

  #add(start: number, end: number, out: Run[]): void {
    if (this.#start >= 0 && this.#end === start) {
      this.#end = end;
      return;
    }
    this.finish(out);
    this.#start = start;
    this.#end = end;
  }
}

/** Index of the first entry at or after `at` that is not zero, or the length. `at` is even. */
function skipZeros(words: Uint32Array, at: number): number {
  const end = words.length;
  let i = at;
  while (i + STRIDE <= end) {
    let any = 0;
    for (let j = i; j < i + STRIDE; j++) any |= words[j] as number;
    if (any !== 0) break;
    i += STRIDE;
  }
  while (i < end && ((words[i] as number) | (words[i + 1] as number)) === 0) i += 2;
  return i;
}

/**
 * The bytes as words; copied when they are not aligned. Words, as a BigUint64Array makes a bigint
 * of each entry and a Float64Array takes 0x8000000000000000 (-0) for zero. Whether an entry is
 * zero does not depend on the byte order.
 */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const count = Math.floor(bytes.byteLength / ENTRY_SIZE) * 2;
  if (bytes.byteOffset % 4 === 0) return new Uint32Array(bytes.buffer, bytes.byteOffset, count);
  return new Uint32Array(new Uint8Array(bytes).buffer, 0, count);
}
