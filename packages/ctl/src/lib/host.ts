/** What dbdctl looks at on the machine, besides the driver. It changes nothing there. */
import { readdir, readFile, realpath, stat, statfs } from 'node:fs/promises';

/** A file as far as it matters here. */
export interface HostFile {
  readonly kind: 'block' | 'directory' | 'file' | 'other';
  /** Device of the file system that it is on, as `8:17`. */
  readonly dev: string;
  /** The device that it is the node of. */
  readonly rdev: string;
}

export interface Host {
  /** A whole file; undefined when it is not there or may not be read. */
  text(path: string): Promise<string | undefined>;
  /** Names in a directory; none when it is not there. */
  names(path: string): Promise<readonly string[]>;
  /** Undefined when there is none, or it may not be looked at. Follows links. */
  file(path: string): Promise<HostFile | undefined>;
  /** Without links; the path itself when there is none. */
  resolve(path: string): Promise<string>;
  /** Free bytes of a file system, those reserved for root among them. */
  freeBytes(path: string): Promise<number | undefined>;
  /** Effective user. */
  readonly uid: number;
  /** As Node calls it: `x64`. */
  readonly arch: string;
}

/** This machine, or a tree that looks like one. */
export function systemHost(root = ''): Host {
  const at = (path: string) => root + path;
  return {
    text: (path) => readFile(at(path), 'utf8').catch(() => undefined),
    names: (path) => readdir(at(path)).catch(() => []),
    file: async (path) => {
      const stats = await stat(at(path)).catch(() => undefined);
      if (stats === undefined) return undefined;
      const kind = stats.isBlockDevice()
        ? 'block'
        : stats.isDirectory()
          ? 'directory'
          : stats.isFile()
            ? 'file'
            : 'other';
      return { kind, dev: deviceNumber(stats.dev), rdev: deviceNumber(stats.rdev) };
    },
    resolve: (path) => realpath(at(path)).catch(() => path),
    freeBytes: async (path) => {
      const stats = await statfs(at(path)).catch(() => undefined);
      return stats === undefined ? undefined : stats.bfree * stats.bsize;
    },
    uid: process.geteuid?.() ?? 0,
    arch: process.arch,
  };
}

/** `major:minor` of a dev_t as glibc has it: parts of both stand in both halves. */
export function deviceNumber(dev: number): string {
  const bits = BigInt(dev);
  const major = ((bits >> 8n) & 0xfffn) | ((bits >> 32n) & ~0xfffn);
  const minor = (bits & 0xffn) | ((bits >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
