export {
  type DattoBinding,
  loadBinding,
  type RawFailure,
  type RawInfo,
  type RawMember,
} from './binding.js';
export {
  type AutoExpandOptions,
  Datto,
  type DeviceFailure,
  type ExpandOptions,
  FADVISE,
  type ReconfigureOptions,
  type ReloadOptions,
  type SetupOptions,
  type Size,
  type TransitionToSnapshotOptions,
} from './datto.js';
export { ERRNO, type ErrnoName, errnoName } from './errno.js';
export {
  DattoArgumentError,
  DattoIoctlError,
  type Subject,
  type SyscallFailure,
} from './error.js';
export { type DattoInfo, type DattoState, decodeState } from './info.js';
export type { Operation } from './operation.js';
export {
  type DattoStatus,
  DattoStatusError,
  type DeviceStatus,
  parseStatus,
  type VerifiedStatus,
} from './status.js';
export {
  DATTO_CTL_NODE,
  DATTO_INFO_FILE,
  DATTO_PATH_SIZE,
  DATTO_STATE_ACTIVE,
  DATTO_STATE_SNAPSHOT,
  DATTO_STATE_UNVERIFIED,
  DATTO_UUID_SIZE,
  DATTOBD_VERSION,
  IOCTL,
  STRUCTS,
} from './uapi.js';
