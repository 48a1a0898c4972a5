/** Arguments and options that several commands share. */
import type { Argument, Option } from './command.js';

export const BLOCK_DEVICE: Argument = {
  name: 'block device',
  kind: 'path',
  summary: 'device with the file system, such as /dev/sdb1',
};

/** The driver would take a path relative to the caller, and reload one relative to the mount. */
export const NEW_COW_FILE: Argument = {
  name: 'cow file',
  kind: 'absolute-path',
  summary: 'absolute path of the COW file to create, on that file system',
};

export const OLD_COW_FILE: Argument = {
  name: 'cow file',
  kind: 'path',
  summary: 'path of the COW file, relative to the root of its file system',
};

export const MINOR: Argument = {
  name: 'minor',
  kind: 'number',
  max: 0xffff_ffffn,
  summary: 'number of the device, N in /dev/dattoN',
};

export const CACHE_SIZE: Option = {
  name: 'cache-size',
  letter: 'c',
  value: 'BYTES',
  summary: "memory for the index in bytes (0: the module's default)",
};

export const COW_SIZE: Option = {
  name: 'cow-size',
  letter: 'f',
  value: 'MIB',
  summary: 'size of the COW file in MiB (0: the default, or what the device used last)',
};

export const RESERVED_SPACE: Option = {
  name: 'reserved-space',
  letter: 'r',
  value: 'RESERVED_MIB',
  summary: 'MiB that must stay free on the file system',
};
