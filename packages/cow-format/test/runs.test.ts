import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bufferSource,
  changedBlocks,
  changedRunBatches,
  changedRuns,
  cowLayout,
  RunBuilder,
  type Source,
} from '../src/index.js';
import { collect, counted, cowFile, naiveRuns } from './support.js';

/** Runs of equal kind, so that long stretches of both kinds come up. */
const index = fc
  .array(
    fc.tuple(
      fc.oneof(fc.constant(0n), fc.constantFrom(1n, 9n, 1n << 32n, 1n << 63n, (1n << 64n) - 1n)),
      fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 700 })),
    ),
    { minLength: 1, maxLength: 30 },
  )
  .map((parts) => parts.flatMap(([value, count]) => Array<bigint>(count).fill(value)));

const chunk = fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 5000 }));

/** Tells data by pages of so many bytes, as a file system does, each answer sync or async. */
function holed(file: Uint8Array, page: number, sync: boolean): Source {
  const base = bufferSource(file);
  const next = (offset: number): number | null => {
    for (let at = offset; at < file.byteLength; ) {
      const end = Math.floor(at / page) * page + page;
      if (file.subarray(Math.floor(at / page) * page, end).some((byte) => byte !== 0)) return at;
      at = end;
    }
    return null;
  };
  return sync
    ? { ...base, nextData: next }
    : {
        size: base.size,
        read: async (offset, length) => base.read(offset, length),
        nextData: async (offset) => next(offset),
      };
}

