import { readFile } from 'node:fs/promises';
import { offset, path, u32, u64 } from './arguments.js';
import type { DattoBinding } from './binding.js';
import { loadBinding } from './binding.js';
import { ERRNO, errnoName } from './errno.js';
import { DattoIoctlError, type Subject, type SyscallFailure } from './error.js';
import { type DattoInfo, decodeInfo } from './info.js';
import type { Operation } from './operation.js';
import { type DattoStatus, parseStatus } from './status.js';
import { DATTO_INFO_FILE } from './uapi.js';

/** A size that the driver takes as u64. */
export type Size = number | bigint;

/** posix_fadvise(2)'s advice. */
export const FADVISE = {
  normal: 0,
  random: 1,
  sequential: 2,
  willNeed: 3,
  dontNeed: 4,
  noReuse: 5,
} as const;

/** What {@link Datto.setupSnapshot} takes, and {@link Datto.setupGroup} for each device. */
export interface SetupOptions {
  readonly blockDevice: string;
  /** Absolute path, on the device's file system; must not exist. */
  readonly cowFile: string;
  readonly minor: number;
  /** Memory for the index in bytes; 0 or left out: the module's default. */
  readonly cacheBytes?: Size | undefined;
  /** Size of the COW file in MiB; 0 or left out: the module's default. */
  readonly fallocateMib?: Size | undefined;
}

/** What {@link Datto.reloadSnapshot} and {@link Datto.reloadIncremental} take. */
export interface ReloadOptions {
  readonly blockDevice: string;
  /** Path relative to the root of the device's file system. */
  readonly cowFile: string;
  readonly minor: number;
  /** As in {@link SetupOptions}. */
  readonly cacheBytes?: Size | undefined;
}

/** What {@link Datto.transitionToSnapshot} takes. */
export interface TransitionToSnapshotOptions {
  /** Absolute path of the new COW file. */
  readonly cowFile: string;
  readonly minor: number;
  /** Its size in MiB; 0 or left out: what the device used last. */
  readonly fallocateMib?: Size | undefined;
}

/** What {@link Datto.reconfigure} takes. */
export interface ReconfigureOptions {
  readonly minor: number;
  /** Memory for the index in bytes; 0 or left out: the module's default. */
  readonly cacheBytes?: Size | undefined;
}

/** What {@link Datto.expandCowFile} takes. */
export interface ExpandOptions {
  readonly minor: number;
  /** By how much the COW file grows, in MiB. */
  readonly mib: Size;
}

/** What {@link Datto.reconfigureAutoExpand} takes. */
export interface AutoExpandOptions {
  readonly minor: number;
  /** Growth of one step in MiB; 0: no growth. */
  readonly stepMib: Size;
  /** MiB that must stay free on the file system. */
  readonly reservedMib?: Size | undefined;
}

/** A device's first failure. */
export interface DeviceFailure {
  /** Positive errno value. */
  readonly errno: number;
  /** Its name, such as `EFBIG`. */
  readonly code: string;
  /** The block of the device it happened at; 0 where that says nothing. */
  readonly block: bigint;
  /** What the driver says of it; empty when it says nothing. */
  readonly reason: string;
}

/**
 * The driver's commands, and the few system calls that Node lacks. Each method runs off the event
 * loop and rejects with a DattoIoctlError, or with a DattoArgumentError when a number or path does
 * not fit its field.
 */
export class Datto {
  readonly #binding: DattoBinding;

  /** @param binding what makes the calls; the addon when left out, a MemoryDriver in tests */
  constructor(binding: DattoBinding = loadBinding()) {
    this.#binding = binding;
  }

  /** Takes the first snapshot of a mounted device; /dev/datto<minor> is there on return. */
  async setupSnapshot(options: SetupOptions): Promise<void> {
    const { blockDevice, cowFile, minor } = options;
    const args = [
      path('block device', blockDevice),
      path('COW file', cowFile),
      u64('COW file size in MiB', options.fallocateMib),
      u64('cache size in bytes', options.cacheBytes),
      u32('minor', minor),
    ] as const;
    await call('setupSnapshot', { minor, blockDevice, cowFile }, () =>
      this.#binding.setupSnap(...args),
    );
  }

