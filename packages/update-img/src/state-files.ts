import { basename, dirname, join } from 'node:path';
import type { Image } from './image.js';

/** Where the state of images on block devices is kept, unless --state-directory says otherwise. */
export const STATE_DIRECTORY = '/var/lib/update-img';

/**
 * Paths of the files that go with an image: beside an image file; for a block device, which has no place
 * beside it that lasts, in {@link STATE_DIRECTORY}, under the path it was given by.
 */
export function stateFiles(
  image: Pick<Image, 'path' | 'kind'>,
  given: string,
  directory: string | undefined,
): { readonly journal: string; readonly manifest: string } {
  const isFile = image.kind === 'file';
  const name = isFile ? basename(image.path) : given.replace(/^\/+/, '').replaceAll('/', '-');
  const base = join(directory ?? (isFile ? dirname(image.path) : STATE_DIRECTORY), name);
  return { journal: `${base}.journal`, manifest: `${base}.manifest` };
}
