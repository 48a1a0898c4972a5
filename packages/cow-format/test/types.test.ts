/** Types that users rely on; the compiler checks them, `npm run typecheck`. */
import { describe, expectTypeOf, it } from 'vitest';
import {
  bufferSource,
  type CowErrorCode,
  type CowFormatError,
  type CowHeader,
  type CowLayout,
  changedBlocks,
  changedRuns,
  cowLayout,
  decodeHeader,
  encodeHeader,
  type Run,
  type RunOptions,
  readHeader,
  type SnapshotId,
  type Source,
} from '../src/index.js';
import { handleSource } from '../src/node.js';

describe('types', () => {
  it('of what goes in', () => {
    expectTypeOf(decodeHeader).parameters.toEqualTypeOf<[bytes: Uint8Array]>();
    expectTypeOf<RunOptions['device']>().toEqualTypeOf<number | bigint | CowLayout>();
    expectTypeOf<CowHeader>().toExtend<SnapshotId>();
    expectTypeOf(new Uint8Array(1)).toExtend<Parameters<typeof bufferSource>[0]>();
    // @ts-expect-error a header needs all its fields
    void (() => encodeHeader({ seqid: 1n }));
    // @ts-expect-error 64-bit fields are bigint
    void (() => encodeHeader({ ...decodeHeader(new Uint8Array(4096)), seqid: 1 }));
    // @ts-expect-error a size has a unit, and is no text
    void (() => cowLayout('1 GiB'));
    // @ts-expect-error the size of the device cannot be known from the file
    void (() => changedRuns(bufferSource(new Uint8Array(1)), {}));
  });

  it('of what comes out', () => {
    const source = bufferSource(new Uint8Array(1));
    expectTypeOf(readHeader).returns.resolves.toEqualTypeOf<CowHeader>();
    expectTypeOf<CowHeader['nrChangedBlocks']>().toBeBigInt();
    expectTypeOf(changedRuns(source, { device: 1 })).toExtend<AsyncIterable<Run>>();
    expectTypeOf(changedBlocks(source, { device: 1 })).toExtend<AsyncIterable<number>>();
    expectTypeOf(handleSource).returns.resolves.toEqualTypeOf<Source>();
    expectTypeOf<CowFormatError['code']>().toEqualTypeOf<CowErrorCode>();
    expectTypeOf<CowFormatError['offset']>().toEqualTypeOf<number | undefined>();
    // @ts-expect-error what was read does not change by writing to it
    void ((header: CowHeader) => (header.seqid = 2n));
  });
});