describe('changedRuns', () => {
  it('equals the naive model for any index, chunk size, hole layout and alignment', async () => {
    await fc.assert(
      fc.asyncProperty(
        index,
        chunk,
        fc.constantFrom(0, 1, 8, 24, 512, 4096),
        fc.boolean(),
        fc.integer({ min: 0, max: 9 }),
        async (entries, chunkEntries, page, sync, shift) => {
          const file = cowFile(entries.length, entries);
          const shifted = new Uint8Array(new ArrayBuffer(file.byteLength + shift), shift);
          shifted.set(file);
          const source = page === 0 ? bufferSource(shifted) : holed(shifted, page, sync);
          const options = { device: entries.length * 4096, chunkBytes: chunkEntries * 8 };
          const expected = naiveRuns(entries);
          expect(await collect(changedRuns(source, options))).toEqual(expected);
          const batches = await collect(changedRunBatches(source, options));
          expect(batches.flat()).toEqual(expected);
          expect(batches.every((batch) => batch.length > 0)).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('counts every value but zero as changed', async () => {
    const entries = [0n, 1n, 0n, 1n << 31n, 0n, 1n << 32n, 0n, 1n << 63n, 0n, (1n << 64n) - 1n];
    expect(
      await collect(changedBlocks(bufferSource(cowFile(10, entries)), { device: 40960 })),
    ).toEqual([1, 3, 5, 7, 9]);
  });

  it('looks at no entry past the last block of the device', async () => {
    const file = cowFile(12, Array<bigint>(12).fill(1n));
    const runs = await collect(changedRuns(bufferSource(file), { device: 9 * 4096 + 1 }));
    expect(runs).toEqual([{ start: 0, count: 10 }]);
  });

  it('takes a file that ends with its last entry', async () => {
    const file = cowFile(10, Array<bigint>(10).fill(1n)).subarray(0, 4096 + 80);
    const runs = await collect(changedRuns(bufferSource(file), { device: cowLayout(40960) }));
    expect(runs).toEqual([{ start: 0, count: 10 }]);
  });

  it('reads a petabyte index of one hole in bounded memory, and only where data is', async () => {
    const layout = cowLayout(2 ** 50);
    const data = 4096 + 8 * 200_000_000_000;
    const chunkBytes = 64 * 1024;
    const source = counted({
      size: layout.requiredBytes,
      read: (_, length) => new Uint8Array(length).fill(1, 0, 16),
      nextData: (offset) => (offset <= data ? data : null),
    });
    const runs = await collect(changedRuns(source, { device: layout, chunkBytes }));
    expect(runs).toEqual([{ start: 200_000_000_000, count: 2 }]);
    // And the last entry: that the file is not cut there.
    expect(source.reads).toEqual({ calls: 2, bytes: chunkBytes + 8, largest: chunkBytes });
  });

  it('reads a large dense index in chunks no larger than asked', async () => {
    const blocks = 3_000_000;
    const ones = new Uint8Array(64 * 1024);
    for (let i = 0; i < ones.length; i += 8) ones[i] = 1;
    const source = counted({
      size: cowLayout(blocks * 4096).requiredBytes,
      read: (_, length) => ones.subarray(0, length),
    });
    const runs = await collect(changedRuns(source, { device: blocks * 4096, chunkBytes: 65536 }));
    expect(runs).toEqual([{ start: 0, count: blocks }]);
    expect(source.reads.largest).toBe(65536);
    expect(source.reads.bytes).toBe(blocks * 8);
  });
});

describe('changedRuns refuses', () => {
  const file = cowFile(5000, [1n]);
  const device = 5000 * 4096;
  const required = 4096 + 5000 * 8;

  it('a truncated index of any length, before the first run', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: required - 1 }), async (size) => {
        const runs = changedRuns(bufferSource(file.subarray(0, size)), { device });
        await expect(runs.next()).rejects.toThrowError(
          expect.objectContaining({ code: 'ERR_COW_TRUNCATED', offset: size }),
        );
      }),
    );
  });

  it('a source that ends earlier than it said, or gives too much', async () => {
    const short: Source = {
      size: required,
      read: (offset, length) => file.subarray(offset, Math.min(offset + length, 20000)),
    };
    await expect(collect(changedRuns(short, { device, chunkBytes: 8192 }))).rejects.toThrowError(
      expect.objectContaining({ code: 'ERR_COW_TRUNCATED', offset: 20000 }),
    );
    const long: Source = { size: required, read: () => file };
    await expect(collect(changedRuns(long, { device, chunkBytes: 8192 }))).rejects.toThrowError(
      expect.objectContaining({ code: 'ERR_COW_TRUNCATED' }),
    );
  });

  it('a source that fails, with the failure as cause', async () => {
    const cause = new Error('EIO: i/o error');
    const fail = () => {
      throw cause;
    };
    for (const source of [
      { size: required, read: fail },
      { ...bufferSource(file), nextData: fail },
      { size: required, read: async () => fail() },
    ]) {
      await expect(collect(changedRuns(source, { device }))).rejects.toThrowError(
        expect.objectContaining({ code: 'ERR_COW_READ', offset: 4096, cause }),
      );
    }
  });

  it('chunk sizes that hold no whole entries', async () => {
    for (const chunkBytes of [0, -8, 4, 12, 8.5, Number.NaN, 2 ** 24 + 8]) {
      await expect(
        collect(changedRuns(bufferSource(file), { device, chunkBytes })),
      ).rejects.toThrowError(expect.objectContaining({ code: 'ERR_COW_RANGE' }));
    }
  });

  it('a file that was cut meanwhile, which looks like a hole from there on', async () => {
    const source = {
      ...bufferSource(file),
      read: (offset: number, length: number) =>
        file.subarray(offset, offset + length).subarray(0, 0),
      nextData: () => null,
    };
    await expect(collect(changedRuns(source, { device }))).rejects.toThrowError(
      expect.objectContaining({ code: 'ERR_COW_TRUNCATED' }),
    );
  });

  it('to hang on a source whose holes go backwards', async () => {
    for (const answer of [0, -1, Number.NaN, 4096.5]) {
      const source = { ...bufferSource(file), nextData: () => answer };
      expect(await collect(changedRuns(source, { device, chunkBytes: 8192 }))).toEqual([
        { start: 0, count: 1 },
      ]);
    }
  });
});

describe('RunBuilder', () => {
  it('joins runs over the edge of a piece, not over blocks that were left out', () => {
    const ones = new Uint8Array(new BigUint64Array([1n, 1n]).buffer);
    const builder = new RunBuilder();
    const runs: { start: number; count: number }[] = [];
    builder.feed(ones, 10, runs);
    builder.feed(ones, 12, runs);
    expect(runs).toEqual([]);
    builder.feed(ones, 15, runs);
    expect(runs).toEqual([{ start: 10, count: 4 }]);
    builder.finish(runs);
    builder.finish(runs);
    expect(runs).toEqual([
      { start: 10, count: 4 },
      { start: 15, count: 2 },
    ]);
  });
});
