/** What an errno of an operation means to a user: cause and next step. */
import type { Subject, SyscallFailure } from './error.js';
import { DRIVER_OPERATIONS, type Operation } from './operation.js';
import { DATTO_CTL_NODE, DATTO_INFO_FILE } from './uapi.js';

type Text = (subject: Subject) => string;
type Causes = Readonly<Record<string, Text>>;

const minor = (s: Subject) => `minor ${s.minor}`;

const minorInUse: Text = (s) =>
  `${minor(s)} is in use. Choose another minor, or destroy that device first`;
const notInUse: Text = (s) =>
  `there is no device with ${minor(s)}. See /proc/datto-info for those there are`;
const heldOpen: Text = (s) => `/dev/datto${s.minor} is open or mounted. Close or unmount it first`;
const deviceMissing: Text = (s) =>
  `${s.blockDevice} or the directory of the COW file does not exist. Check the paths`;
const notBlock: Text = (s) => `${s.blockDevice} is not a block device. Give the device, not a file`;
const noSpace: Text = () =>
  'there is not enough free space on the file system for the COW file. Free some, or ask for a smaller one with -f';
const isDirectory: Text = (s) => `${s.cowFile} is a directory. Name a file that does not exist yet`;
const tooLarge: Text = () => 'a file cannot be as large as that. Ask for less';
const cannotTrack: Text = (s) =>
  `${s.blockDevice} is of a kind that cannot be tracked: in use by something else than an ext2, ext3, ext4 or xfs file system, zoned, or written past the block layer`;
const disturbed: Text = (s) =>
  `somebody has thawed the file system of ${s.blockDevice ?? minor(s)} at that moment, or moved or removed ${s.cowFile}. Try again`;
const slowDisk = (s: Subject) =>
  `requests to the disk of ${s.blockDevice ?? minor(s)}, made before, did not end within 10 seconds, and its file system is not kept frozen longer. Look for errors of the disk in the kernel log, and try again`;
const badMinor = (s: Subject) => `${minor(s)} is not below the module's max_snap_devices`;
const onlySnapshot: Text = (s) =>
  `${badMinor(s)}, or the device is not in active snapshot mode, or has failed. See its state and error in /proc/datto-info`;

const SETUP: Causes = {
  EBUSY: (s) =>
    `${minor(s)} is in use, or the file system of ${s.blockDevice} is frozen. Choose another minor or destroy that device, or thaw it (fsfreeze -u)`,
  ENOENT: deviceMissing,
  ENOTBLK: notBlock,
  EINVAL: (s) =>
    `one of these holds: ${badMinor(s)}; ${s.blockDevice} is not mounted read-write; it is tracked already under another minor; ${s.cowFile} is not on its file system. Mount it, or correct the arguments`,
  EISDIR: isDirectory,
  ENOSPC: noSpace,
  EDQUOT: noSpace,
  EFBIG: tooLarge,
  EOPNOTSUPP: cannotTrack,
  EAGAIN: disturbed,
  ETIMEDOUT: slowDisk,
};

/** Of the member that was refused, or of none of them. */
const GROUP: Causes = {
  ...SETUP,
  EINVAL: (s) =>
    s.minor === undefined
      ? "a group has one member at least and the module's max_snap_devices at most; or the driver is too old for groups"
      : `${SETUP.EINVAL?.(s)}. No device, and no minor, may be in the group twice`,
  ETIMEDOUT: (s) =>
    `the file system of ${s.blockDevice} could not be frozen while those named before it were. One that stands on a file of another comes before that. Or ${slowDisk(s)}`,
};

const RELOAD: Causes = {
  EBUSY: minorInUse,
  ENOENT: (s) => `${s.blockDevice} does not exist. Check the path`,
  ENOTBLK: notBlock,
  EINVAL: (s) =>
    `one of these holds: ${badMinor(s)}; ${s.blockDevice} is mounted read-write; it is tracked already. Reload before the file system is mounted`,
  EOPNOTSUPP: cannotTrack,
};

const EXPAND: Causes = {
  ENOENT: notInUse,
  EINVAL: onlySnapshot,
  ENOSPC: noSpace,
  EFBIG: tooLarge,
};

const BLOCK_DEVICE: Causes = {
  ENOENT: (s) => `${s.blockDevice} does not exist. Check the path`,
  ENOTTY: notBlock,
  ENOTBLK: notBlock,
  EINVAL: notBlock,
  ENXIO: (s) => `no driver answers for ${s.blockDevice}. The device is gone`,
};

