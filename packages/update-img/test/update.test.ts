import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { link, mkdir, open, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyBinding } from '../src/binding.js';
import { UpdateError } from '../src/error.js';
import { readJournal } from '../src/journal.js';
import type { UpdateRequest } from '../src/update.js';
import { BYTES, failureOf, range, SCENE_DEVICE, Scene } from './support.js';

let scene: Scene;
beforeEach(async () => {
  scene = await Scene.make();
});
afterEach(() => scene.remove());

const update = (request: Partial<UpdateRequest> = {}) => scene.update(request);

/** The update fails so. */
async function refused(
  code: string,
  message: RegExp,
  cause?: string,
  request: Partial<UpdateRequest> = {},
) {
  const error = await failureOf(update(request));
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  if (cause !== undefined) expect(error.cause).toMatchObject({ code: cause });
  return error;
}

/** It fails before anything is written: the image is as it was, and has no journal. */
async function refusedUntouched(...args: Parameters<typeof refused>) {
  const error = await refused(...args);
  expect((await readFile(scene.imageFile)).equals(scene.before)).toBe(true);
  expect(existsSync(scene.journal)).toBe(false);
  if (error instanceof UpdateError) expect(error.partial).toBe(false);
}

describe('updateImage', () => {
  it.each([
    ['nothing', [], 0],
    ['one block', [5], 1],
    ['the first and the last, which is partial', [0, 600], 2],
    ['runs of more than one piece', [...range(10, 300), ...range(320, 256), 599, 600], 3],
    ['every second block', range(0, 300).map((i) => i * 2), 300],
    ['all', range(0, 601), 1],
  ])('copies %s, and nothing else', async (_, blocks, runs) => {
    await scene.writeCow(blocks);
    const { copied } = await update();
    const tail = blocks.includes(600) ? 4096 - 512 : 0;
    const bytes = blocks.length * 4096 - tail;
    expect(copied).toMatchObject({ blocks: blocks.length, bytes, runs });
    expect((await readFile(scene.imageFile)).equals(scene.expected(blocks))).toBe(true);
  });

  it('takes a map that ends in a hole', async () => {
    await scene.writeCow([1]);
    await truncate(scene.cowFile, 4096 + 16);
    await truncate(scene.cowFile, 4096 + 601 * 8);
    expect(await update()).toMatchObject({ copied: { blocks: 1 } });
  });

  it('reports what it begins with, progress, and what the header leads to expect', async () => {
    await scene.writeCow(range(0, 600), { nrChangedBlocks: 600n });
    const seen: unknown[] = [];
    const report = await scene.update(
      {},
      {
        onStart: (start) => seen.push(start),
        onProgress: ({ phase, bytes, expected }) => seen.push([phase, bytes, expected]),
      },
    );
    const { uuid } = await scene.datto.info(0);
    const start = {
      from: 1n,
      to: 2n,
      uuid: Buffer.from(uuid).toString('hex'),
      deviceBytes: BYTES,
      resumedAt: 0,
    };
    expect(seen[0]).toEqual(start);
    expect(seen.slice(-2)).toEqual([
      ['copy', 600 * 4096, 600 * 4096],
      ['sync', 600 * 4096, 600 * 4096],
    ]);
    expect(report).toMatchObject({
      ...start,
      verified: false,
      dryRun: false,
      manifest: `${scene.imageFile}.manifest`,
    });
  });

  it('leaves the manifest alone beside the image', async () => {
    await update();
    expect(readdirSync(scene.directory).sort()).toEqual([
      '1.datto',
      'image',
      'image.manifest',
      'snapshot',
    ]);
  });

  it('follows a link to the image, and marks what it leads to', async () => {
    await scene.writeCow([3]);
    const name = join(scene.directory, 'link');
    await symlink('image', name);
    await scene.update(
      { imageFile: name },
      { onProgress: () => expect(existsSync(scene.journal)).toBe(true) },
    );
    expect((await scene.image()).equals(scene.expected([3]))).toBe(true);
    await mkdir(join(scene.directory, 'sub'));
    await symlink('../sub/none', join(scene.directory, 'dangling'));
    const dangling = join(scene.directory, 'dangling');
    await expect(update({ imageFile: dangling })).rejects.toThrowError(/does not exist/);
  });
});

