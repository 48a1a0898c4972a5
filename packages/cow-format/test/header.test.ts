import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bufferSource,
  CowFormatError,
  decodeFlags,
  decodeHeader,
  EXTENSION_SIZE,
  encodeFlags,
  encodeHeader,
  formatUuid,
  readHeader,
} from '../src/index.js';
import { header } from './support.js';

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const anyHeader = fc.record({
  flags: fc.integer({ min: 0, max: 0xffffffff }).map(decodeFlags),
  fpos: u64,
  fsize: u64,
  seqid: u64,
  uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  version: fc.constantFrom(0n, 1n),
  nrChangedBlocks: u64,
  extension: fc.uint8Array({ minLength: EXTENSION_SIZE, maxLength: EXTENSION_SIZE }),
});

describe('header', () => {
  it('has each field at its place, little-endian', () => {
    const bytes = encodeHeader(
      header({
        flags: { clean: true, indexOnly: false, driverPrivate: true, unknown: 0x80000010 },
        fpos: 0x0102030405060708n,
        fsize: 0x1112131415161718n,
        seqid: 0x2122232425262728n,
        nrChangedBlocks: 0x4142434445464748n,
        extension: new Uint8Array(EXTENSION_SIZE).fill(0xee),
      }),
    );
    expect(Buffer.from(bytes.subarray(0, 0x42)).toString('hex')).toBe(
      'a8120000' +
        '15000080' +
        '0807060504030201' +
        '1817161514131211' +
        '2827262524232221' +
        '0111213141516171' +
        '8191a1b1c1d1e1f1' +
        '0100000000000000' +
        '4847464544434241' +
        'eeee',
    );
    expect(bytes.byteLength).toBe(4096);
    expect(bytes[4095]).toBe(0xee);
  });

  it('survives decode and encode, unknown flags and extension included', () => {
    fc.assert(
      fc.property(anyHeader, fc.integer({ min: 0, max: 7 }), (value, shift) => {
        const bytes = encodeHeader(value);
        const shifted = new Uint8Array(4096 + shift + 5);
        shifted.set(bytes, shift);
        const decoded = decodeHeader(shifted.subarray(shift));
        expect(decoded).toEqual(value);
        expect(encodeHeader(decoded)).toEqual(bytes);
      }),
    );
  });

  it('shares no memory with the bytes it was read from', () => {
    const bytes = Buffer.from(encodeHeader(header()));
    const decoded = decodeHeader(bytes);
    bytes.fill(0xff);
    expect(formatUuid(decoded.uuid)).toBe('0111213141516171'.concat('8191a1b1c1d1e1f1'));
    expect(decoded.extension.every((byte) => byte === 0)).toBe(true);
  });

  it('is read or refused with our error, whatever bytes change', () => {
    const places = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.integer({ min: 0, max: 4095 }));
    const changes = fc.array(fc.tuple(places, fc.integer({ min: 0, max: 255 })), { maxLength: 12 });
    const length = fc.oneof({ weight: 3, arbitrary: fc.constant(4096) }, fc.nat(4095));
    fc.assert(
      fc.property(changes, length, (list, cut) => {
        const bytes = encodeHeader(header());
        for (const [at, byte] of list) bytes[at] = byte;
        const input = bytes.subarray(0, cut);
        try {
          expect(encodeHeader(decodeHeader(input))).toEqual(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(CowFormatError);
          const { code, offset } = error as CowFormatError;
          const at = { ERR_COW_TRUNCATED: cut, ERR_COW_MAGIC: 0, ERR_COW_VERSION: 0x30 } as Record<
            string,
            number
          >;
          expect(at[code]).toBe(offset);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a header that is refused', () => {
  const patched = (offset: number, ...bytes: number[]) => {
    const all = encodeHeader(header());
    all.set(bytes, offset);
    return all;
  };

  it.each([
    ['empty', new Uint8Array(0), 'ERR_COW_TRUNCATED', 0, '4096 bytes', '0 bytes'],
    ['one byte short', new Uint8Array(4095), 'ERR_COW_TRUNCATED', 4095, '4096 bytes', '4095 bytes'],
    ['zeros', new Uint8Array(4096), 'ERR_COW_MAGIC', 0, '4776', '0'],
    ['foreign', patched(0, 0x7f, 0x45, 0x4c, 0x46), 'ERR_COW_MAGIC', 0, '4776', '1179403647'],
    ['future', patched(0x30, 2), 'ERR_COW_VERSION', 0x30, '0 or 1', '2'],
    ['far future', patched(0x37, 0x80), 'ERR_COW_VERSION', 0x30, '0 or 1', '9223372036854775809'],
  ])('%s', async (_, bytes, code, offset, expected, found) => {
    const error = expect.objectContaining({
      code,
      offset,
      expected,
      found,
      name: 'CowFormatError',
    });
    expect(() => decodeHeader(bytes)).toThrowError(error);
    await expect(readHeader(bufferSource(bytes))).rejects.toThrowError(error);
  });

  it('says where, what and what to do', () => {
    expect(() => decodeHeader(patched(0x30, 2))).toThrowError(
      'COW file version at byte 48 (0x30): expected 0 or 1, found 2. ' +
        'The file was written by a newer driver; update this program.',
    );
  });
});

describe('encodeHeader', () => {
  it('refuses what does not fit instead of wrapping', () => {
    for (const field of ['fpos', 'fsize', 'seqid', 'version', 'nrChangedBlocks'] as const) {
      for (const value of [-1n, 2n ** 64n]) {
        expect(() => encodeHeader(header({ [field]: value }))).toThrowError(
          expect.objectContaining({ code: 'ERR_COW_RANGE', found: String(value) }),
        );
      }
    }
    expect(() => encodeHeader(header({ uuid: new Uint8Array(15) }))).toThrowError(/uuid.*16 bytes/);
    expect(() => encodeHeader(header({ extension: new Uint8Array(1) }))).toThrowError(/extension/);
  });

  it('keeps named flags out of the unknown ones', () => {
    const none = { clean: false, indexOnly: false, driverPrivate: false };
    expect(encodeFlags({ ...none, unknown: 0x80000000 })).toBe(0x80000000);
    for (const unknown of [1, 2, 4, -8, 2 ** 32, 8.5]) {
      expect(() => encodeFlags({ ...none, unknown })).toThrowError(/flags.unknown/);
    }
  });
});
