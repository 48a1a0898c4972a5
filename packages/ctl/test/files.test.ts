import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Files, systemFiles } from '../src/lib/files.js';

let root: string;
let files: Files;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dbd-files-'));
  files = systemFiles(root);
});

afterEach(() => rm(root, { recursive: true }));

describe('files of this machine', () => {
  it('makes and replaces links, and their directory; nothing else is left', async () => {
    await files.link('/.dbd/live', '/one');
    await files.link('/.dbd/live', '/two');
    expect(await files.readLink('/.dbd/live')).toBe('/two');
    expect(await readdir(join(root, '.dbd'))).toEqual(['live']);
  });

  it('makes a link where one was interrupted', async () => {
    await files.link('/.dbd/live.new', '/left');
    await files.link('/.dbd/live', '/one');
    expect(await readdir(join(root, '.dbd'))).toEqual(['live']);
  });

  it('replaces files, renames and removes', async () => {
    await files.write('/etc/a', 'one');
    await files.write('/etc/a', 'two');
    await files.rename('/etc/a', '/etc/b');
    expect(await readFile(join(root, 'etc/b'), 'utf8')).toBe('two');
    await files.remove('/etc/b');
    await files.remove('/etc/b');
    expect(await readdir(join(root, 'etc'))).toEqual([]);
  });

  it('removes a directory only when it is empty', async () => {
    await files.link('/.dbd/live', '/one');
    await files.removeEmpty('/.dbd');
    expect(await readdir(root)).toEqual(['.dbd']);
    await files.remove('/.dbd/live');
    await files.removeEmpty('/.dbd');
    await files.removeEmpty('/.dbd');
    expect(await readdir(root)).toEqual([]);
  });

  it('fails as the file system does', async () => {
    await writeFile(join(root, 'file'), '');
    await expect(files.link('/file/live', '/one')).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(files.rename('/none', '/other')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('reads bytes, or says that there are none', async () => {
    await writeFile(join(root, 'disk'), 'abcdef');
    expect(Buffer.from((await files.bytes('/disk', 2, 3)) ?? '').toString()).toBe('cde');
    expect(await files.bytes('/disk', 4, 3)).toBeUndefined();
    expect(await files.bytes('/none', 0, 1)).toBeUndefined();
    expect(await files.bytes('/', 0, 1)).toBeUndefined();
    expect(await files.readLink('/none')).toBeUndefined();
  });
});
