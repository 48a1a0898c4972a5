/** Which device stands on which, as /sys tells: partitions, device mapper, md, and loop devices. */
import { dirname } from 'node:path';
import type { Host } from './host.js';

/** Devices as `8:17`; a stack that is deeper than this is not followed to its end. */
const MAX_DEPTH = 16;

/**
 * In the order given, but for those that stand on a later one, or on a file of it: these come before
 * that. What cannot be found out counts as standing on nothing.
 */
export async function topmostFirst<T>(
  devices: readonly T[],
  pathOf: (device: T) => string,
  host: Host,
): Promise<T[]> {
  const numbers = await Promise.all(
    devices.map(async (device) => (await host.file(pathOf(device)))?.rdev),
  );
  const below = await Promise.all(
    numbers.map((number) => (number === undefined ? new Set<string>() : allBelow(number, host))),
  );
  const waiting = new Set(devices.keys());
  const sorted: T[] = [];
  while (waiting.size > 0) {
    const [first] = waiting;
    const free = (i: number) =>
      [...waiting].every((other) => other === i || !below[other]?.has(numbers[i] ?? ''));
    // None is free where the same device stands there twice: the driver says so.
    const next = [...waiting].find(free) ?? (first as number);
    waiting.delete(next);
    sorted.push(devices[next] as T);
  }
  return sorted;
}

async function allBelow(number: string, host: Host): Promise<Set<string>> {
  const found = new Set<string>();
  let level = [number];
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next = (await Promise.all(level.map((one) => directlyBelow(one, host)))).flat();
    level = [...new Set(next)].filter((one) => !found.has(one));
    for (const one of level) found.add(one);
  }
  return found;
}

async function directlyBelow(number: string, host: Host): Promise<string[]> {
  const link = `/sys/dev/block/${number}`;
  const slaves = await host.names(`${link}/slaves`);
  const files = slaves.map((slave) => `${link}/slaves/${slave}/dev`);
  if ((await host.text(`${link}/partition`)) !== undefined) {
    files.push(`${dirname(await host.resolve(link))}/dev`);
  }
  const numbers = await Promise.all(files.map((file) => host.text(file)));
  const backing = (await host.text(`${link}/loop/backing_file`))?.replace(/\n$/, '');
  const file = backing === undefined ? undefined : await host.file(backing);
  return [
    ...numbers.flatMap((text) => (text === undefined ? [] : [text.trim()])),
    ...(file === undefined ? [] : [file.kind === 'block' ? file.rdev : file.dev]),
  ];
}
