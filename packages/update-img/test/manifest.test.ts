import { existsSync } from 'node:fs';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SEGMENT } from '../src/manifest-file.js';
import { failureOf, Scene } from './support.js';

let scene: Scene;
beforeEach(async () => {
  // Three segments, the last one of a block and a half.
  scene = await Scene.make(2 * SEGMENT + 6144);
});
afterEach(() => scene.remove());

const LAST = (2 * SEGMENT) / 4096;
const manifest = () => `${scene.imageFile}.manifest`;

/** As if the disk had lost a bit. */
async function flip(offset: number): Promise<void> {
  const handle = await open(scene.imageFile, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, offset);
  byte[0] = (byte[0] as number) ^ 1;
  await handle.write(byte, 0, 1, offset);
  await handle.close();
}

/** Two runs: the second one finds the manifest of the first. */
async function first(): Promise<void> {
  await scene.writeCow([5]);
  expect(await scene.update({ checksum: true })).toMatchObject({ manifest: manifest() });
  await scene.nextSnapshot();
}

const second = () => scene.update({ checksum: true, cowFiles: [scene.cow(2)] });

describe('--checksum', () => {
  it('writes a manifest, and finds the image sound', async () => {
    await first();
    await scene.writeCow([LAST], { seqid: 2n }, scene.cow(2));
    const before = await readFile(manifest(), 'utf8');
    await second();
    const after = await readFile(manifest(), 'utf8');
    const lines = (text: string) => text.split('\n');
    expect(lines(after).filter((line, i) => line !== lines(before)[i]).length).toBe(4);
    expect(after).toContain('\nseqid 3\n');
    expect((await scene.image()).equals(scene.expected([5, LAST]))).toBe(true);
  });

  it('finds what changed where nothing was copied, and does not forget it', async () => {
    await first();
    await scene.writeCow([LAST], { seqid: 2n }, scene.cow(2));
    await flip(SEGMENT + 100);
    const error = await failureOf(second());
    expect(error).toMatchObject({
      code: 'ERR_UPDATE_MANIFEST',
      partial: false,
      message: expect.stringMatching(/changed by something else .* from byte 16777216\./),
    });
    expect(existsSync(scene.journal)).toBe(false);
    expect(await readFile(manifest(), 'utf8')).toMatch(/\nseqid 3\n(.+\n){4}!\n[^!]+$/);
    // A copy of a part of the segment does not mend the rest; a full copy does.
    await scene.nextSnapshot();
    await scene.writeCow([SEGMENT / 4096 + 9], { seqid: 3n }, scene.cow(3));
    // Not even a run without --checksum says that all is well.
    const told = await failureOf(scene.update({ cowFiles: [scene.cow(3)] }));
    expect(told).toMatchObject({ code: 'ERR_UPDATE_MANIFEST', message: error.message });
    const again = await failureOf(scene.update({ checksum: true, cowFiles: [scene.cow(3)] }));
    expect(again.message).toMatch(/changed by something else .* from byte 16777216\./);
    await scene.update({ full: true, cowFiles: [], checksum: true });
    await scene.update({ checksum: true, cowFiles: [scene.cow(3)] });
  });

  it('keeps the checksums of what a run without it does not copy', async () => {
    await first();
    await scene.writeCow([LAST], { seqid: 2n }, scene.cow(2));
    await scene.update({ cowFiles: [scene.cow(2)] });
    expect(await readFile(manifest(), 'utf8')).toMatch(
      /\nseqid 3\n.*\nimage .*\nsegment .*\n[0-9a-f]{64}\n[0-9a-f]{64}\n-\nsha256 /,
    );
    await scene.nextSnapshot();
    await scene.writeCow([], { seqid: 3n }, scene.cow(3));
    await flip(100);
    await expect(scene.update({ checksum: true, cowFiles: [scene.cow(3)] })).rejects.toThrowError(
      /from byte 0\./,
    );
  });

  it('does not believe an image that was set back, where it has no checksums to tell', async () => {
    await first();
    const back = await scene.image();
    // Block 7 is in a segment whose checksum is not known then.
    await scene.writeCow([7], { seqid: 2n }, scene.cow(2));
    await scene.update({ cowFiles: [scene.cow(2)] });
    await writeFile(scene.imageFile, back);
    await scene.nextSnapshot();
    await scene.writeCow([LAST], { seqid: 3n }, scene.cow(3));
    const notes: string[] = [];
    const run = { checksum: true, cowFiles: [scene.cow(3)] };
    await scene.update(run, { onNote: (text) => notes.push(text) });
    expect(notes).toEqual([expect.stringMatching(/replaced.* taken to be of snapshot 3/)]);
  });

  it('finds one that was set back where this run copies too, by the checksums', async () => {
    await first();
    const back = await scene.image();
    await scene.writeCow([7], { seqid: 2n }, scene.cow(2));
    await second();
    await writeFile(scene.imageFile, back);
    await scene.nextSnapshot();
    await scene.writeCow([8], { seqid: 3n }, scene.cow(3));
    const error = await failureOf(scene.update({ checksum: true, cowFiles: [scene.cow(3)] }));
    expect(error.message).toMatch(/changed by something else .* from byte 0\./);
  });

  it('knows an image by its checksums whose time alone has changed', async () => {
    await first();
    await writeFile(scene.imageFile, await scene.image());
    await scene.writeCow([LAST], { seqid: 2n }, scene.cow(2));
    const onNote = (text: string) => expect(text).toBe('');
    await scene.update({ checksum: true, cowFiles: [scene.cow(2)] }, { onNote });
    expect((await scene.image()).equals(scene.expected([5, LAST]))).toBe(true);
  });

  it('is refused for an image of another snapshot, before anything is written', async () => {
    await first();
    await scene.nextSnapshot();
    await scene.writeCow([7], { seqid: 3n }, scene.cow(3));
    const before = await scene.image();
    const error = await failureOf(scene.update({ checksum: true, cowFiles: [scene.cow(3)] }));
    expect(error).toMatchObject({
      code: 'ERR_UPDATE_GAP',
      message: expect.stringMatching(/it is of snapshot 2, and the COW files start at snapshot 3/),
    });
    expect((await scene.image()).equals(before)).toBe(true);
  });

  it('is refused with a manifest that is damaged', async () => {
    await first();
    await scene.writeCow([], { seqid: 2n }, scene.cow(2));
    const text = await readFile(manifest(), 'utf8');
    for (const bad of [
      '',
      text.slice(0, -10),
      text.replace('bytes 3', 'bytes 4'),
      text.replace(/^[-0-9a-f]{1,64}\n/m, ''),
    ]) {
      await writeFile(manifest(), bad);
      await expect(second()).rejects.toThrowError(/it is damaged/);
    }
    await rm(manifest());
    await second();
  });

  it('takes an image of holes for zeros', async () => {
    await rm(scene.imageFile);
    await writeFile(scene.snapshotFile, Buffer.alloc(scene.bytes));
    await scene.update({ full: true, cowFiles: [], checksum: true });
    const [, , , , , , one, two] = (await readFile(manifest(), 'utf8')).split('\n');
    expect(one).toBe('080acf35a507ac9849cfcba47dc2ad83e01b75663a516279c8b9d243b719643e');
    expect(two).toBe(one);
  });
});
