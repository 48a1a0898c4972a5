import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CowHeader, cowLayout, EXTENSION_SIZE, encodeHeader } from '@dbd/cow-format';
import { Datto } from '@dbd/ioctl';
import { MemoryDriver } from '@dbd/ioctl/testing';

/** A device that does not end with a whole block: 600 blocks and 512 bytes. */
export const BYTES = 600 * 4096 + 512;

/** Files that stand for a snapshot device, the COW file before it, and an image. */
export class Scene {
  readonly directory: string;
  readonly driver = new MemoryDriver();
  readonly datto = new Datto(this.driver);
  readonly #snapshot: string;
  readonly cowFile: string;
  readonly imageFile: string;
  /** Bytes of the snapshot now, and of the image before the update. */
  readonly now = pattern(1);
  readonly before = pattern(2);

  private constructor(directory: string) {
    this.directory = directory;
    this.#snapshot = join(directory, 'snapshot');
    this.cowFile = join(directory, 'old.datto');
    this.imageFile = join(directory, 'image');
  }

  /** Minor 0, second snapshot of its series, nothing changed. */
  static async make(): Promise<Scene> {
    const scene = new Scene(await mkdtemp(join(tmpdir(), 'update-img-')));
    scene.driver.blockDevices.set('/dev/origin', { bytes: BYTES, mountPoint: '/mnt' });
    await scene.datto.setupSnapshot({ blockDevice: '/dev/origin', cowFile: '/mnt/1', minor: 0 });
    await scene.datto.transitionToIncremental(0);
    await scene.datto.transitionToSnapshot({ cowFile: '/mnt/2', minor: 0 });
    await writeFile(scene.#snapshot, scene.now);
    await writeFile(scene.imageFile, scene.before);
    await scene.writeCow([]);
    return scene;
  }

  readonly locate = async () => ({ minor: 0, open: () => open(this.#snapshot, 'r') });

  get request() {
    const { cowFile, imageFile } = this;
    return { snapshotDevice: '/dev/datto0', cowFile, imageFile };
  }

  /** The COW file with these blocks changed. */
  async writeCow(blocks: Iterable<number>, fields: Partial<CowHeader> = {}): Promise<void> {
    const layout = cowLayout(BYTES);
    const { uuid } = await this.datto.info(0);
    const file = Buffer.alloc(layout.dataOffset);
    file.set(
      encodeHeader({
        flags: { clean: true, indexOnly: true, driverPrivate: false, unknown: 0 },
        fpos: 9n,
        fsize: BigInt(layout.dataOffset),
        seqid: 1n,
        uuid,
        version: 1n,
        nrChangedBlocks: 0n,
        extension: new Uint8Array(EXTENSION_SIZE),
        ...fields,
      }),
    );
    for (const block of blocks) file.writeBigUInt64LE(1n, 4096 + block * 8);
    await writeFile(this.cowFile, file);
  }

  /** What the image must be once these blocks were copied. */
  expected(blocks: Iterable<number>): Buffer {
    const image = Buffer.from(this.before);
    for (const block of blocks) {
      this.now.copy(image, block * 4096, block * 4096, Math.min(BYTES, (block + 1) * 4096));
    }
    return image;
  }

  async shortenSnapshot(bytes: number): Promise<void> {
    await writeFile(this.#snapshot, this.now.subarray(0, bytes));
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true });
  }
}

/** Bytes that differ from block to block and from seed to seed. */
function pattern(seed: number): Buffer {
  const bytes = Buffer.alloc(BYTES);
  for (let i = 0; i + 4 <= BYTES; i += 4) bytes.writeUInt32LE((i * 2654435761 + seed) >>> 0, i);
  return bytes;
}

export function range(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}
