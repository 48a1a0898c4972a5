/** What an image is a copy of is known from the run before, and a run that would not make it whole refused. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, open, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { identityOf } from '../src/image-identity.js';
import type { UpdateRequest } from '../src/update.js';
import { failureOf, range, Scene } from './support.js';

const FULL = { full: true, cowFiles: [] };
let scene: Scene;
let notes: string[];
/** The image is a copy of snapshot 1; the snapshot is the second one, and block 5 has changed. */
beforeEach(async () => {
  notes = [];
  scene = await Scene.make(undefined, 1);
  await update(FULL);
  await scene.image().then((image) => image.copy(scene.before));
  await night([5]);
});
afterEach(() => scene.remove());

const manifest = () => `${scene.imageFile}.manifest`;
const update = (request: Partial<UpdateRequest> = {}) =>
  scene.update(request, { onNote: (text) => notes.push(text) });
const cows = (...seqids: number[]) => ({ cowFiles: seqids.map((seqid) => scene.cow(seqid)) });

/** Blocks change, then the next snapshot is taken. */
async function night(blocks: readonly number[]): Promise<void> {
  const { seqid } = await scene.datto.info(0);
  await scene.nextSnapshot();
  for (const block of blocks) scene.now.fill(Number(seqid), block * 4096, (block + 1) * 4096);
  await writeFile(scene.snapshotFile, scene.now);
  await scene.writeCow(blocks, { seqid }, scene.cow(Number(seqid)));
}

async function refusedUntouched(message: RegExp, request: Partial<UpdateRequest>) {
  const [image, record] = [await scene.image(), await readFile(manifest())];
  const error = await failureOf(update(request));
  expect(error).toMatchObject({
    code: 'ERR_UPDATE_GAP',
    message: expect.stringMatching(message),
    partial: false,
  });
  expect((await scene.image()).equals(image)).toBe(true);
  expect((await readFile(manifest())).equals(record)).toBe(true);
  expect(existsSync(scene.journal)).toBe(false);
}

async function whole(): Promise<void> {
  expect((await scene.image()).equals(scene.now)).toBe(true);
  const { seqid } = await scene.datto.info(0);
  expect(await readFile(manifest(), 'latin1')).toContain(`\nseqid ${seqid}\n`);
}

it('a night that was left out must not be left out of the COW files', async () => {
  await night([7]);
  const message =
    /it is of snapshot 1, and the COW files start at snapshot 2\. Name the COW file of seqid 1 too, or make a full copy/;
  await refusedUntouched(message, cows(2));
  await refusedUntouched(message, { ...cows(2), dryRun: true });
  await update(cows(1, 2));
  await whole();
});

it('several nights left out are named', async () => {
  await night([7]);
  await night([8]);
  await night([9]);
  await refusedUntouched(/Name the COW files of seqid 1 to 3 too/, cows(4));
  await update(cows(4, 3, 2, 1));
  await whole();
});

it('night after night, and the same night twice, is accepted', async () => {
  await update(cows(1));
  await update(cows(1));
  await night([7]);
  await update(cows(2));
  await night([8]);
  // More than needed.
  await update(cows(1, 2, 3));
  await whole();
  expect(notes).toEqual([]);
});

it('an image of a newer snapshot is refused', async () => {
  await night([7]);
  await update(cows(1, 2));
  // As if the machine had been set back to an earlier state.
  const { info } = scene.driver;
  scene.driver.info = async (minor) => ({ ...(await info.call(scene.driver, minor)), seqid: 2n });
  await refusedUntouched(/it is of snapshot 3, and this one is 2, an older one\./, cows(1));
});

it('an image of another series, or a device of another size, is refused', async () => {
  const text = await readFile(manifest(), 'latin1');
  await record(text.replace(/uuid .*/, `uuid ${'0'.repeat(32)}`));
  await refusedUntouched(/of another series of snapshots, 0{32}, and the COW files of/, cows(1));
  await record(text.replace(/bytes .*/, 'bytes 4096'));
  await refusedUntouched(/the device had 4096 bytes then, and has 2458112\./, cows(1));
  await update(FULL);
  await whole();
});

