import { link, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { finish, updateImage } from '../src/update.js';
import { BYTES, range, Scene } from './support.js';

let scene: Scene;
beforeEach(async () => {
  scene = await Scene.make();
});
afterEach(() => scene.remove());

const update = () => updateImage(scene.request, { datto: scene.datto, locate: scene.locate });

/** The update fails so, and the image is as it was. */
async function refused(code: string, message: RegExp, cause?: string) {
  const error = (await update().then(
    () => expect.unreachable('the update succeeded'),
    (reason: unknown) => reason,
  )) as Error;
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  if (cause !== undefined) expect(error.cause).toMatchObject({ code: cause });
}

async function refusedUntouched(code: string, message: RegExp, cause?: string) {
  await refused(code, message, cause);
  expect((await readFile(scene.imageFile)).equals(scene.before)).toBe(true);
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
    const copied = await update();
    const tail = blocks.includes(600) ? 4096 - 512 : 0;
    expect(copied).toEqual({ blocks: blocks.length, bytes: blocks.length * 4096 - tail, runs });
    expect((await readFile(scene.imageFile)).equals(scene.expected(blocks))).toBe(true);
  });

  it('takes a map that ends in a hole', async () => {
    await scene.writeCow([1]);
    await truncate(scene.cowFile, 4096 + 16);
    await truncate(scene.cowFile, 4096 + 601 * 8);
    expect(await update()).toMatchObject({ blocks: 1 });
  });

  it('reports progress and what the header leads to expect', async () => {
    await scene.writeCow(range(0, 600), { nrChangedBlocks: 600n });
    const seen: unknown[] = [];
    await updateImage(scene.request, {
      datto: scene.datto,
      locate: scene.locate,
      onProgress: (copied, expected) => seen.push([copied.bytes, expected]),
    });
    const MIB = 2 ** 20;
    expect(seen).toEqual([MIB, 2 * MIB, 600 * 4096].map((bytes) => [bytes, 600 * 4096]));
  });
});

describe('updateImage refuses a snapshot', () => {
  it('that has failed', async () => {
    scene.driver.overflow(0);
    await refusedUntouched('ERR_UPDATE_SNAPSHOT', /failed with EFBIG \(-27\).*full copy/);
  });

  it('that is not in snapshot mode', async () => {
    await scene.datto.transitionToIncremental(0);
    await refusedUntouched('ERR_UPDATE_SNAPSHOT', /active incremental.*must be an active snapshot/);
  });

  it('that failed while it was copied', async () => {
    await scene.writeCow([1]);
    const call = updateImage(scene.request, {
      datto: scene.datto,
      locate: scene.locate,
      onProgress: () => scene.driver.overflow(0),
    });
    await expect(call).rejects.toThrowError(/failed with EFBIG/);
  });

  it('that the driver does not know', async () => {
    await scene.datto.destroy(0);
    await refusedUntouched('ENOENT', /no device with minor 0/);
  });

  it('path that is no snapshot device', async () => {
    for (const snapshotDevice of ['/dev/null', '/dev/no-such', scene.cowFile]) {
      const call = updateImage({ ...scene.request, snapshotDevice }, { datto: scene.datto });
      await expect(call).rejects.toThrowError(
        expect.objectContaining({
          code: 'ERR_UPDATE_SNAPSHOT',
          message: expect.stringContaining(snapshotDevice),
        }),
      );
    }
  });
});

describe('updateImage refuses a COW file', () => {
  it('of another series', async () => {
    await scene.writeCow([1], { uuid: new Uint8Array(16) });
    await refusedUntouched('ERR_UPDATE_COW', /old\.datto: .*uuid at byte 32/, 'ERR_COW_SERIES');
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

  it('that is foreign, missing or a directory', async () => {
    await writeFile(scene.cowFile, Buffer.alloc(40000, 'x'));
    await refusedUntouched('ERR_UPDATE_COW', /magic/, 'ERR_COW_MAGIC');
    await rm(scene.cowFile);
    await refusedUntouched('ERR_UPDATE_COW', /ENOENT/);
    await mkdir(scene.cowFile);
    await refusedUntouched('ERR_UPDATE_COW', /not a regular file/);
  });
});

describe('updateImage refuses an image', () => {
  it('that is missing, and makes none', async () => {
    await rm(scene.imageFile);
    const dd = /does not exist.*dd if=\/dev\/datto0 of=.*image bs=1M conv=fsync/;
    await refused('ERR_UPDATE_IMAGE', dd);
    await expect(readFile(scene.imageFile)).rejects.toThrowError(/ENOENT/);
  });

  it.each([0, BYTES - 1, BYTES + 1])('of %d bytes', async (bytes) => {
    await truncate(scene.imageFile, bytes);
    await refused('ERR_UPDATE_IMAGE', new RegExp(`has ${bytes} bytes, the snapshot ${BYTES}`));
  });

  it('that is the COW file, by another name', async () => {
    await rm(scene.imageFile);
    await link(scene.cowFile, scene.imageFile);
    await refused('ERR_UPDATE_IMAGE', /it is the COW file/);
  });

  it('that is neither file nor block device', async () => {
    const call = updateImage(
      { ...scene.request, imageFile: '/dev/null' },
      { datto: scene.datto, locate: scene.locate },
    );
    await expect(call).rejects.toThrowError(/neither a regular file nor a block device/);
  });
});

describe('updateImage fails', () => {
  it('when the snapshot ends early, with the offset', async () => {
    await scene.writeCow([0, 1, 300]);
    await scene.shortenSnapshot(300 * 4096 + 100);
    const error: unknown = await update().catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'ERR_UPDATE_READ',
      offset: 300 * 4096 + 100,
      message: 'cannot read /dev/datto0 at byte 1228900 (block 300): it ended 3996 bytes early.',
    });
  });
});

describe('finish', () => {
  it('syncs, then closes', async () => {
    const calls: string[] = [];
    const sync = async () => void calls.push('sync');
    const close = async () => void calls.push('close');
    await finish({ sync, close }, 'image');
    expect(calls).toEqual(['sync', 'close']);
  });

  it.each(['sync', 'close'])('fails when %s fails', async (which) => {
    const cause = new Error('EIO: i/o error');
    const call = async (name: string) => {
      if (name === which) throw cause;
    };
    await expect(
      finish({ sync: () => call('sync'), close: () => call('close') }, 'image'),
    ).rejects.toThrowError(
      expect.objectContaining({
        code: 'ERR_UPDATE_SYNC',
        message: 'cannot bring the image image to the disk: EIO: i/o error.',
        cause,
      }),
    );
  });
});
