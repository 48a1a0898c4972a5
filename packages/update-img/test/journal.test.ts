import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Journal, type JournalState, readJournal } from '../src/journal.js';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'journal-'));
  path = join(directory, 'image.journal');
});
afterEach(() => rm(directory, { recursive: true }));

const state: JournalState = {
  mode: 'update',
  uuid: '0123456789abcdef0123456789abcdef',
  base: 2n ** 63n,
  target: 2n ** 64n - 1n,
  deviceBytes: 2 ** 53 - 1,
  position: 0,
  allFrom: null,
  empty: false,
  image: 'file 1 2',
};

/** Changes a byte. */
async function damage(offset: number): Promise<void> {
  const handle = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, offset);
  byte[0] = (byte[0] as number) ^ 1;
  await handle.write(byte, 0, 1, offset);
  await handle.close();
}

describe('a journal', () => {
  it('is not there before, and after', async () => {
    expect(await readJournal(path)).toBeUndefined();
    const journal = await Journal.begin(path, state);
    expect(await readJournal(path)).toEqual(state);
    await journal.end();
    expect(await readdir(directory)).toEqual([]);
  });

  it('gives the newest state, in two slots that take turns, without growing', async () => {
    const journal = await Journal.begin(path, state);
    for (let position = 1; position <= 5; position++) {
      await journal.update({ ...state, position });
      expect(await readJournal(path)).toEqual({ ...state, position });
      expect((await readFile(path)).length).toBe(8192);
    }
    await journal.close();
  });

  it('gives the state before when the newest was torn, at any byte', async () => {
    const journal = await Journal.begin(path, state);
    await journal.update({ ...state, position: 1 });
    await journal.update({ ...state, position: 2 });
    await journal.close();
    const whole = await readFile(path);
    const newest = whole.subarray(0, 4096).includes('"position":2') ? 0 : 4096;
    const length = whole
      .subarray(newest, newest + 4096)
      .toString('latin1')
      .trimEnd().length;
    for (let at = 0; at < length; at++) {
      await damage(newest + at);
      expect(await readJournal(path)).toEqual({ ...state, position: 1 });
      await damage(newest + at);
    }
    await writeFile(path, whole.subarray(0, newest === 0 ? 8192 : 5000));
    await damage(newest + 10);
    expect(await readJournal(path)).toEqual({ ...state, position: 1 });
  });

  it.each([
    ['empty', Buffer.alloc(0)],
    ['of zeros', Buffer.alloc(8192)],
    ['of something else', Buffer.from('{"format":"update-img journal","version":1}')],
  ])('that is %s is refused, not ignored', async (_, bytes) => {
    await writeFile(path, bytes);
    await expect(readJournal(path)).rejects.toThrowError(
      expect.objectContaining({ code: 'ERR_UPDATE_HALFWAY' }),
    );
  });

  it('of a newer version is refused', async () => {
    await (await Journal.begin(path, state)).close();
    await writeFile(
      path,
      (await readFile(path, 'latin1')).replaceAll('"version":1', '"version":2'),
    );
    await expect(readJournal(path)).rejects.toThrowError(/newer version/);
  });

  it('that cannot be written says why, and leaves nothing', async () => {
    await mkdir(path);
    await expect(Journal.begin(path, state)).rejects.toThrowError(
      expect.objectContaining({
        code: 'ERR_UPDATE_JOURNAL',
        message: expect.stringContaining(path),
      }),
    );
    expect(await readdir(directory)).toEqual(['image.journal']);
    await expect(Journal.begin('/proc/none/journal', state)).rejects.toThrowError(/ENOENT/);
  });
});
