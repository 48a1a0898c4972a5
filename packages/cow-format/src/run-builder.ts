import { ENTRY_SIZE } from './constants.js';
import { SCAN_BYTES, SCAN_STEP, zeroScan } from './zero-scan.js';

/** Consecutive changed blocks. */
export interface Run {
  /** First block. */
  readonly start: number;
  /** Number of blocks, at least 1. */
  readonly count: number;
}

/** Words of zeros looked at in one step: 16 words are 8 entries. */
const STRIDE = SCAN_STEP / 4;
/** Words of zeros after which it pays to copy what follows for the faster scan. */
const PATIENCE = 256;

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
    const zeros = new Zeros(wordsOf(bytes));
    const { words } = zeros;
    const end = words.length;
    let at = 0;
    while (at < end) {
      at = zeros.skip(at);
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

/** Skips zeros in one piece of the index. */
class Zeros {
  readonly words: Uint32Array;
  /** The part of the words that the faster scan has. */
  #from = 0;
  #to = 0;

  constructor(words: Uint32Array) {
    this.words = words;
  }

  /** Index of the first entry at or after `at` that is not zero, or the length. `at` is even. */
  skip(at: number): number {
    const { words } = this;
    const end = words.length;
    let i = skipStrides(words, at, Math.min(end, at + PATIENCE));
    if (i >= at + PATIENCE) i = skipStrides(words, this.#skipFast(i), end);
    while (i < end && ((words[i] as number) | (words[i + 1] as number)) === 0) i += 2;
    return i;
  }

  /** As skip, but it may stop short of what it looks for; all before `at` back to its stride is zero. */
  #skipFast(at: number): number {
    const scan = zeroScan();
    if (scan === null) return at;
    const { words } = this;
    const end = words.length - (words.length % STRIDE);
    let i = at - (at % STRIDE);
    while (i < end) {
      if (i < this.#from || i >= this.#to) {
        this.#from = i;
        this.#to = Math.min(end, i + SCAN_BYTES / 4);
        const { buffer, byteOffset } = words;
        scan.load(new Uint8Array(buffer, byteOffset + i * 4, (this.#to - i) * 4));
      }
      const found = scan.find((i - this.#from) * 4, (this.#to - this.#from) * 4);
      i = this.#from + found / 4;
      if (i < this.#to) break;
    }
    return Math.max(at, i);
  }
}

/** Index of the first whole stride at or after `at` that is not all zeros, or of where less than one is left. */
function skipStrides(words: Uint32Array, at: number, end: number): number {
  let i = at;
  while (i + STRIDE <= end) {
    let any = 0;
    for (let j = i; j < i + STRIDE; j++) any |= words[j] as number;
    if (any !== 0) break;
    i += STRIDE;
  }
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
