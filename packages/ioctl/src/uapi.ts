// Generated from kmod/include/uapi/dattobd.h by `npm run gen`. Do not edit.

export const DATTOBD_VERSION = '0.12.1';
export const DATTO_CTL_NODE = '/dev/datto-ctl';
export const DATTO_INFO_FILE = '/proc/datto-info';
export const DATTO_IOCTL_MAGIC = 145;
export const DATTO_PATH_SIZE = 4096;
export const DATTO_UUID_SIZE = 16;
export const DATTO_STATE_SNAPSHOT = 1;
export const DATTO_STATE_ACTIVE = 2;
export const DATTO_STATE_UNVERIFIED = 4;
export const DATTO_REASON_SIZE = 256;
export const DATTO_FAILURE_OF_CALL = 1;

/** Numbers of the ioctls. */
export const IOCTL = {
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
} as const;

/** Sizes of the ioctls' structs and of their fields, and the fields' offsets, in bytes. */
export const STRUCTS = {
  setup_params: {
    size: 40,
    fields: {
      bdev: { offset: 0, size: 8 },
      cow: { offset: 8, size: 8 },
      fallocated_space: { offset: 16, size: 8 },
      cache_size: { offset: 24, size: 8 },
      minor: { offset: 32, size: 4 },
    },
  },
  reload_params: {
    size: 32,
    fields: {
      bdev: { offset: 0, size: 8 },
      cow: { offset: 8, size: 8 },
      cache_size: { offset: 16, size: 8 },
      minor: { offset: 24, size: 4 },
    },
  },
  transition_snap_params: {
    size: 24,
    fields: {
      cow: { offset: 0, size: 8 },
      fallocated_space: { offset: 8, size: 8 },
      minor: { offset: 16, size: 4 },
    },
  },
  reconfigure_params: {
    size: 16,
    fields: {
      cache_size: { offset: 0, size: 8 },
      minor: { offset: 8, size: 4 },
    },
  },
  expand_cow_file_params: {
    size: 16,
    fields: {
      size: { offset: 0, size: 8 },
      minor: { offset: 8, size: 4 },
    },
  },
  reconfigure_auto_expand_params: {
    size: 24,
    fields: {
      step_size: { offset: 0, size: 8 },
      reserved_space: { offset: 8, size: 8 },
      minor: { offset: 16, size: 4 },
    },
  },
  dattobd_info: {
    size: 8272,
    fields: {
      minor: { offset: 0, size: 4 },
      state: { offset: 8, size: 8 },
      error: { offset: 16, size: 4 },
      cache_size: { offset: 24, size: 8 },
      falloc_size: { offset: 32, size: 8 },
      seqid: { offset: 40, size: 8 },
      uuid: { offset: 48, size: 16 },
      cow: { offset: 64, size: 4096 },
      bdev: { offset: 4160, size: 4096 },
      version: { offset: 8256, size: 8 },
      nr_changed_blocks: { offset: 8264, size: 8 },
    },
  },
  datto_force_inc: {
    size: 16,
    fields: {
      size: { offset: 0, size: 4 },
      flags: { offset: 4, size: 4 },
      minor: { offset: 8, size: 4 },
      pad: { offset: 12, size: 4 },
    },
  },
  datto_group_member: {
    size: 40,
    fields: {
      bdev: { offset: 0, size: 8 },
      cow: { offset: 8, size: 8 },
      fallocated_space: { offset: 16, size: 8 },
      cache_size: { offset: 24, size: 8 },
      minor: { offset: 32, size: 4 },
      pad: { offset: 36, size: 4 },
    },
  },
  datto_setup_group: {
    size: 24,
    fields: {
      size: { offset: 0, size: 4 },
      flags: { offset: 4, size: 4 },
      nr: { offset: 8, size: 4 },
      failed: { offset: 12, size: 4 },
      members: { offset: 16, size: 8 },
    },
  },
  datto_failure: {
    size: 280,
    fields: {
      size: { offset: 0, size: 4 },
      flags: { offset: 4, size: 4 },
      minor: { offset: 8, size: 4 },
      error: { offset: 12, size: 4 },
      block: { offset: 16, size: 8 },
      reason: { offset: 24, size: 256 },
    },
  },
  datto_resume: {
    size: 48,
    fields: {
      size: { offset: 0, size: 4 },
      flags: { offset: 4, size: 4 },
      bdev: { offset: 8, size: 8 },
      record: { offset: 16, size: 8 },
      next: { offset: 24, size: 8 },
      cache_size: { offset: 32, size: 8 },
      minor: { offset: 40, size: 4 },
      pad: { offset: 44, size: 4 },
    },
  },
} as const;
