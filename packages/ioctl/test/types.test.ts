/** Types that users rely on; the compiler checks them, `npm run typecheck`. */
import { describe, expectTypeOf, it } from 'vitest';
import {
  Datto,
  type DattoBinding,
  type DattoInfo,
  type DattoIoctlError,
  type DattoStatus,
  type ErrnoName,
  errnoName,
  type Operation,
  parseStatus,
  type SetupOptions,
} from '../src/index.js';
import { MemoryDriver } from '../src/testing.js';

describe('types', () => {
  it('of what goes in', () => {
    expectTypeOf<SetupOptions['cacheBytes']>().toEqualTypeOf<number | bigint | undefined>();
    expectTypeOf<SetupOptions>().toHaveProperty('minor').toBeNumber();
    expectTypeOf(new MemoryDriver()).toExtend<DattoBinding>();
    expectTypeOf(Datto).toBeConstructibleWith(new MemoryDriver());
    const datto = new Datto(new MemoryDriver());
    expectTypeOf(datto.destroy).parameters.toEqualTypeOf<[minor: number]>();
    // @ts-expect-error a minor is a number
    void (() => datto.destroy('0'));
    // @ts-expect-error the COW file is missing
    void (() => datto.setupSnapshot({ blockDevice: '/dev/sdb1', minor: 0 }));
    // @ts-expect-error no such advice
    void (() => datto.fadvise(0, 0, 0, 'sometimes'));
  });

  it('of what comes out', () => {
    const datto = new Datto(new MemoryDriver());
    expectTypeOf(datto.info).returns.resolves.toEqualTypeOf<DattoInfo>();
    expectTypeOf<DattoInfo['seqid']>().toBeBigInt();
    expectTypeOf<DattoInfo['errorName']>().toEqualTypeOf<string | null>();
    expectTypeOf(parseStatus).returns.toEqualTypeOf<DattoStatus>();
    expectTypeOf<DattoStatus['devices'][number]['verified']>().toBeNullable();
    expectTypeOf(datto.seekData).returns.resolves.toEqualTypeOf<number | null>();
    expectTypeOf<DattoIoctlError['operation']>().toEqualTypeOf<Operation>();
    expectTypeOf<'EBUSY'>().toExtend<ErrnoName>();
    expectTypeOf(errnoName(1)).toBeString();
    // @ts-expect-error what is known of a device does not change by writing to it
    void ((info: DattoInfo) => (info.error = 1));
  });
});