/** Puts another manifest in place, with its checksum. */
async function record(text: string): Promise<void> {
  const lines = text.slice(0, text.lastIndexOf('sha256 '));
  const sum = execFileSync('sha256sum', { input: lines }).toString().slice(0, 64);
  await writeFile(manifest(), `${lines}sha256 ${sum}\n`);
}

it('an image without a manifest is accepted, and gets one', async () => {
  await rm(manifest());
  await update(cows(1));
  await whole();
  await night([7]);
  await night([8]);
  await refusedUntouched(/it is of snapshot 2/, cows(3));
});

it('an image that was replaced is accepted with a remark, once', async () => {
  await night([7]);
  const other = join(scene.directory, 'other');
  await writeFile(other, scene.now);
  await rename(other, scene.imageFile);
  await update({ ...cows(2), dryRun: true });
  expect(notes).toHaveLength(1);
  await update(cows(2));
  expect(notes).toEqual([notes[0], notes[0]]);
  expect(notes[0]).toMatch(
    /replaced, or written .* snapshot 1: it is taken to be of snapshot 2, .*--full/,
  );
  await whole();
  await night([8]);
  await update(cows(3));
  expect(notes).toHaveLength(2);
});

it('an image and its manifest that were copied or renamed together belong together', async () => {
  await night([7]);
  const moved = join(scene.directory, 'moved');
  for (const suffix of ['', '.manifest']) {
    execFileSync('cp', ['-p', scene.imageFile + suffix, moved + suffix]);
  }
  const error = await failureOf(update({ ...cows(2), imageFile: moved }));
  expect(error.message).toMatch(/it is of snapshot 1/);
  await update({ ...cows(1, 2), imageFile: moved });
  expect((await readFile(moved)).equals(scene.now)).toBe(true);
});

it('a full copy makes the record new, whatever was there', async () => {
  await night([7]);
  await writeFile(manifest(), 'damaged');
  await expect(update(cows(2))).rejects.toThrowError(/manifest.*: it is damaged/);
  await update(FULL);
  await whole();
  await night([8]);
  await update(cows(3));
  await whole();
});

it('a run that did not finish counts by its journal, not by the record', async () => {
  await scene.writeCow([5, 9], { seqid: 1n }, scene.cow(1));
  await scene.shortenSnapshot(7 * 4096);
  expect(await failureOf(update(cows(1)))).toMatchObject({ code: 'ERR_UPDATE_COPY' });
  expect(existsSync(scene.journal)).toBe(true);
  await writeFile(scene.snapshotFile, scene.now);
  await night([7]);
  expect(await failureOf(update(cows(2)))).toMatchObject({ code: 'ERR_UPDATE_HALFWAY' });
  await update(cows(1, 2));
  await whole();
  expect(notes).toEqual([]);
});

/** Copies a part only. */
async function interrupted(request: Partial<UpdateRequest>): Promise<void> {
  const controller = new AbortController();
  const call = scene.update(
    { bytesPerSecond: 2 ** 20, ...request },
    { signal: controller.signal, onProgress: ({ bytes }) => bytes > 0 && controller.abort() },
  );
  expect(await failureOf(call)).toMatchObject({ code: 'ERR_UPDATE_INTERRUPTED' });
}

it.each([
  ['an update', () => cows(1)],
  ['a full copy', () => FULL],
])('%s that did not finish does not go on in an image that was put back', async (_, request) => {
  const back = await scene.image();
  await scene.writeCow(range(0, 600), { seqid: 1n }, scene.cow(1));
  await interrupted(request());
  await writeFile(scene.imageFile, back);
  expect(await update(request())).toMatchObject({ resumedAt: 0 });
  await whole();
  expect(notes).toEqual([
    expect.stringMatching(
      request() === FULL ? /from the beginning$/ : /since its journal was: .* snapshot 1, or/,
    ),
  ]);
});

