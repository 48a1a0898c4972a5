import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatDuration,
  formatTable,
  stripStyles,
  systemErrorText,
  toJson,
  wrap,
} from '../src/index.js';
import { parseSize } from '../src/values.js';

const U64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

describe('sizes', () => {
  it.each([
    ['0', 0n],
    ['12', 12n],
    ['1K', 1024n],
    ['1k', 1024n],
    ['1KiB', 1024n],
    ['1kB', 1000n],
    ['1.5GiB', 1610612736n],
    ['0.25M', 262144n],
    ['2T', 2199023255552n],
    ['7B', 7n],
  ])('%s bytes', (text, bytes) => expect(parseSize('x', text, 'bytes')).toBe(bytes));

  it('bare numbers keep their unit, others are the same whatever the unit', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 32n }), (n) => {
        expect(parseSize('x', `${n}`, 'MiB')).toBe(n);
        expect(parseSize('x', `${n}MiB`, 'MiB')).toBe(n);
        expect(parseSize('x', `${n}MiB`, 'bytes')).toBe(n << 20n);
        expect(parseSize('x', `${n}G`, 'MiB')).toBe(n << 10n);
      }),
    );
  });

  it('what does not fit u64 is refused, never wrapped', () => {
    fc.assert(
      fc.property(U64, (n) => {
        expect(parseSize('x', `${n}`, 'bytes')).toBe(n);
        expect(() => parseSize('x', `${n + 2n ** 64n}`, 'bytes')).toThrow('at most');
      }),
    );
    expect(() => parseSize('x', '16E', 'bytes')).toThrow('at most');
  });

  it('any other text is refused', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (/^\d+(\.\d+)?([KMGTPE](iB|B)?|B)?$/i.test(text)) return;
        expect(() => parseSize('x', text, 'bytes')).toThrow('x must be');
      }),
    );
  });
});

describe('for people', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [99.96 * 1024, '100 KiB'],
    [2 ** 20 - 1, '1 MiB'],
    [2 ** 60, '1 EiB'],
  ])('%d is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [0.4, '0s'],
    [59.6, '1m00s'],
    [3599.6, '1h00m'],
    [90_000, '1d01h'],
    [Number.POSITIVE_INFINITY, '-'],
  ])('%d s is %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it('wraps between words', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,9}$/), { minLength: 1 }), (words) => {
        const lines = wrap(words.join(' '), 12, '  ').split('\n');
        expect(lines.every((line) => line.length <= 12)).toBe(true);
        expect(lines.map((line) => line.trim()).join(' ')).toBe(words.join(' '));
      }),
    );
  });

  it('tables fit any width', () => {
    const columns = [
      { title: 'ID', align: 'right' as const },
      { title: 'DEVICE' },
      { title: 'EXTRA', priority: 1 },
    ];
    const rows = [
      ['1', '\x1b[1m/dev/sdb1\x1b[0m', 'more'],
      ['23', '/dev/mapper/x', ''],
    ];
    expect(formatTable(columns, rows, 80).map(stripStyles)).toEqual([
      'ID  DEVICE         EXTRA',
      ' 1  /dev/sdb1      more',
      '23  /dev/mapper/x',
    ]);
    expect(formatTable(columns, rows, 20).map(stripStyles)).toEqual([
      'ID  DEVICE',
      ' 1  /dev/sdb1',
      '23  /dev/mapper/x',
    ]);
    for (let width = 1; width < 30; width++) {
      for (const line of formatTable(columns, rows, width)) {
        expect(stripStyles(line).length).toBeLessThanOrEqual(width);
      }
    }
  });
});

describe('JSON', () => {
  it('is JSON.stringify, but for bigint and undefined', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
        expect(toJson(value as never, indent)).toBe(JSON.stringify(value, undefined, indent));
      }),
    );
    expect(toJson({ a: 2n ** 64n, b: undefined }, 0)).toBe('{"a":18446744073709551616}');
  });
});

describe('errors of the system', () => {
  it('say what to do where there is something, and no more', () => {
    const error = Object.assign(new Error('EROFS: read-only file system, open'), { code: 'EROFS' });
    expect(systemErrorText(error)).toBe(
      'EROFS: read-only file system, open. Mount its file system read-write',
    );
    expect(systemErrorText(new Error('it ends too early.'))).toBe('it ends too early');
    expect(systemErrorText('text')).toBe('text');
    expect(systemErrorText(undefined)).toBe('undefined');
  });
});
