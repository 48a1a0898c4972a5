import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cowLayout, cowSection, entryOffset, runBytes, toSafeInteger } from '../src/index.js';

const GIB = 1024 ** 3;

describe('cowLayout', () => {
  it.each([
    // device bytes, blocks, last block, sections, data offset
    [1, 1, 1, 1, 36864],
    [4096, 1, 4096, 1, 36864],
    [4097, 2, 1, 1, 36864],
    [16 * 1024 ** 2, 4096, 4096, 1, 36864],
    [16 * 1024 ** 2 + 512, 4097, 512, 2, 69632],
    [GIB, 262144, 4096, 64, 2101248],
    [1024 * GIB, 268435456, 4096, 65536, 2147487744],
  ])('device of %d bytes', (bytes, blocks, lastBlockBytes, sections, dataOffset) => {
    const layout = cowLayout(bytes);
    expect(layout).toMatchObject({ blocks, lastBlockBytes, sections, dataOffset });
    expect(layout.requiredBytes).toBe(4096 + blocks * 8);
    expect(cowLayout(BigInt(bytes))).toEqual(layout);
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 53, 2n ** 64n])('refuses a device of %s bytes', (bytes) => {
    expect(() => cowLayout(bytes)).toThrowError(
      expect.objectContaining({ code: 'ERR_COW_RANGE', offset: undefined }),
    );
  });

  it('has sections that tile the device and the index', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 * GIB }), (bytes) => {
        const layout = cowLayout(bytes);
        let device = 0;
        let blocks = 0;
        let index = 4096;
        for (let i = 0; i < layout.sections; i++) {
          const section = cowSection(layout, i);
          expect(section.deviceOffset).toBe(device);
          expect(section.firstBlock).toBe(blocks);
          expect(section.indexOffset).toBe(index);
          device += section.deviceBytes;
          blocks += section.blocks;
          index += 32768;
        }
        expect([device, blocks, index]).toEqual([bytes, layout.blocks, layout.dataOffset]);
      }),
      { numRuns: 50 },
    );
  });

  it('refuses a section or block outside', () => {
    const layout = cowLayout(16 * 1024 ** 2);
    for (const bad of [-1, 1, 0.5, Number.NaN]) {
      expect(() => cowSection(layout, bad)).toThrowError(/section.*from 0 to 0/);
    }
    expect(entryOffset(layout, 4095)).toBe(4096 + 4095 * 8);
    expect(() => entryOffset(layout, 4096)).toThrowError(/block.*from 0 to 4095, found 4096/);
  });
});

describe('runBytes', () => {
  const layout = cowLayout(10 * 4096 + 1536);

  it('ends at the end of the device', () => {
    expect(runBytes(layout, { start: 2, count: 3 })).toEqual({ offset: 8192, length: 12288 });
    expect(runBytes(layout, { start: 10, count: 1 })).toEqual({ offset: 40960, length: 1536 });
    expect(runBytes(layout, { start: 9, count: 2 })).toEqual({ offset: 36864, length: 5632 });
  });

  it('refuses a run that leaves the device or is empty', () => {
    expect(() => runBytes(layout, { start: 10, count: 2 })).toThrowError(/last block/);
    expect(() => runBytes(layout, { start: 11, count: 1 })).toThrowError(/start block/);
    expect(() => runBytes(layout, { start: 3, count: 0 })).toThrowError(/at least 1/);
  });
});

describe('toSafeInteger', () => {
  it('never rounds', () => {
    expect(toSafeInteger('x', 2n ** 53n - 1n)).toBe(Number.MAX_SAFE_INTEGER);
    for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n, -1n]) {
      expect(() => toSafeInteger('x', value)).toThrowError(String(value));
    }
  });
});