it('a first copy that did not finish does not take what was put in its place for zeros', async () => {
  await rm(scene.imageFile);
  scene.now.fill(0, 4096, 500 * 4096);
  await writeFile(scene.snapshotFile, scene.now);
  await interrupted(FULL);
  await writeFile(scene.imageFile, scene.before);
  await update(FULL);
  await whole();
});

it('an image that is half way without its journal is refused', async () => {
  await scene.writeCow(range(0, 600), { seqid: 1n }, scene.cow(1));
  await interrupted(cows(1));
  await rm(scene.journal);
  const error = await failureOf(update(cows(1)));
  expect(error).toMatchObject({
    code: 'ERR_UPDATE_HALFWAY',
    message: expect.stringMatching(/its journal is gone/),
  });
  await update(FULL);
  await whole();
});

it('an image that was put back with its manifest is what that says, not what the journal says', async () => {
  const kept = ['', '.manifest'].map((suffix) => [
    scene.imageFile + suffix,
    join(scene.directory, `kept${suffix}`),
  ]) as [string, string][];
  for (const [path, copy] of kept) execFileSync('cp', ['-p', path, copy]);
  await update(cows(1));
  await night([...range(0, 600)]);
  await interrupted(cows(2));
  for (const [path, copy] of kept) execFileSync('cp', ['-p', copy, path]);
  const error = await failureOf(update(cows(2)));
  expect(error).toMatchObject({
    code: 'ERR_UPDATE_GAP',
    message: expect.stringMatching(/Name the COW file of seqid 1 too/),
  });
  await update(cows(1, 2));
  await whole();
  expect(notes).toEqual([]);
});

it('a manifest that cannot be written at the beginning keeps the image as it is', async () => {
  const before = await scene.image();
  await mkdir(`${manifest()}.new`);
  const error = await failureOf(update(cows(1)));
  expect(error).toMatchObject({
    code: 'ERR_UPDATE_MANIFEST',
    message: expect.stringMatching(/it cannot be written: .* Nothing was copied yet\./),
  });
  expect((await scene.image()).equals(before)).toBe(true);
  await rm(`${manifest()}.new`, { recursive: true });
  await update(cows(1));
  await whole();
});

it('two images of one name do not share what is kept of them', async () => {
  const kept = { stateDirectory: join(scene.directory, 'state') };
  const [a, b] = ['a', 'b'].map((name) => join(scene.directory, name, 'image')) as [string, string];
  for (const path of [a, b]) {
    await mkdir(dirname(path));
    await copyFile(scene.imageFile, path);
  }
  await scene.writeCow(range(0, 600), { seqid: 1n }, scene.cow(1));
  await interrupted({ ...cows(1), ...kept, imageFile: a });
  expect(await update({ ...cows(1), ...kept, imageFile: b })).toMatchObject({ resumedAt: 0 });
  expect((await readFile(b)).equals(scene.now)).toBe(true);
  await update({ ...cows(1), ...kept, imageFile: a });
  expect((await readFile(a)).equals(scene.now)).toBe(true);
});

it('a full copy that did not finish leaves no record', async () => {
  await scene.shortenSnapshot(4096);
  await failureOf(update(FULL));
  expect(existsSync(manifest())).toBe(false);
  await writeFile(scene.snapshotFile, scene.now);
  await update(FULL);
  await whole();
});

it('a block device is known by its beginning, a file by size and time', async () => {
  const copy = join(scene.directory, 'copy');
  await copyFile(scene.imageFile, copy);
  await utimes(copy, 1, 1);
  const [a, b] = [await open(scene.imageFile), await open(copy, 'r+')];
  try {
    const of = (handle: typeof a, kind: 'file' | 'block device') =>
      identityOf(handle, kind, scene.bytes);
    expect(await of(a, 'block device')).toBe(await of(b, 'block device'));
    expect(await of(a, 'file')).not.toBe(await of(b, 'file'));
    await b.write('x', 1000);
    expect(await of(a, 'block device')).not.toBe(await of(b, 'block device'));
    await b.truncate(100);
    expect(await identityOf(b, 'block device', 100)).toMatch(/^device [0-9a-f]{64}$/);
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
});
