import type { Host } from './host.js';

/** A mounted file system on a block device. */
export interface Mount {
  /** `8:17`. */
  readonly dev: string;
  /** What of the file system is seen there: `/`, all of it, or a directory. */
  readonly root: string;
  readonly mountPoint: string;
  readonly type: string;
  /** As mount(8) was told: `/dev/sdb1`. */
  readonly source: string;
  /** Neither the mount nor the file system is read-only. */
  readonly writable: boolean;
  /** Options of mount and file system. */
  readonly options: readonly string[];
}

/** All mounts that this process sees. */
export async function readMounts(host: Host): Promise<Mount[]> {
  return parseMountinfo((await host.text('/proc/self/mountinfo')) ?? '');
}

/** Reads /proc/self/mountinfo, see proc(5). */
export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after] = line.split(' - ');
    if (after === undefined) return [];
    const [, , dev = '', root = '', mountPoint = '', mountOptions = ''] = before.split(' ');
    const [type = '', source = '', superOptions = ''] = after.split(' ');
    const options = [...mountOptions.split(','), ...superOptions.split(',')];
    return [
      {
        dev,
        root: unescaped(root),
        mountPoint: unescaped(mountPoint),
        type,
        source: unescaped(source),
        writable: !options.includes('ro'),
        options,
      },
    ];
  });
}

/** Space, tab, newline and backslash come as octal. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
