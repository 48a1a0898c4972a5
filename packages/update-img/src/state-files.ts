import { createHash } from 'node:crypto';
import { basename, dirname, join, resolve } from 'node:path';
import type { Image } from './image.js';

/** Where the state of images on block devices is kept, unless --state-directory says otherwise. */
export const STATE_DIRECTORY = '/var/lib/update-img';

/**
 * Paths of the files that go with an image, and with no other: beside an image file; for a block device,
 * which has no place beside it that lasts, in {@link STATE_DIRECTORY}, under what the device says of itself,
 * or, where it says nothing, the path it was given by.
 */
export function stateFiles(
  image: Pick<Image, 'path' | 'kind' | 'id'>,
  given: string,
  directory: string | undefined,
): { readonly journal: string; readonly manifest: string } {
  const { path, kind, id } = image;
  const name =
    kind === 'file' && directory === undefined
      ? basename(path)
      : id === undefined
        ? shortened(nameOf(kind === 'file' ? path : resolve(given)))
        : shortened(escaped(id).replaceAll('%20', '='));
  const base = join(directory ?? (kind === 'file' ? dirname(path) : STATE_DIRECTORY), name);
  return { journal: `${base}.journal`, manifest: `${base}.manifest` };
}

/** What a file system takes as a name, with `.manifest.new` behind it. */
function shortened(name: string): string {
  if (name.length <= 200) return name;
  return `${name.slice(0, 120)}-${createHash('sha256').update(name).digest('hex')}`;
}

/** `/dev/vg/a-b` as `dev-vg-a%2Db`. */
function nameOf(path: string): string {
  return path.slice(1).split('/').map(escaped).join('-');
}

function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll('-', '%2D');
}
