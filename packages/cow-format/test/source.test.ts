import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobSource, changedRuns, readHeader } from '../src/index.js';
import { type HandleLike, handleSource } from '../src/node.js';
import { collect, cowFile } from './support.js';

const file = cowFile(5000, [0n, 7n, 7n]);
const device = 5000 * 4096;
const runs = [{ start: 1, count: 2 }];

describe('blobSource', () => {
  it('reads a Blob', async () => {
    const source = blobSource(new Blob([Uint8Array.from(file)]));
    expect((await readHeader(source)).seqid).toBe(1n);
    expect(await collect(changedRuns(source, { device }))).toEqual(runs);
  });
});

describe('handleSource', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cow-format-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('reads a file, its trailing hole included', async () => {
    const path = join(directory, 'a.datto');
    await writeFile(path, file.subarray(0, 4096 + 24));
    await truncate(path, file.byteLength);
    const handle = await open(path);
    try {
      const source = await handleSource(handle);
      expect(source.size).toBe(file.byteLength);
      expect((await readHeader(source)).version).toBe(1n);
      expect(await collect(changedRuns(source, { device }))).toEqual(runs);
    } finally {
      await handle.close();
    }
  });

  it('puts short reads together and asks for holes', async () => {
    const asked: number[] = [];
    const handle: HandleLike = {
      stat: async () => ({ size: 0 }),
      read: async (buffer, offset, length, position) => {
        const bytes = file.subarray(position, position + Math.min(length, 1000));
        buffer.set(bytes, offset);
        return { bytesRead: bytes.byteLength };
      },
    };
    const source = await handleSource(handle, {
      size: file.byteLength,
      seekData: async (offset) => {
        asked.push(offset);
        return offset < 4120 ? offset : null;
      },
    });
    expect(await collect(changedRuns(source, { device, chunkBytes: 4096 }))).toEqual(runs);
    expect(asked).toEqual([4096, 8192]);
  });

  it('reports a file that was cut after it was opened', async () => {
    const path = join(directory, 'b.datto');
    await writeFile(path, file);
    const handle = await open(path);
    try {
      const source = await handleSource(handle);
      await truncate(path, 10000);
      await expect(collect(changedRuns(source, { device }))).rejects.toThrowError(
        expect.objectContaining({ code: 'ERR_COW_TRUNCATED', offset: 10000 }),
      );
    } finally {
      await handle.close();
    }
  });

  it('refuses a size it cannot count', async () => {
    const handle = {} as HandleLike;
    await expect(handleSource(handle, { size: 2 ** 53 })).rejects.toThrowError(/size of the COW/);
  });
});
