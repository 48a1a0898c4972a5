import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunBuilder } from '../src/index.js';
import { makeZeroScan, SCAN_BYTES, SCAN_STEP, zeroScan } from '../src/zero-scan.js';
import { naiveRuns } from './support.js';

describe('the scan in WebAssembly', () => {
  it('is there', () => expect(zeroScan()).not.toBeNull());

  it('finds any byte that is not zero, and none where there is none', () => {
    const scan = zeroScan();
    const bytes = new Uint8Array(1024);
    for (let at = 0; at < bytes.length; at++) {
      bytes[at] = 128;
      scan?.load(bytes);
      const step = Math.floor(at / SCAN_STEP) * SCAN_STEP;
      expect(scan?.find(0, 1024)).toBe(step);
      expect(scan?.find(step + SCAN_STEP, 1024)).toBe(1024);
      bytes[at] = 0;
    }
    scan?.load(bytes);
    expect([scan?.find(0, 1024), scan?.find(512, 512)]).toEqual([1024, 512]);
    const full = new Uint8Array(SCAN_BYTES);
    full[SCAN_BYTES - 1] = 1;
    scan?.load(full);
    expect(scan?.find(0, SCAN_BYTES)).toBe(SCAN_BYTES - SCAN_STEP);
  });

  it('is done without where it is not, or not allowed', () => {
    expect(makeZeroScan(undefined)).toBeNull();
    const forbidden = class {
      readonly exports = {};
      constructor() {
        throw new Error('blocked by the content security policy');
      }
    };
    expect(makeZeroScan({ Module: forbidden, Instance: forbidden })).toBeNull();
  });
});

describe('long stretches of zeros', () => {
  it('of any length and alignment are skipped to the entry', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(70_000), fc.integer({ min: 1, max: 40 })), { maxLength: 5 }),
        fc.nat(40_000),
        fc.constantFrom(0, 4, 8, 20, 1, 3),
        (parts, tail, shift) => {
          const entries = new BigUint64Array(
            parts.reduce((sum, [zeros, ones]) => sum + zeros + ones, tail),
          );
          let at = 0;
          for (const [zeros, ones] of parts) {
            at += zeros;
            entries.fill(1n << 63n, at, at + ones);
            at += ones;
          }
          const bytes = new Uint8Array(entries.byteLength + shift);
          bytes.set(new Uint8Array(entries.buffer), shift);
          const runs: { start: number; count: number }[] = [];
          const builder = new RunBuilder();
          builder.feed(bytes.subarray(shift), 0, runs);
          builder.finish(runs);
          expect(runs).toEqual(naiveRuns(entries));
        },
      ),
      { numRuns: 100 },
    );
  }, 60_000);
});