const CAUSES: Readonly<Partial<Record<Operation, Causes>>> = {
  setupSnapshot: SETUP,
  setupGroup: GROUP,
  reloadSnapshot: RELOAD,
  reloadIncremental: RELOAD,
  destroy: {
    ENOENT: notInUse,
    EBUSY: heldOpen,
    EINVAL: (s) => `${badMinor(s)}. See /proc/datto-info for the devices there are`,
  },
  transitionToIncremental: {
    ENOENT: notInUse,
    EBUSY: heldOpen,
    EINVAL: onlySnapshot,
    EFBIG: () =>
      'the COW file was full before the transition was over. The map of changes is complete all the same: transition to incremental by force to go on with it',
  },
  transitionToSnapshot: {
    ENOENT: (s) =>
      `there is no device with ${minor(s)}, or the directory of ${s.cowFile} does not exist. Check both`,
    EBUSY: heldOpen,
    EINVAL: (s) =>
      `one of these holds: ${badMinor(s)}; the device is not in active incremental mode, or has failed; ${s.cowFile} is not on its file system. See its state and error in /proc/datto-info`,
    EISDIR: isDirectory,
    ENOSPC: noSpace,
    EDQUOT: noSpace,
    EFBIG: tooLarge,
    EAGAIN: disturbed,
    ETIMEDOUT: slowDisk,
  },
  reconfigure: {
    ENOENT: notInUse,
    EBUSY: heldOpen,
    EINVAL: (s) => `${badMinor(s)}, or the device has failed. See /proc/datto-info`,
  },
  info: {
    ENOENT: notInUse,
    EINVAL: (s) => `${badMinor(s)}. See /proc/datto-info for the devices there are`,
  },
  getFreeMinor: {
    ENOENT: () =>
      'all minors are in use. Destroy a device, or load the module with a larger max_snap_devices',
  },
  expandCowFile: EXPAND,
  reconfigureAutoExpand: EXPAND,
  forceTransitionToIncremental: {
    ENOENT: notInUse,
    EBUSY: heldOpen,
    EINVAL: (s) =>
      `${badMinor(s)}, or the device has not failed, or its map is not complete. See its state and error in /proc/datto-info`,
  },
  failure: {
    ENOENT: notInUse,
    EINVAL: (s) =>
      `${badMinor(s)}, or the driver is too old to know the reason. See /proc/datto-info`,
  },
  deviceSize: BLOCK_DEVICE,
  logicalBlockSize: BLOCK_DEVICE,
};

const GENERAL: Causes = {
  EPERM: () => 'this needs root (CAP_SYS_ADMIN). Run it as root',
  EACCES: () => 'this needs root (CAP_SYS_ADMIN). Run it as root',
  ENOTTY: () => 'the driver does not know this command. Load a newer one',
  EOPNOTSUPP: () => 'a device or file system of this kind cannot do that. Use another',
  ENOMEM: () => 'the kernel has not enough free memory. Free some and try again',
  EINTR: () => 'a signal came in between. Try again',
  EIO: () => 'a disk gave an error. Check the disk of the device; the kernel log names the place',
  EROFS: () => 'the file system is read-only. Mount it read-write',
};

const VERBS: Readonly<Record<Operation, Text>> = {
  setupSnapshot: (s) =>
    `set up ${minor(s)} as a snapshot of ${s.blockDevice} with COW file ${s.cowFile}`,
  setupGroup: (s) =>
    s.minor === undefined
      ? 'take snapshots at one instant'
      : `take snapshots at one instant because of ${s.blockDevice} (${minor(s)}, COW file ${s.cowFile})`,
  reloadSnapshot: (s) => `reload ${minor(s)} as a snapshot of ${s.blockDevice} from ${s.cowFile}`,
  reloadIncremental: (s) =>
    `reload ${minor(s)} as incremental of ${s.blockDevice} from ${s.cowFile}`,
  destroy: (s) => `destroy ${minor(s)}`,
  transitionToIncremental: (s) => `transition ${minor(s)} to incremental`,
  transitionToSnapshot: (s) => `transition ${minor(s)} to snapshot with COW file ${s.cowFile}`,
  reconfigure: (s) => `reconfigure ${minor(s)}`,
  info: (s) => `get the state of ${minor(s)}`,
  status: () => 'get the state of the devices',
  getFreeMinor: () => 'get a free minor',
  expandCowFile: (s) => `expand the COW file of ${minor(s)}`,
  reconfigureAutoExpand: (s) => `reconfigure auto-expand of ${minor(s)}`,
  forceTransitionToIncremental: (s) => `transition ${minor(s)} to incremental by force`,
  failure: (s) => `get the reason why ${minor(s)} failed`,
  deviceSize: (s) => `get the size of ${s.blockDevice}`,
  logicalBlockSize: (s) => `get the logical block size of ${s.blockDevice}`,
  seekData: (s) => `find data in file descriptor ${s.fd}`,
  seekHole: (s) => `find a hole in file descriptor ${s.fd}`,
  fadvise: (s) => `advise the kernel on file descriptor ${s.fd}`,
};

const ABSENT = new Set(['ENOENT', 'ENODEV', 'ENXIO']);

/** The message for a failure, and whether it shows that the driver is not loaded. */
export function explain(
  operation: Operation,
  code: string,
  { syscall, reason }: SyscallFailure,
  subject: Subject,
): { message: string; driverAbsent: boolean } {
  const controlNode = syscall === 'open' && DRIVER_OPERATIONS.has(operation);
  const driverAbsent = controlNode && ABSENT.has(code);
  const own = controlNode ? undefined : CAUSES[operation]?.[code];
  const text = driverAbsent
    ? `the dattobd driver is not loaded (nothing answers at ${operation === 'status' ? DATTO_INFO_FILE : DATTO_CTL_NODE}). Load it with: modprobe dattobd`
    : ((own ?? GENERAL[code])?.(subject) ??
      (reason === undefined
        ? `${syscall} failed for a reason that this program does not know, and the driver gives none. See the state of the device (/proc/datto-info), and the kernel log`
        : 'the driver has refused it'));
  const said = reason === undefined ? '' : ` The driver says: ${reason}.`;
  return {
    message: `cannot ${VERBS[operation](subject)}: ${text} (${code}).${said}`,
    driverAbsent,
  };
}