describe('several COW files', () => {
  beforeEach(async () => {
    await scene.remove();
    scene = await Scene.make(BYTES, 5);
    for (const [seqid, blocks] of [
      [1, [600]],
      [2, [1, 2, 3]],
      [3, [3, 4, 300]],
      [4, [9]],
    ] as const) {
      await scene.writeCow(blocks, { seqid: BigInt(seqid) }, scene.cow(seqid));
    }
  });
  const files = (...seqids: number[]) => ({ cowFiles: seqids.map((seqid) => scene.cow(seqid)) });

  it('are merged, in whatever order they come', async () => {
    const report = await update(files(3, 4, 2));
    expect(report).toMatchObject({ from: 2n, to: 5n, copied: { blocks: 6, runs: 3 } });
    expect((await scene.image()).equals(scene.expected([1, 2, 3, 4, 9, 300]))).toBe(true);
  });

  it('are refused with a gap', async () => {
    await refusedUntouched(
      'ERR_UPDATE_GAP',
      /between .*2\.datto \(seqid 2\) and .*4\.datto \(seqid 4\) there is a gap/,
      undefined,
      files(4, 2),
    );
    await refusedUntouched(
      'ERR_UPDATE_COW',
      /3\.datto.*seqid at byte 24/,
      'ERR_COW_SEQID',
      files(2, 3),
    );
  });

  it('are refused when two are of one snapshot', async () => {
    await refusedUntouched('ERR_UPDATE_GAP', /of the same snapshot/, undefined, files(4, 3, 3));
  });

  it('are refused when one is of another series', async () => {
    await scene.writeCow([1], { seqid: 3n, uuid: new Uint8Array(16) }, scene.cow(3));
    await refusedUntouched('ERR_UPDATE_COW', /3\.datto.*uuid/, 'ERR_COW_SERIES', files(2, 3, 4));
  });
});

describe('updateImage refuses a snapshot', () => {
  it('that has failed', async () => {
    scene.driver.overflow(0);
    await refusedUntouched(
      'ERR_UPDATE_SNAPSHOT',
      /failed with EFBIG \(-27\): the COW file is full\..*full copy/,
    );
  });

  it('that is not in snapshot mode', async () => {
    await scene.datto.transitionToIncremental(0);
    await refusedUntouched('ERR_UPDATE_SNAPSHOT', /active incremental.*must be an active snapshot/);
  });

  it('that failed while it was copied', async () => {
    await scene.writeCow([1]);
    const error = await failureOf(scene.update({}, { onProgress: () => scene.driver.overflow(0) }));
    expect(error).toMatchObject({
      message: expect.stringMatching(/failed with EFBIG/),
      partial: true,
    });
    expect(existsSync(scene.journal)).toBe(true);
  });

  it('that failed, and does not go on from there in the one that has its number next', async () => {
    await scene.writeCow(range(0, 600));
    const error = await failureOf(
      scene.update(
        { bytesPerSecond: 2 ** 20 },
        {
          checkpointMs: 50,
          onProgress: ({ phase, bytes }) => {
            if (phase === 'sync' && bytes > 0) scene.driver.overflow(0);
          },
        },
      ),
    );
    expect(error).toMatchObject({ code: 'ERR_UPDATE_SNAPSHOT', partial: true });
    expect(await readJournal(scene.journal)).toMatchObject({ position: 0 });
  });

  it('that cannot be asked at the end, and says that the image is half way', async () => {
    await scene.writeCow([1]);
    const { info } = scene.driver;
    const fail = async () => Promise.reject(Object.assign(new Error('EMFILE'), { code: 'EMFILE' }));
    const error = await failureOf(
      scene.update(
        {},
        {
          onProgress: () => {
            scene.driver.info = fail;
          },
        },
      ),
    );
    scene.driver.info = info;
    expect(error).toMatchObject({
      partial: true,
      message: expect.stringMatching(/EMFILE.*half way/),
    });
  });

  it('that the driver does not know', async () => {
    await scene.datto.destroy(0);
    await refusedUntouched('ENOENT', /no device with minor 0/);
  });

  it('path that is no snapshot device', async () => {
    for (const snapshotDevice of ['/dev/null', '/dev/no-such', scene.cowFile]) {
      const call = scene.update({ snapshotDevice }, { locate: undefined });
      await expect(call).rejects.toThrowError(
        expect.objectContaining({
          code: 'ERR_UPDATE_NO_SNAPSHOT',
          message: expect.stringContaining(snapshotDevice),
        }),
      );
    }
  });
});