  /**
   * Takes the first snapshots of several mounted devices at one instant: all, or none of them. They
   * are frozen in the order given; one that stands on a file of another comes before that.
   */
  async setupGroup(members: readonly SetupOptions[]): Promise<void> {
    const raw = members.map(({ blockDevice, cowFile, fallocateMib, cacheBytes, minor }) => ({
      bdev: path('block device', blockDevice),
      cow: path('COW file', cowFile),
      mib: u64('COW file size in MiB', fallocateMib),
      cache: u64('cache size in bytes', cacheBytes),
      minor: u32('minor', minor),
    }));
    const refused = ({ member }: SyscallFailure): Subject => {
      const found = member === undefined ? undefined : members[member];
      if (found === undefined) return {};
      const { blockDevice, cowFile, minor } = found;
      return { minor, blockDevice, cowFile };
    };
    await call('setupGroup', refused, () => this.#binding.setupGroup(raw));
  }

  /** Takes up a snapshot after a reboot, before the device is mounted. */
  async reloadSnapshot(options: ReloadOptions): Promise<void> {
    const args = reloadArguments(options);
    await call('reloadSnapshot', reloadSubject(options), () => this.#binding.reloadSnap(...args));
  }

  /** Takes up incremental tracking after a reboot, before the device is mounted. */
  async reloadIncremental(options: ReloadOptions): Promise<void> {
    const args = reloadArguments(options);
    await call('reloadIncremental', reloadSubject(options), () => this.#binding.reloadInc(...args));
  }

  /** Ends the tracking of a device and removes its COW file. */
  async destroy(minor: number): Promise<void> {
    u32('minor', minor);
    await call('destroy', { minor }, () => this.#binding.destroy(minor));
  }

  /** Ends the snapshot and goes on tracking changes; /dev/datto<minor> is gone on return. */
  async transitionToIncremental(minor: number): Promise<void> {
    u32('minor', minor);
    await call('transitionToIncremental', { minor }, () => this.#binding.transitionInc(minor));
  }

  /** Takes the next snapshot; the old COW file is left with the map of what changed. */
  async transitionToSnapshot(options: TransitionToSnapshotOptions): Promise<void> {
    const { cowFile, minor } = options;
    const args = [
      path('COW file', cowFile),
      u64('COW file size in MiB', options.fallocateMib),
      u32('minor', minor),
    ] as const;
    await call('transitionToSnapshot', { minor, cowFile }, () =>
      this.#binding.transitionSnap(...args),
    );
  }

  /** Changes the memory of a device's index. */
  async reconfigure(options: ReconfigureOptions): Promise<void> {
    const { minor } = options;
    const args = [u64('cache size in bytes', options.cacheBytes), u32('minor', minor)] as const;
    await call('reconfigure', { minor }, () => this.#binding.reconfigure(...args));
  }

  /** State of one device. */
  async info(minor: number): Promise<DattoInfo> {
    u32('minor', minor);
    return decodeInfo(await call('info', { minor }, () => this.#binding.info(minor)));
  }

  /**
   * All devices, as the status file tells; needs no privilege.
   * @throws DattoStatusError when another driver's file is there
   */
  async status(): Promise<DattoStatus> {
    const read = () => this.#binding.readStatus?.() ?? readStatusFile();
    return parseStatus(await call('status', {}, read));
  }

  /** The lowest free minor. */
  async getFreeMinor(): Promise<number> {
    return call('getFreeMinor', {}, () => this.#binding.getFree());
  }

  /** Makes the COW file of a snapshot larger. */
  async expandCowFile(options: ExpandOptions): Promise<void> {
    const { minor } = options;
    const args = [u64('growth in MiB', options.mib), u32('minor', minor)] as const;
    await call('expandCowFile', { minor }, () => this.#binding.expandCowFile(...args));
  }

  /** Lets the COW file of a snapshot grow by itself. */
  async reconfigureAutoExpand(options: AutoExpandOptions): Promise<void> {
    const { minor } = options;
    const args = [
      u64('step in MiB', options.stepMib),
      u64('reserved space in MiB', options.reservedMib),
      u32('minor', minor),
    ] as const;
    await call('reconfigureAutoExpand', { minor }, () =>
      this.#binding.reconfigureAutoExpand(...args),
    );
  }

  /**
   * Turns a failed snapshot into incremental tracking that holds every change since it was taken,
   * so that no full copy is needed; /dev/datto<minor> is gone on return.
   */
  async forceTransitionToIncremental(minor: number): Promise<void> {
    u32('minor', minor);
    await call('forceTransitionToIncremental', { minor }, () =>
      this.#binding.forceTransitionInc(minor),
    );
  }

  /** Why a device failed; null when it has not. */
  async failure(minor: number): Promise<DeviceFailure | null> {
    u32('minor', minor);
    const { error, block, reason } = await call('failure', { minor }, () =>
      this.#binding.failure(minor),
    );
    return error === 0 ? null : { errno: -error, code: errnoName(-error), block, reason };
  }

  /** Size of a block device in bytes. */
  async deviceSize(blockDevice: string): Promise<bigint> {
    path('block device', blockDevice);
    return call('deviceSize', { blockDevice }, () => this.#binding.deviceSize(blockDevice));
  }

  /** Logical block size of a block device in bytes: the alignment that O_DIRECT needs. */
  async logicalBlockSize(blockDevice: string): Promise<number> {
    path('block device', blockDevice);
    return call('logicalBlockSize', { blockDevice }, () =>
      this.#binding.logicalBlockSize(blockDevice),
    );
  }

  /** The first byte of data at or after `from`, null when there is none. Moves the position. */
  async seekData(fd: number, from: number): Promise<number | null> {
    const start = offset('offset', from);
    return seek('seekData', fd, () => this.#binding.seekData(fd, start));
  }

  /** The first byte of a hole at or after `from` (the end counts), null past the end. */
  async seekHole(fd: number, from: number): Promise<number | null> {
    const start = offset('offset', from);
    return seek('seekHole', fd, () => this.#binding.seekHole(fd, start));
  }

  /** Tells the kernel how a part of a file will be used; length 0 is to its end. */
  async fadvise(
    fd: number,
    from: number,
    length: number,
    advice: keyof typeof FADVISE,
  ): Promise<void> {
    const args = [fd, offset('offset', from), offset('length', length), FADVISE[advice]] as const;
    await call('fadvise', { fd }, () => this.#binding.fadvise(...args));
  }
}

async function readStatusFile(): Promise<string> {
  try {
    return await readFile(DATTO_INFO_FILE, 'utf8');
  } catch (error) {
    // Node gives a negative errno.
    const { errno = 0, syscall = 'open' } = error as NodeJS.ErrnoException;
    throw Object.assign(new Error('', { cause: error }), { errno: -errno, syscall });
  }
}

function reloadArguments(options: ReloadOptions): [string, string, bigint, number] {
  return [
    path('block device', options.blockDevice),
    path('COW file', options.cowFile),
    u64('cache size in bytes', options.cacheBytes),
    u32('minor', options.minor),
  ];
}

function reloadSubject({ minor, blockDevice, cowFile }: ReloadOptions): Subject {
  return { minor, blockDevice, cowFile };
}

async function seek(
  operation: Operation,
  fd: number,
  run: () => Promise<bigint>,
): Promise<number | null> {
  try {
    return Number(await call(operation, { fd }, run));
  } catch (error) {
    if (error instanceof DattoIoctlError && error.errno === ERRNO.ENXIO) return null;
    throw error;
  }
}

async function call<T>(
  operation: Operation,
  subject: Subject | ((failure: SyscallFailure) => Subject),
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!isSyscallFailure(cause)) throw cause;
    const about = typeof subject === 'function' ? subject(cause) : subject;
    throw new DattoIoctlError(operation, about, cause, cause);
  }
}

function isSyscallFailure(error: unknown): error is SyscallFailure {
  return (
    typeof error === 'object' &&
    error !== null &&
    typeof (error as SyscallFailure).errno === 'number' &&
    typeof (error as SyscallFailure).syscall === 'string'
  );
}
