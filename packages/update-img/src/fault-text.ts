import type { Fault } from './copy.js';

const LISTED = 3;

/** Faults in words: the first few, and how many there are. All of them are in the error's `faults`. */
export function faultText(faults: readonly Fault[], cows: readonly { path: string }[]): string {
  const texts = faults.slice(0, LISTED).map((fault) => oneFault(fault, cows));
  const more = faults.length - texts.length;
  return more > 0 ? `${texts.join('; ')}; and ${more} more` : texts.join('; ');
}

/** `cannot read the snapshot at byte 4096 (block 1, 8192 bytes): EIO: i/o error`. */
export function oneFault(fault: Fault, cows: readonly { path: string }[] = []): string {
  const { kind, offset, length, reason, map } = fault;
  if (kind === 'map') {
    return `cannot read the COW file ${cows[map]?.path ?? ''} at byte ${offset}: ${reason}`;
  }
  const what = {
    read: 'cannot read the snapshot',
    write: 'cannot write the image',
    differs: 'image and snapshot differ',
  }[kind];
  return `${what} at byte ${offset} (block ${Math.floor(offset / 4096)}, ${length} bytes): ${reason}`;
}