describe('updateImage refuses a COW file', () => {
  it('of another series', async () => {
    await scene.writeCow([1], { uuid: new Uint8Array(16) });
    await refusedUntouched('ERR_UPDATE_COW', /1\.datto: .*uuid at byte 32/, 'ERR_COW_SERIES');
  });

  it.each([0n, 2n, 3n])('with seqid %s', async (seqid) => {
    await scene.writeCow([1], { seqid });
    await refusedUntouched('ERR_UPDATE_COW', /seqid at byte 24/, 'ERR_COW_SEQID');
  });

  it('that is not clean, or not incremental', async () => {
    const flags = { clean: true, indexOnly: true, driverPrivate: false, unknown: 0 };
    await scene.writeCow([1], { flags: { ...flags, clean: false } });
    await refusedUntouched('ERR_UPDATE_COW', /clean bit/, 'ERR_COW_NOT_CLEAN');
    await scene.writeCow([1], { flags: { ...flags, indexOnly: false } });
    await refusedUntouched('ERR_UPDATE_COW', /index-only bit/, 'ERR_COW_NOT_INCREMENTAL');
  });

  it.each([0, 4095, 4096, 4096 + 601 * 8 - 1])('of %d bytes', async (bytes) => {
    await scene.writeCow([1]);
    await truncate(scene.cowFile, bytes);
    await refusedUntouched('ERR_UPDATE_COW', /expected.*found/, 'ERR_COW_TRUNCATED');
  });

  it('whose index has lost what its header counts', async () => {
    await scene.writeCow([1, 2, 3, 4]);
    const file = await readFile(scene.cowFile);
    await writeFile(scene.cowFile, file.fill(0, 4096 + 3 * 8, 4096 + 4 * 8));
    await refusedUntouched('ERR_UPDATE_COW', /counts, found 3\./, 'ERR_COW_COUNT');
  });

  it('among more than can be merged', async () => {
    const cowFiles = Array.from({ length: 1025 }, (_, i) => scene.cow(i));
    await refusedUntouched('ERR_UPDATE_COW', /1025 COW files: 1024 at most/, undefined, {
      cowFiles,
    });
  });

  it('that is foreign, missing, a directory or a FIFO', async () => {
    await writeFile(scene.cowFile, Buffer.alloc(40000, 'x'));
    await refusedUntouched('ERR_UPDATE_COW', /magic/, 'ERR_COW_MAGIC');
    await rm(scene.cowFile);
    await refusedUntouched('ERR_UPDATE_COW', /ENOENT/);
    await mkdir(scene.cowFile);
    await refusedUntouched('ERR_UPDATE_COW', /not a regular file/);
    await rm(scene.cowFile, { recursive: true });
    execFileSync('mkfifo', [scene.cowFile]);
    await refusedUntouched('ERR_UPDATE_COW', /not a regular file/);
  });
});

