import { describe, expect, it } from 'vitest';
import {
  cowLayout,
  requireCount,
  requireIncremental,
  requirePredecessor,
  requireWholeIndex,
} from '../src/index.js';
import { header } from './support.js';

const flags = { clean: true, indexOnly: true, driverPrivate: false, unknown: 0 };

describe('requireIncremental', () => {
  it('takes a finished incremental file, whatever else is set', () => {
    requireIncremental(header());
    requireIncremental(header({ flags: { ...flags, driverPrivate: true, unknown: 8 } }));
  });

  it('refuses one that is not clean, first of all', () => {
    expect(() =>
      requireIncremental(header({ flags: { ...flags, clean: false, indexOnly: false } })),
    ).toThrowError(expect.objectContaining({ code: 'ERR_COW_NOT_CLEAN', offset: 4 }));
  });

  it('refuses one in snapshot mode', () => {
    expect(() =>
      requireIncremental(header({ flags: { ...flags, indexOnly: false } })),
    ).toThrowError(
      expect.objectContaining({
        code: 'ERR_COW_NOT_INCREMENTAL',
        offset: 4,
        found: 'flags 0x1',
      }),
    );
  });
});

describe('requirePredecessor', () => {
  const file = header({ seqid: 4n });

  it('takes the file of the snapshot before', () => {
    requirePredecessor(file, { uuid: file.uuid, seqid: 5n });
    requirePredecessor(header({ seqid: 2n ** 53n }), { uuid: file.uuid, seqid: 2n ** 53n + 1n });
  });

  it('refuses another series', () => {
    const uuid = Uint8Array.from(file.uuid);
    uuid[15] = 0;
    expect(() => requirePredecessor(file, { uuid, seqid: 5n })).toThrowError(
      expect.objectContaining({
        code: 'ERR_COW_SERIES',
        offset: 0x20,
        found: '01112131415161718191a1b1c1d1e1f1',
      }),
    );
  });

  it.each([3n, 4n, 6n, 2n ** 53n])('refuses snapshot %s', (seqid) => {
    expect(() => requirePredecessor(file, { uuid: file.uuid, seqid })).toThrowError(
      expect.objectContaining({ code: 'ERR_COW_SEQID', offset: 0x18, found: '4' }),
    );
  });
});

describe('requireWholeIndex', () => {
  const layout = cowLayout(4097 * 4096);

  it('wants an entry for each block, not whole sections', () => {
    requireWholeIndex(layout, layout.requiredBytes);
    for (const size of [layout.requiredBytes - 1, 4096, 0, Number.NaN]) {
      expect(() => requireWholeIndex(layout, size)).toThrowError(
        expect.objectContaining({ code: 'ERR_COW_TRUNCATED', offset: size }),
      );
    }
  });
});

describe('requireCount', () => {
  it('takes as many as the header counts, and more', () => {
    requireCount(header({ nrChangedBlocks: 7n }), 7);
    requireCount(header({ nrChangedBlocks: 7n }), 8);
  });

  it('takes any where the header does not count', () => {
    requireCount(header({ version: 0n, nrChangedBlocks: 7n }), 0);
  });

  it('refuses fewer', () => {
    expect(() => requireCount(header({ nrChangedBlocks: 7n }), 6)).toThrowError(
      expect.objectContaining({ code: 'ERR_COW_COUNT', found: '6' }),
    );
  });
});
