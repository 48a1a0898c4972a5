import { randomBytes } from 'node:crypto';
import type { DattoBinding, RawFailure, RawInfo, RawMember } from './binding.js';
import { ERRNO, type ErrnoName } from './errno.js';
import { DATTO_STATE_ACTIVE, DATTO_STATE_SNAPSHOT, DATTO_STATE_UNVERIFIED } from './uapi.js';

/** A block device that the driver can see. */
export interface MemoryDevice {
  readonly bytes: number;
  /** Where it is mounted; left out: it is not. */
  readonly mountPoint?: string;
  readonly readOnly?: boolean;
  /** Free MiB on its file system; left out: enough. */
  readonly freeMib?: number;
  /** The device whose file it is on; left out: none. */
  readonly standsOn?: string;
}

interface Tracked {
  readonly bdev: string;
  cow: string;
  state: number;
  error: number;
  cacheSize: bigint;
  mib: bigint;
  seqid: bigint;
  readonly uuid: Uint8Array;
  nrChangedBlocks: bigint;
  autoExpand?: { readonly step: bigint; readonly reserved: bigint };
  cowFree?: bigint;
}

/**
 * Stands in for addon and driver in tests of commands: the same states and errors, no bytes. Its
 * public fields are the world around it and may be changed between calls.
 */
export class MemoryDriver implements DattoBinding {
  /** False: as if the module were not loaded. */
  loaded = true;
  /** False: as if the caller were not root. */
  privileged = true;
  maxDevices = 24;
  readonly blockDevices = new Map<string, MemoryDevice>();
  /** Paths that exist and are no block devices. */
  readonly otherFiles = new Set<string>();
  readonly directories = new Set<string>();
  /** COW files that exist. */
  readonly cowFiles = new Set<string>();
  /** Minors whose /dev/datto<minor> somebody holds open. */
  readonly heldOpen = new Set<number>();
  /** Calls that came in, with their arguments. */
  readonly calls: (readonly [name: string, ...args: unknown[]])[] = [];
  readonly #tracked = new Map<number, Tracked>();
  readonly #planned = new Map<string, ErrnoName>();

  /** Makes the next call of this name fail. */
  failNext(name: keyof DattoBinding, errno: ErrnoName): void {
    this.#planned.set(name, errno);
  }

  /** As if so many blocks of the origin had been written in all. */
  change(minor: number, blocks: bigint): void {
    this.#device(minor).nrChangedBlocks = blocks;
  }

  /** As if the driver told how many bytes of a COW file are left, as older ones do not. */
  leave(minor: number, bytes: bigint): void {
    this.#device(minor).cowFree = bytes;
  }

  /** As if the COW file of a snapshot had run full. */
  overflow(minor: number): void {
    this.#device(minor).error = -ERRNO.EFBIG;
  }

  async setupSnap(bdev: string, cow: string, mib: bigint, cache: bigint, minor: number) {
    this.#enter('setupSnap', bdev, cow, mib, cache, minor);
    if (bdev === '' || cow === '') fail('EINVAL');
    this.#setup({ bdev, cow, mib, cache, minor });
  }