describe('updateImage refuses an image', () => {
  it('that is missing, and makes none', async () => {
    await rm(scene.imageFile);
    const first = /does not exist.*update-img --full \/dev\/datto0 .*image\.$/;
    await refused('ERR_UPDATE_IMAGE', first);
    await expect(readFile(scene.imageFile)).rejects.toThrowError(/ENOENT/);
  });

  it.each([0, BYTES - 1, BYTES + 1])('of %d bytes', async (bytes) => {
    await truncate(scene.imageFile, bytes);
    await refused('ERR_UPDATE_IMAGE', new RegExp(`has ${bytes} bytes, the snapshot ${BYTES}`));
  });

  it('that is the COW file, by another name', async () => {
    await rm(scene.imageFile);
    await link(scene.cowFile, scene.imageFile);
    await refused('ERR_UPDATE_IMAGE', /it is a COW file/);
  });

  it('that is neither file nor block device', async () => {
    const fifo = join(scene.directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    for (const imageFile of ['/dev/null', fifo, scene.directory]) {
      await expect(update({ imageFile })).rejects.toThrowError(
        /neither a regular file nor a block/,
      );
    }
  });

  it.skipIf(SCENE_DEVICE === undefined)('that is on the device itself', async () => {
    const origin = String(SCENE_DEVICE);
    scene.driver.blockDevices.set(origin, { bytes: BYTES, mountPoint: '/mnt' });
    await scene.datto.destroy(0);
    await scene.datto.setupSnapshot({ blockDevice: origin, cowFile: '/mnt/1', minor: 0 });
    await scene.nextSnapshot();
    await scene.writeCow([1]);
    await refusedUntouched('ERR_UPDATE_IMAGE', /is on \/dev\/.*device that the snapshot is of/);
    const imageFile = join(scene.directory, 'new');
    await refused('ERR_UPDATE_IMAGE', /is on \/dev/, undefined, {
      full: true,
      cowFiles: [],
      imageFile,
    });
    expect(existsSync(imageFile)).toBe(false);
  });

  it('that another run has made meanwhile, between the look at it and the lock', async () => {
    await truncate(scene.imageFile, 0);
    const { lock } = copyBinding();
    copyBinding().lock = (fd) => {
      truncateSync(scene.imageFile, BYTES);
      return lock(fd);
    };
    try {
      await refused('ERR_UPDATE_BUSY', /another program writes it/, undefined, {
        full: true,
        cowFiles: [],
      });
    } finally {
      copyBinding().lock = lock;
    }
  });

  it('that another run works on', async () => {
    const other = await open(scene.imageFile, 'r+');
    expect(copyBinding().lock(other.fd)).toBe(0);
    await refusedUntouched('ERR_UPDATE_BUSY', /another program has locked it/);
    await other.close();
    await update();
  });
});

describe('--resize', () => {
  it('copies what a smaller image did not have', async () => {
    await scene.writeCow([1]);
    await truncate(scene.imageFile, 500 * 4096 + 7);
    expect(await update({ resize: true })).toMatchObject({ copied: { blocks: 102, runs: 2 } });
    expect((await scene.image()).equals(scene.expected([1, ...range(500, 101)]))).toBe(true);
  });

  it('cuts a larger one', async () => {
    await truncate(scene.imageFile, BYTES + 10_000);
    expect(await update({ resize: true })).toMatchObject({ copied: { blocks: 0 } });
    expect((await scene.image()).equals(scene.before)).toBe(true);
  });
});

describe('--full', () => {
  const full = { full: true, cowFiles: [] };

  it('makes an image, and leaves zeros out', async () => {
    await rm(scene.imageFile);
    scene.now.fill(0, 4096, 500 * 4096);
    await writeFile(scene.snapshotFile, scene.now);
    const report = await update({ ...full, verify: true });
    expect(report).toMatchObject({
      from: 0n,
      copied: { blocks: 601, bytes: BYTES, zeroBytes: 499 * 4096 },
      verified: true,
    });
    expect((await scene.image()).equals(scene.now)).toBe(true);
    expect(statSync(scene.imageFile).blocks * 512).toBeLessThan(120 * 4096);
    expect(existsSync(scene.journal)).toBe(false);
  });

  it('overwrites one, with holes where zeros are', async () => {
    scene.now.fill(0, 4096, 500 * 4096);
    await writeFile(scene.snapshotFile, scene.now);
    await update(full);
    expect((await scene.image()).equals(scene.now)).toBe(true);
    expect(statSync(scene.imageFile).blocks * 512).toBeLessThan(120 * 4096);
  });

  it('refuses one of another size, which may be no image at all', async () => {
    await truncate(scene.imageFile, 100);
    await refused('ERR_UPDATE_IMAGE', /has 100 bytes/, undefined, full);
    await update({ ...full, resize: true });
    expect((await scene.image()).equals(scene.now)).toBe(true);
  });

  it('fills an empty file', async () => {
    await truncate(scene.imageFile, 0);
    await update(full);
    expect((await scene.image()).equals(scene.now)).toBe(true);
  });
});

describe('--dry-run', () => {
  it('tells what would be copied, and changes nothing', async () => {
    await scene.writeCow([3, 4, 600]);
    const report = await update({ dryRun: true, verify: true, checksum: true });
    expect(report).toMatchObject({
      dryRun: true,
      copied: { blocks: 3, bytes: 8192 + 512, runs: 2 },
    });
    expect((await scene.image()).equals(scene.before)).toBe(true);
    expect(readdirSync(scene.directory).sort()).toEqual(['1.datto', 'image', 'snapshot']);
  });

  it('makes no image', async () => {
    await rm(scene.imageFile);
    const report = await update({ dryRun: true, full: true, cowFiles: [] });
    expect(report.copied.blocks).toBe(601);
    expect(existsSync(scene.imageFile)).toBe(false);
  });
});

describe('what goes wrong half way', () => {
  it('is listed, and the next run goes on from there', async () => {
    await scene.writeCow([0, 1, 300, 400]);
    await scene.shortenSnapshot(300 * 4096 + 100);
    const error = await refused(
      'ERR_UPDATE_COPY',
      /cannot read the snapshot at byte 1228800 \(block 300/,
    );
    expect(error).toMatchObject({
      partial: true,
      faults: [
        { kind: 'read', offset: 300 * 4096, length: 4096 },
        { kind: 'read', offset: 400 * 4096, length: 4096 },
      ],
    });
    expect((await scene.image()).equals(scene.expected([0, 1]))).toBe(true);
    expect(await readJournal(scene.journal)).toMatchObject({ position: 300, base: 1n, target: 2n });
    await writeFile(scene.snapshotFile, scene.now);
    const report = await update();
    expect(report).toMatchObject({ resumedAt: 300 * 4096, copied: { blocks: 2 } });
    expect((await scene.image()).equals(scene.expected([0, 1, 300, 400]))).toBe(true);
    expect(existsSync(scene.journal)).toBe(false);
  });

  it('is an interruption, and the next run goes on from there', async () => {
    await scene.writeCow(range(0, 600));
    const controller = new AbortController();
    const error = await failureOf(
      scene.update(
        { bytesPerSecond: 2 ** 20 },
        {
          signal: controller.signal,
          onProgress: ({ bytes }) => bytes > 0 && controller.abort(),
        },
      ),
    );
    expect(error).toMatchObject({ code: 'ERR_UPDATE_INTERRUPTED', partial: true });
    const { position } = (await readJournal(scene.journal)) as { position: number };
    expect(position).toBeGreaterThan(0);
    expect(position).toBeLessThan(600);
    expect((await scene.image()).equals(scene.expected(range(0, position)))).toBe(true);
    expect(await update()).toMatchObject({ resumedAt: position * 4096 });
    expect((await scene.image()).equals(scene.expected(range(0, 600)))).toBe(true);
  });

  it('notes in the journal now and then what is on the disk', async () => {
    await scene.writeCow(range(0, 600));
    const positions = new Set<number>();
    await scene.update(
      { bytesPerSecond: 2 * 2 ** 20 },
      {
        checkpointMs: 100,
        onProgress: async () => {
          const state = await readJournal(scene.journal).catch(() => undefined);
          if (state !== undefined) positions.add(state.position);
        },
      },
    );
    expect(positions.size).toBeGreaterThan(2);
  });

  it('is mended by a later snapshot, with all COW files since', async () => {
    await scene.writeCow([1, 500]);
    await scene.shortenSnapshot(300 * 4096);
    await failureOf(update());
    await scene.nextSnapshot();
    await writeFile(scene.snapshotFile, scene.now);
    await scene.writeCow([7], { seqid: 2n }, scene.cow(2));
    await refused(
      'ERR_UPDATE_HALFWAY',
      /between snapshots 1 and 2. Name the COW files from seqid 1/,
      undefined,
      {
        cowFiles: [scene.cow(2)],
      },
    );
    const report = await update({ cowFiles: [scene.cow(1), scene.cow(2)] });
    expect(report).toMatchObject({ resumedAt: 0, copied: { blocks: 3 } });
    expect((await scene.image()).equals(scene.expected([1, 7, 500]))).toBe(true);
  });

  it('is a full copy that only a full copy mends', async () => {
    await rm(scene.imageFile);
    await scene.shortenSnapshot(300 * 4096);
    const full = { full: true, cowFiles: [] };
    await refused('ERR_UPDATE_COPY', /block 300/, undefined, full);
    await refused('ERR_UPDATE_HALFWAY', /unfinished full copy/);
    await writeFile(scene.snapshotFile, scene.now);
    expect(await update(full)).toMatchObject({ resumedAt: 300 * 4096, copied: { blocks: 301 } });
    expect((await scene.image()).equals(scene.now)).toBe(true);
  });
});

describe('--verify', () => {
  it('finds what is not as it was written, and the next run copies it again', async () => {
    await scene.writeCow([3, 500]);
    // The snapshot changes between copying and comparing, which stands for an image that did.
    const other = Buffer.from(scene.now);
    other[500 * 4096] = (other[500 * 4096] as number) ^ 1;
    const error = await failureOf(
      scene.update(
        { verify: true },
        {
          onProgress: ({ phase }) => {
            if (phase === 'sync')
              execFileSync('dd', [`of=${scene.snapshotFile}`, 'conv=notrunc', 'status=none'], {
                input: other,
              });
          },
        },
      ),
    );
    expect(error).toMatchObject({
      code: 'ERR_UPDATE_VERIFY',
      partial: true,
      message: expect.stringMatching(/image and snapshot differ at byte 2048000 \(block 500/),
    });
    const report = await update({ verify: true });
    expect(report).toMatchObject({ resumedAt: 500 * 4096, verified: true, copied: { blocks: 1 } });
  });
});
