import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CowHeader, cowLayout, EXTENSION_SIZE, encodeHeader } from '@dbd/cow-format';
import { Datto } from '@dbd/ioctl';
import { MemoryDriver } from '@dbd/ioctl/testing';
import { type UpdateRequest, type UpdateTools, updateImage } from '../src/update.js';

/** A device that does not end with a whole block: 600 blocks and 512 bytes. */
export const BYTES = 600 * 4096 + 512;

/** Files that stand for a snapshot device, the COW files before it, and an image. */
export class Scene {
  readonly directory: string;
  readonly driver = new MemoryDriver();
  readonly datto = new Datto(this.driver);
  readonly snapshotFile: string;
  /** The COW file of the snapshot before. */
  readonly cowFile: string;
  readonly imageFile: string;
  readonly bytes: number;
  /** Bytes of the snapshot now, and of the image before the update. */
  readonly now: Buffer;
  readonly before: Buffer;
  /** Seqid of the snapshot. */
  readonly seqid: number;

  private constructor(directory: string, bytes: number, seqid: number) {
    this.directory = directory;
    this.snapshotFile = join(directory, 'snapshot');
    this.imageFile = join(directory, 'image');
    this.bytes = bytes;
    this.seqid = seqid;
    this.cowFile = this.cow(seqid - 1);
    this.now = pattern(1, bytes);
    this.before = pattern(2, bytes);
  }

  /** Minor 0 in its `seqid`th snapshot; nothing changed since the one before. */
  static async make(bytes = BYTES, seqid = 2, parent = tmpdir()): Promise<Scene> {
    const scene = new Scene(await mkdtemp(join(parent, 'update-img-')), bytes, seqid);
    scene.driver.blockDevices.set('/dev/origin', { bytes, mountPoint: '/mnt' });
    await scene.datto.setupSnapshot({ blockDevice: '/dev/origin', cowFile: '/mnt/1', minor: 0 });
    for (let i = 2; i <= seqid; i++) await scene.nextSnapshot();
    await writeFile(scene.snapshotFile, scene.now);
    await writeFile(scene.imageFile, scene.before);
    await scene.writeCow([]);
    return scene;
  }

  async nextSnapshot(): Promise<void> {
    await this.datto.transitionToIncremental(0);
    await this.datto.transitionToSnapshot({ cowFile: '/mnt/new', minor: 0 });
  }

  readonly locate = async () => ({ minor: 0, open: () => open(this.snapshotFile, 'r') });

  /** Path of the COW file that snapshot `seqid` left. */
  cow(seqid: number): string {
    return join(this.directory, `${seqid}.datto`);
  }

  get journal(): string {
    return `${this.imageFile}.journal`;
  }

  get request(): UpdateRequest {
    const { cowFile, imageFile } = this;
    return { snapshotDevice: '/dev/datto0', cowFiles: [cowFile], imageFile };
  }

  update(request: Partial<UpdateRequest> = {}, tools: Partial<UpdateTools> = {}) {
    return updateImage(
      { ...this.request, ...request },
      { datto: this.datto, locate: this.locate, ...tools },
    );
  }

  /** A COW file with these blocks changed; of the snapshot before, when `seqid` does not say otherwise. */
  async writeCow(
    blocks: Iterable<number>,
    fields: Partial<CowHeader> = {},
    path = this.cowFile,
  ): Promise<void> {
    const changed = [...blocks];
    const layout = cowLayout(this.bytes);
    const { uuid } = await this.datto.info(0);
    const file = Buffer.alloc(layout.dataOffset);
    file.set(
      encodeHeader({
        flags: { clean: true, indexOnly: true, driverPrivate: false, unknown: 0 },
        fpos: 9n,
        fsize: BigInt(layout.dataOffset),
        seqid: BigInt(this.seqid - 1),
        uuid,
        version: 1n,
        nrChangedBlocks: BigInt(changed.length),
        extension: new Uint8Array(EXTENSION_SIZE),
        ...fields,
      }),
    );
    for (const block of changed) file.writeBigUInt64LE(1n, 4096 + block * 8);
    await writeFile(path, file);
  }

  /** What the image must be once these blocks were copied. */
  expected(blocks: Iterable<number>): Buffer {
    const image = Buffer.from(this.before);
    for (const block of blocks) {
      this.now.copy(image, block * 4096, block * 4096, Math.min(this.bytes, (block + 1) * 4096));
    }
    return image;
  }

  image(): Promise<Buffer> {
    return readFile(this.imageFile);
  }

  async shortenSnapshot(bytes: number): Promise<void> {
    await writeFile(this.snapshotFile, this.now.subarray(0, bytes));
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true });
  }
}

/** Bytes that differ from block to block and from seed to seed. */
export function pattern(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) {
    bytes.writeUInt32LE((Math.imul(i, 0x9e3779b1) + seed) >>> 0, i);
  }
  return bytes;
}

export function range(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}

/** The error of a call that must fail. */
export async function failureOf(call: Promise<unknown>): Promise<Error & { code?: string }> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error('the call succeeded');
  return error;
}

/**
 * The device that the scenes are on; it stands for the origin where an image must not be on that.
 * Undefined where they are in memory.
 */
export const SCENE_DEVICE = (() => {
  const { dev } = statSync(tmpdir());
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((text) => text.split(' '))
    .find(([, , numbers]) => numbers === `${dev >> 8}:${dev & 255}`);
  const device = line?.[line.indexOf('-') + 2];
  return device?.startsWith('/dev/') && existsSync(device) ? device : undefined;
})();
