/** Arguments and options that several commands share. */
import type { Argument, Option } from '@dbd/cli-kit';
import { GROUP_CHANGE } from './schemas.js';

export const BLOCK_DEVICE = {
  name: 'block device',
  kind: 'block-device',
  summary: 'device with the file system, such as /dev/sdb1',
} as const satisfies Argument;

/** The driver would take a path relative to the caller, and reload one relative to the mount. */
export const NEW_COW_FILE = {
  name: 'cow file',
  kind: 'absolute-path',
  summary: 'absolute path of the COW file to create, on that file system',
} as const satisfies Argument;

export const OLD_COW_FILE = {
  name: 'cow file',
  kind: 'file',
  summary: 'path of the COW file, relative to the root of its file system',
} as const satisfies Argument;

export const NEW_MINOR = {
  name: 'minor',
  kind: 'minor',
  optional: true,
  summary: 'number of the new device, N in /dev/dattoN; the lowest free one when left out',
} as const satisfies Argument;

export const DEVICE = {
  name: 'device',
  label: 'minor|device',
  kind: 'device',
  summary: 'minor of the device, or path of it or of its snapshot: 0, /dev/sdb1, /dev/datto0',
} as const satisfies Argument;

export const CACHE_SIZE = {
  name: 'cache-size',
  letter: 'c',
  kind: 'size',
  unit: 'bytes',
  value: 'BYTES',
  summary: "memory for the index: bytes, or a size such as 8MiB (0: the module's default)",
} as const satisfies Option;

export const COW_SIZE = {
  name: 'cow-size',
  letter: 'f',
  kind: 'size',
  unit: 'MiB',
  value: 'MIB',
  summary:
    'size of the COW file: MiB, or a size such as 2GiB (0: the default, or what the device used last)',
} as const satisfies Option;

export const RESERVED_SPACE = {
  name: 'reserved-space',
  letter: 'r',
  kind: 'size',
  unit: 'MiB',
  value: 'RESERVED_MIB',
  summary: 'what must stay free on the file system: MiB, or a size',
} as const satisfies Option;

export const SHOW = {
  name: 'show',
  kind: 'flag',
  summary: 'print the minor of the new device',
} as const satisfies Option;

export const GROUP = {
  name: 'group',
  kind: 'new-device',
  value: 'DEVICE:COW_FILE[:MINOR]',
  repeated: true,
  insteadOfArguments: true,
  summary:
    'several devices at one instant, all or none of them; each with its COW file, and its minor or the lowest free one',
  output: GROUP_CHANGE,
} as const satisfies Option;

export const PERSIST = {
  name: 'persist',
  kind: 'flag',
  summary: 'track it again after a reboot, as the command persist does',
} as const satisfies Option;

export const FORCE = {
  name: 'force',
  kind: 'flag',
  summary: 'of a failed snapshot: what changed since it was taken is known all the same',
} as const satisfies Option;

export const DRY_RUN = {
  name: 'dry-run',
  kind: 'flag',
  summary: 'check, and say what would be done; do nothing',
} as const satisfies Option;
