import { describe, expect, it } from 'vitest';
import { IOCTL, STRUCTS } from '../src/index.js';

/** The numbers that programs written for dattobd 0.12.1 were compiled with. */
describe('uapi', () => {
  it('has the known ioctl numbers', () => {
    expect(IOCTL).toEqual({
      SETUP_SNAP: 0x40289101,
      RELOAD_SNAP: 0x40209102,
      RELOAD_INC: 0x40209103,
      DESTROY: 0x40049104,
      TRANSITION_INC: 0x40049105,
      TRANSITION_SNAP: 0x40189106,
      RECONFIGURE: 0x40109107,
      DATTOBD_INFO: 0xa0509108,
      GET_FREE: 0x80049109,
      EXPAND_COW_FILE: 0x4010910a,
      RECONFIGURE_AUTO_EXPAND: 0x4018910b,
      FORCE_TRANSITION_INC: 0x9140,
      SETUP_GROUP: 0x9141,
      FAILURE: 0x9142,
      RESUME: 0x9143,
    });
  });

  it('has the known layout of INFO', () => {
    expect(STRUCTS.dattobd_info.size).toBe(8272);
    const { fields } = STRUCTS.dattobd_info;
    expect(Object.entries(fields).map(([name, { offset, size }]) => [name, offset, size])).toEqual([
      ['minor', 0, 4],
      ['state', 8, 8],
      ['error', 16, 4],
      ['cache_size', 24, 8],
      ['falloc_size', 32, 8],
      ['seqid', 40, 8],
      ['uuid', 48, 16],
      ['cow', 64, 4096],
      ['bdev', 4160, 4096],
      ['version', 8256, 8],
      ['nr_changed_blocks', 8264, 8],
    ]);
  });
});
