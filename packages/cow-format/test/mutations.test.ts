/** Whatever the bytes are: an answer or a CowFormatError, soon, and in bounded memory. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bufferSource,
  type CowErrorCode,
  CowFormatError,
  changedRunBatches,
  cowLayout,
  decodeHeader,
  encodeHeader,
  readHeader,
  requireIncremental,
  type Source,
} from '../src/index.js';
import { cowFile, header } from './support.js';

const COUNT = 100_000;
const SEED = 20261123;
const { data: randomBytes } = generator(SEED);

/** A fixed sequence: Math.random() would make a failure unrepeatable. */
function generator(seed: number) {
  let state = seed >>> 0;
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  return { next, data: (length: number) => Uint8Array.from({ length }, () => next(256)) };
}

/** Values at which field checks are likely to be wrong. */
const EDGES = [0n, 1n, 2n, 4776n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

function mutate(file: Uint8Array, next: (below: number) => number): Uint8Array {
  const bytes = new Uint8Array(file);
  const view = new DataView(bytes.buffer);
  for (let i = next(4); i >= 0; i--) {
    const kind = next(4);
    if (kind === 0) bytes[next(0x60)] = next(256);
    else if (kind === 1) view.setBigUint64(next(12) * 8, EDGES[next(EDGES.length)] as bigint, true);
    else if (kind === 2) view.setUint8(next(0x60), 1 << next(8));
    else bytes.set(randomBytes(1 + next(16)), next(0x100));
  }
  return bytes;
}

describe(`${COUNT} mutated headers`, () => {
  it('are decoded and encoded back, or refused with a code', () => {
    const { next } = generator(SEED);
    const good = encodeHeader(header());
    const codes = new Map<CowErrorCode | 'decoded', number>();
    const begin = process.memoryUsage().heapUsed;
    for (let i = 0; i < COUNT; i++) {
      const bytes = mutate(good, next).subarray(0, next(20) === 0 ? next(4097) : 4096);
      let outcome: CowErrorCode | 'decoded' = 'decoded';
      try {
        const decoded = decodeHeader(bytes);
        const again = encodeHeader(decoded);
        if (Buffer.compare(again, bytes) !== 0) expect.unreachable(`header ${i} changed`);
        requireIncremental(decoded);
      } catch (error) {
        if (!(error instanceof CowFormatError)) throw error;
        outcome = error.code;
      }
      codes.set(outcome, (codes.get(outcome) ?? 0) + 1);
    }
    // All ways out were taken, and no other.
    expect([...codes.keys()].sort()).toEqual([
      'ERR_COW_MAGIC',
      'ERR_COW_NOT_CLEAN',
      'ERR_COW_NOT_INCREMENTAL',
      'ERR_COW_TRUNCATED',
      'ERR_COW_VERSION',
      'decoded',
    ]);
    expect(process.memoryUsage().heapUsed - begin).toBeLessThan(200 * 2 ** 20);
  });
});

describe(`${COUNT} truncated or mutated indexes`, () => {
  it('give their runs, or are refused, and no read is larger than asked for', async () => {
    const { next } = generator(SEED + 1);
    const chunkBytes = 64;
    const blocks = 40;
    const codes = new Set<string>();
    for (let i = 0; i < COUNT; i++) {
      const file = cowFile(blocks, [0n, 1n, 1n]);
      for (let j = next(6); j > 0; j--) file[4096 + next(blocks * 8)] = next(256);
      const cut = next(2) === 0 ? 4096 + next(blocks * 8 + 1) : file.length;
      // Says that it is longer than it is, one time in four.
      const lies = next(4) === 0;
      const base = bufferSource(file.subarray(0, cut));
      let largest = 0;
      const source: Source = {
        size: lies ? file.length : base.size,
        read: (offset, length) => {
          largest = Math.max(largest, length);
          return base.read(offset, length);
        },
      };
      let total = 0;
      let last = -1;
      try {
        for await (const runs of changedRunBatches(source, { device: blocks * 4096, chunkBytes })) {
          for (const { start, count } of runs) {
            if (!(start > last && count >= 1)) expect.unreachable(`runs of index ${i} overlap`);
            last = start + count;
            total += count;
          }
        }
        const entries = new BigUint64Array(file.slice(4096, 4096 + blocks * 8).buffer);
        if (total !== entries.filter((entry) => entry !== 0n).length) {
          expect.unreachable(`index ${i} has other blocks`);
        }
        codes.add('read');
      } catch (error) {
        if (!(error instanceof CowFormatError)) throw error;
        codes.add(error.code);
      }
      if (largest > chunkBytes) expect.unreachable(`a read of ${largest} bytes`);
    }
    expect([...codes].sort()).toEqual(['ERR_COW_TRUNCATED', 'read']);
  }, 120_000);
});

describe('sizes', () => {
  it('of any kind are laid out, or refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.bigInt(-(2n ** 70n), 2n ** 70n), fc.double(), fc.maxSafeInteger()),
        (size) => {
          try {
            const layout = cowLayout(size);
            expect(layout.blocks).toBe(Number((BigInt(size) + 4095n) / 4096n));
            expect(Number.isSafeInteger(layout.dataOffset)).toBe(true);
          } catch (error) {
            expect(error).toMatchObject({ code: 'ERR_COW_RANGE' });
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('that a file claims make nobody allocate', async () => {
    const bytes = encodeHeader(header({ fsize: 2n ** 64n - 1n, nrChangedBlocks: 2n ** 64n - 1n }));
    const source: Source = {
      size: Number.MAX_SAFE_INTEGER,
      read: (at, n) => bytes.subarray(at, at + n),
    };
    expect((await readHeader(source)).nrChangedBlocks).toBe(2n ** 64n - 1n);
    const runs = changedRunBatches(source, { device: 2 ** 50 });
    await expect(runs.next()).rejects.toThrowError(
      expect.objectContaining({ code: 'ERR_COW_TRUNCATED' }),
    );
  });
});
