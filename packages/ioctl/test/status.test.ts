import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Datto, DattoStatusError, parseStatus } from '../src/index.js';
import { MemoryDriver } from '../src/testing.js';

/** As abi.md shows it. */
const FILE = `{
	"version": "0.12.1",
	"devices": [
		{
			"minor": 0,
			"cow_file": "/.datto \\"1\\", \\u0007 12",
			"block_device": "/dev/vda",
			"max_cache": 9007199254740993,
			"fallocate": 213909504,
			"cow_size_current": 213909504,
			"seq_id": 2,
			"uuid": "67488fc1cb164e7abbaa9a47b89614ce",
			"version": 1,
			"nr_changed_blocks": 1,
			"auto_expand": { "step_size_mib": 5, "reserved_space_mib": 6 },
			"error": -27,
			"state": 3,
			"later_key": [1, "x"]
		},
		{
			"minor": 7,
			"cow_file": ".datto",
			"block_device": "/dev/vdb",
			"max_cache": 1,
			"state": 5
		}
	]
}
`;

describe('the status file', () => {
  it('is read whole, large numbers too', () => {
    expect(parseStatus(FILE)).toMatchObject({
      version: '0.12.1',
      devices: [
        {
          minor: 0,
          state: { text: 'active snapshot' },
          error: -27,
          errorName: 'EFBIG',
          cowFile: '/.datto "1", \u0007 12',
          blockDevice: '/dev/vda',
          cacheBytes: 9007199254740993n,
          verified: {
            fallocateBytes: 213909504n,
            cowBytes: 213909504n,
            seqid: 2n,
            uuid: '67488fc1cb164e7abbaa9a47b89614ce',
            version: 1n,
            nrChangedBlocks: 1n,
          },
          autoExpand: { stepMib: 5n, reservedMib: 6n },
        },
        { minor: 7, state: { text: 'unverified snapshot' }, error: 0, errorName: null },
      ],
    });
    expect(parseStatus(FILE).devices[1]?.verified).toBeUndefined();
  });

  it('may be without devices', () => {
    expect(parseStatus('{\n\t"version": "0.12.1",\n\t"devices": [\n\n\t]\n}\n').devices).toEqual(
      [],
    );
  });

  it('is refused with one error when it is anything else', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc
            .tuple(fc.nat(FILE.length - 1), fc.nat(40), fc.string({ maxLength: 3 }))
            .map(([at, cut, put]) => FILE.slice(0, at) + put + FILE.slice(at + cut)),
        ),
        (text) => {
          try {
            parseStatus(text);
          } catch (error) {
            expect(error).toBeInstanceOf(DattoStatusError);
          }
        },
      ),
      { numRuns: 2000 },
    );
    expect(() => parseStatus('{"version":"1","devices":[{"minor":"x"}]}')).toThrow(
      "the driver's status file does not hold an integer minor",
    );
  });

  it('needs no privilege, but a driver', async () => {
    const driver = new MemoryDriver();
    driver.privileged = false;
    expect(await new Datto(driver).status()).toEqual({ version: '0.12.1', devices: [] });
    driver.loaded = false;
    await expect(new Datto(driver).status()).rejects.toThrowError(
      expect.objectContaining({
        driverAbsent: true,
        message: expect.stringContaining('nothing answers at /proc/datto-info'),
      }),
    );
  });
});