  async setupGroup(members: readonly RawMember[]) {
    this.#enter('setupGroup', members);
    if (members.length === 0 || members.length > this.maxDevices) fail('EINVAL');
    const tracked = new Map(this.#tracked);
    const cowFiles = new Set(this.cowFiles);
    for (const [member, one] of members.entries()) {
      try {
        if (one.bdev === '' || one.cow === '') fail('EINVAL');
        if (members.slice(0, member).some(({ minor }) => minor === one.minor)) fail('EINVAL');
        this.#setup(one);
        const { standsOn } = this.#blockDevice(one.bdev);
        if (members.slice(0, member).some(({ bdev }) => bdev === standsOn)) fail('ETIMEDOUT');
      } catch (error) {
        this.#tracked.clear();
        for (const [minor, device] of tracked) this.#tracked.set(minor, device);
        this.cowFiles.clear();
        for (const file of cowFiles) this.cowFiles.add(file);
        throw Object.assign(error as Error, { member });
      }
    }
  }

  async reloadSnap(bdev: string, cow: string, cache: bigint, minor: number) {
    this.#reload('reloadSnap', DATTO_STATE_SNAPSHOT, bdev, cow, cache, minor);
  }

  async reloadInc(bdev: string, cow: string, cache: bigint, minor: number) {
    this.#reload('reloadInc', 0, bdev, cow, cache, minor);
  }

  async destroy(minor: number) {
    this.#enter('destroy', minor);
    const device = this.#device(minor);
    this.#checkClosed(minor);
    if ((device.state & DATTO_STATE_UNVERIFIED) === 0) this.cowFiles.delete(device.cow);
    this.#tracked.delete(minor);
  }

  async transitionInc(minor: number) {
    this.#enter('transitionInc', minor);
    const device = this.#device(minor);
    this.#checkClosed(minor);
    this.#checkState(device, DATTO_STATE_SNAPSHOT | DATTO_STATE_ACTIVE);
    device.state = DATTO_STATE_ACTIVE;
  }

  async transitionSnap(cow: string, mib: bigint, minor: number) {
    this.#enter('transitionSnap', cow, mib, minor);
    if (cow === '') fail('EINVAL');
    const device = this.#device(minor);
    this.#checkState(device, DATTO_STATE_ACTIVE);
    device.mib = this.#createCow(this.#blockDevice(device.bdev), cow, mib || device.mib);
    device.cow = cow;
    device.state = DATTO_STATE_SNAPSHOT | DATTO_STATE_ACTIVE;
    device.seqid += 1n;
    device.cacheSize = 314572800n;
    device.nrChangedBlocks = 0n;
  }

  async reconfigure(cache: bigint, minor: number) {
    this.#enter('reconfigure', cache, minor);
    const device = this.#device(minor);
    this.#checkClosed(minor);
    device.cacheSize = cache || 314572800n;
  }

  async info(minor: number): Promise<RawInfo> {
    this.#enter('info', minor);
    const device = this.#device(minor);
    return {
      minor,
      state: BigInt(device.state),
      error: device.error,
      cacheSize: device.cacheSize,
      fallocSize: device.mib << 20n,
      seqid: device.seqid,
      uuid: device.uuid,
      cow: device.cow,
      bdev: device.bdev,
      version: 1n,
      nrChangedBlocks: device.nrChangedBlocks,
    };
  }

  async readStatus(): Promise<string> {
    if (!this.loaded) fail('ENOENT', 'open');
    const devices = [...this.#tracked].sort(([a], [b]) => a - b).map(statusEntry);
    return `{\n\t"version": "0.12.1",\n\t"devices": [\n${devices.join(',\n')}\n\t]\n}\n`;
  }

  async getFree(): Promise<number> {
    this.#enter('getFree');
    for (let minor = 0; minor < this.maxDevices; minor++) {
      if (!this.#tracked.has(minor)) return minor;
    }
    return fail('ENOENT');
  }

  async expandCowFile(mib: bigint, minor: number) {
    this.#enter('expandCowFile', mib, minor);
    const device = this.#device(minor);
    this.#checkState(device, DATTO_STATE_SNAPSHOT | DATTO_STATE_ACTIVE);
    device.mib += mib;
  }

  async reconfigureAutoExpand(stepMib: bigint, reservedMib: bigint, minor: number) {
    this.#enter('reconfigureAutoExpand', stepMib, reservedMib, minor);
    const device = this.#device(minor);
    this.#checkState(device, DATTO_STATE_SNAPSHOT | DATTO_STATE_ACTIVE);
    if (stepMib === 0n) delete device.autoExpand;
    else device.autoExpand = { step: stepMib, reserved: reservedMib };
  }

  async forceTransitionInc(minor: number) {
    this.#enter('forceTransitionInc', minor);
    const device = this.#device(minor);
    this.#checkClosed(minor);
    if ((device.state & ~DATTO_STATE_SNAPSHOT) !== DATTO_STATE_ACTIVE) fail('EINVAL');
    if (device.error === 0) fail('EINVAL', 'ioctl', 'the device has not failed');
    device.state = DATTO_STATE_ACTIVE;
    device.error = 0;
  }

  async failure(minor: number): Promise<RawFailure> {
    this.#enter('failure', minor);
    const { error } = this.#device(minor);
    return { error, block: 0n, reason: error === 0 ? '' : 'the COW file is full' };
  }

  async deviceSize(path: string): Promise<bigint> {
    this.calls.push(['deviceSize', path]);
    const tracked = this.#snapshotNode(path);
    if (tracked !== undefined) return BigInt(this.#blockDevice(tracked.bdev).bytes);
    if (!this.blockDevices.has(path)) {
      fail(this.otherFiles.has(path) ? 'ENOTTY' : 'ENOENT', 'ioctl');
    }
    return BigInt(this.#blockDevice(path).bytes);
  }

  async logicalBlockSize(path: string): Promise<number> {
    await this.deviceSize(path);
    return 512;
  }

  /** All of every file is data. */
  async seekData(_fd: number, offset: bigint): Promise<bigint> {
    return offset;
  }

  async seekHole(): Promise<bigint> {
    return fail('EINVAL', 'lseek');
  }

  async fadvise(): Promise<void> {}

  #enter(name: keyof DattoBinding, ...args: unknown[]): void {
    this.calls.push([name, ...args]);
    if (!this.loaded) fail('ENOENT', 'open');
    if (!this.privileged) fail('EPERM');
    const planned = this.#planned.get(name);
    this.#planned.delete(name);
    if (planned !== undefined) fail(planned);
  }

  #setup({ bdev, cow, mib, cache, minor }: RawMember): void {
    this.#checkFree(minor);
    const device = this.#blockDevice(bdev);
    if (device.mountPoint === undefined || device.readOnly) fail('EINVAL');
    if ([...this.#tracked.values()].some((other) => other.bdev === bdev)) fail('EINVAL');
    const size = this.#createCow(device, cow, mib);
    this.#tracked.set(minor, {
      bdev,
      cow,
      state: DATTO_STATE_SNAPSHOT | DATTO_STATE_ACTIVE,
      error: 0,
      cacheSize: cache || 314572800n,
      mib: size,
      seqid: 1n,
      uuid: Uint8Array.from(randomBytes(16)),
      nrChangedBlocks: 0n,
    });
  }

  #reload(
    name: 'reloadSnap' | 'reloadInc',
    mode: number,
    bdev: string,
    cow: string,
    cache: bigint,
    minor: number,
  ): void {
    this.#enter(name, bdev, cow, cache, minor);
    if (bdev === '' || cow === '') fail('EINVAL');
    this.#checkFree(minor);
    const device = this.#blockDevice(bdev);
    if (device.mountPoint !== undefined && !device.readOnly) fail('EINVAL');
    this.#tracked.set(minor, {
      bdev,
      cow,
      state: DATTO_STATE_UNVERIFIED | mode,
      error: 0,
      cacheSize: cache || 314572800n,
      mib: 0n,
      seqid: 0n,
      uuid: new Uint8Array(16),
      nrChangedBlocks: 0n,
    });
  }

