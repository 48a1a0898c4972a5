/** What dbdctl writes on the machine: the few small files that `persist` is about. */
import { mkdir, open, readlink, rename, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Files {
  /** Part of a file or device; undefined when it may not be read, or ends before that. */
  bytes(path: string, offset: number, length: number): Promise<Uint8Array | undefined>;
  /** What a symbolic link holds; undefined when there is none. */
  readLink(path: string): Promise<string | undefined>;
  /** Makes or replaces a symbolic link, and its directory. Atomic, and durable on return. */
  link(path: string, target: string): Promise<void>;
  /** The same for a file. */
  write(path: string, text: string): Promise<void>;
  /** In one directory; replaces what is there. Durable on return. */
  rename(from: string, to: string): Promise<void>;
  /** Does nothing when there is none. */
  remove(path: string): Promise<void>;
  /** A directory, if there is nothing in it. */
  removeEmpty(path: string): Promise<void>;
}

/** rmdir's errors where there is something in it, or there is none. */
const KEPT = ['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'];

/** Of this machine, or of a tree that looks like one. */
export function systemFiles(root = ''): Files {
  const replace = async (path: string, make: (temporary: string) => Promise<unknown>) => {
    const temporary = `${path}.new`;
    await makeDirectory(dirname(path));
    await rm(temporary, { force: true });
    await make(temporary);
    await rename(temporary, path);
    await sync(dirname(path));
  };
  return {
    bytes: async (path, offset, length) => {
      const file = await open(root + path, 'r').catch(() => undefined);
      if (file === undefined) return undefined;
      try {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
        return bytesRead === length ? buffer : undefined;
      } catch {
        return undefined;
      } finally {
        await file.close();
      }
    },
    readLink: (path) => readlink(root + path).catch(() => undefined),
    link: (path, target) => replace(root + path, (temporary) => symlink(target, temporary)),
    write: (path, text) =>
      replace(root + path, (temporary) => writeFile(temporary, text, { flush: true })),
    rename: async (from, to) => {
      await rename(root + from, root + to);
      await sync(dirname(root + to));
    },
    remove: (path) => rm(root + path, { force: true }),
    removeEmpty: async (path) => {
      try {
        await rmdir(root + path);
      } catch (error) {
        if (!KEPT.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      }
    },
  };
}

/** Nobody but root may put anything into it. */
async function makeDirectory(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o755 });
  if (made !== undefined) await sync(dirname(made));
}

async function sync(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