  #checkFree(minor: number): void {
    if (minor >= this.maxDevices) fail('EINVAL');
    if (this.#tracked.has(minor)) fail('EBUSY');
  }

  #device(minor: number): Tracked {
    if (minor >= this.maxDevices) fail('EINVAL');
    return this.#tracked.get(minor) ?? fail('ENOENT');
  }

  #checkClosed(minor: number): void {
    if (this.heldOpen.has(minor)) fail('EBUSY');
  }

  #checkState(device: Tracked, state: number): void {
    if (device.state !== state || device.error !== 0) fail('EINVAL');
  }

  #blockDevice(path: string): MemoryDevice {
    const known = this.otherFiles.has(path) || this.directories.has(path);
    return this.blockDevices.get(path) ?? fail(known ? 'ENOTBLK' : 'ENOENT');
  }

  #snapshotNode(path: string): Tracked | undefined {
    const minor = /^\/dev\/datto(\d+)$/.exec(path)?.[1];
    const tracked = minor === undefined ? undefined : this.#tracked.get(Number(minor));
    return tracked !== undefined && (tracked.state & DATTO_STATE_SNAPSHOT) !== 0
      ? tracked
      : undefined;
  }

  #createCow(device: MemoryDevice, cow: string, mib: bigint): bigint {
    if (this.directories.has(cow)) fail('EISDIR');
    if (!cow.startsWith(`${device.mountPoint}/`)) fail('EINVAL');
    const size = mib || BigInt(Math.ceil(device.bytes / 10 / 2 ** 20));
    if (device.freeMib !== undefined && size > BigInt(device.freeMib)) fail('ENOSPC');
    this.cowFiles.add(cow);
    return size;
  }
}

/** As the driver prints it. */
function statusEntry([minor, device]: readonly [number, Tracked]): string {
  const keys: [string, string | bigint | number][] = [
    ['minor', minor],
    ['cow_file', JSON.stringify(device.cow)],
    ['block_device', JSON.stringify(device.bdev)],
    ['max_cache', device.cacheSize],
  ];
  if ((device.state & DATTO_STATE_UNVERIFIED) === 0) {
    keys.push(
      ['fallocate', device.mib << 20n],
      ['cow_size_current', device.mib << 20n],
      ['seq_id', device.seqid],
      ['uuid', `"${Buffer.from(device.uuid).toString('hex')}"`],
      ['version', 1],
      ['nr_changed_blocks', device.nrChangedBlocks],
    );
  }
  if (device.autoExpand !== undefined) {
    const { step, reserved } = device.autoExpand;
    keys.push(['auto_expand', `{ "step_size_mib": ${step}, "reserved_space_mib": ${reserved} }`]);
  }
  if (device.error !== 0) keys.push(['error', device.error]);
  keys.push(['state', device.state]);
  if (device.cowFree !== undefined && (device.state & DATTO_STATE_SNAPSHOT) !== 0) {
    keys.push(['cow_free', device.cowFree]);
  }
  return `\t\t{\n${keys.map(([key, value]) => `\t\t\t"${key}": ${value}`).join(',\n')}\n\t\t}`;
}

function fail(code: ErrnoName, syscall = 'ioctl', reason?: string): never {
  throw Object.assign(new Error(`${syscall}: ${code}`), { errno: ERRNO[code], syscall, reason });
}
