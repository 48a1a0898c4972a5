import { readdirSync, truncateSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyBinding } from '../src/binding.js';
import { type CopyControl, type CopyJob, type CopyResult, runCopy } from '../src/copy.js';
import { pattern, range } from './support.js';

const MIB = 2 ** 20;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copy-'));
});
afterEach(() => rm(directory, { recursive: true }));

interface Files {
  readonly from: Buffer;
  readonly to: Buffer;
  /** Entries of each map that are not zero. */
  readonly maps: readonly (readonly number[])[];
  /** Bytes that the maps are for; left out: those of `from`. */
  readonly device?: number;
  /** `from` is not in the page cache. */
  readonly cold?: boolean;
}

function mapFile(bytes: number, blocks: readonly number[]): Buffer {
  const file = Buffer.alloc(4096 + Math.ceil(bytes / 4096) * 8);
  for (const block of blocks) file.writeBigUInt64LE(1n << BigInt(block % 64), 4096 + block * 8);
  return file;
}

/** Runs the engine on real files; gives its result and what the image is then. */
async function run(
  files: Files,
  job: Partial<CopyJob> = {},
  control: CopyControl = {},
): Promise<CopyResult & { image: Buffer }> {
  const names = ['from', 'to', ...files.maps.map((_, i) => `map${i}`)].map((name) =>
    join(directory, name),
  );
  const contents = [
    files.from,
    files.to,
    ...files.maps.map((map) => mapFile(files.device ?? files.from.length, map)),
  ];
  for (const [i, name] of names.entries()) await writeFile(name, contents[i] as Buffer);
  const handles = await Promise.all(names.map((name) => open(name, 'r+')));
  try {
    const [from = -1, to = -1, ...maps] = handles.map(({ fd }) => fd);
    if (files.cold) {
      await handles[0]?.sync();
      copyBinding().forget(from);
    }
    const result = await runCopy(
      {
        mode: 'copy',
        deviceBytes: files.device ?? files.from.length,
        from,
        to,
        maps,
        ...job,
      },
      control,
    );
    return { ...result, image: await readFile(join(directory, 'to')) };
  } finally {
    await Promise.all(handles.map((handle) => handle.close()));
  }
}

function flip(bytes: Buffer, at: number): void {
  bytes[at] = (bytes[at] as number) ^ 1;
}

function blocksOf(copied: Iterable<number>, { from, to }: Files): Buffer {
  const image = Buffer.from(to);
  for (const block of copied) from.copy(image, block * 4096, block * 4096, (block + 1) * 4096);
  return image;
}

function runsOf(blocks: readonly number[]): number {
  return blocks.filter((block, i) => i === 0 || blocks[i - 1] !== block - 1).length;
}

const files = (blocks: readonly number[], bytes = 4 * MIB): Files => ({
  from: pattern(1, bytes),
  to: pattern(2, bytes),
  maps: [blocks],
});

describe('the engine', () => {
  it('copies the union of the maps and nothing else, for any maps, size and start', async () => {
    // Blocks side by side, and such with others between them.
    const step = fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 11 }));
    const map = fc.array(fc.tuple(fc.nat(1200), fc.integer({ min: 1, max: 300 }), step), {
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1200 * 4096 }),
        fc.array(map, { minLength: 0, maxLength: 4 }),
        fc.nat(400),
        fc.option(fc.nat(1300), { nil: undefined }),
        fc.boolean(),
        async (bytes, runs, firstBlock, allFrom, cold) => {
          const blocks = Math.ceil(bytes / 4096);
          const maps = runs.map((list) =>
            list
              .flatMap(([start, count, step]) => range(0, count).map((i) => start + i * step))
              .filter((b) => b < blocks),
          );
          const wanted = range(0, blocks).filter(
            (b) => b >= firstBlock && (b >= (allFrom ?? blocks) || maps.some((m) => m.includes(b))),
          );
          const all = { from: pattern(1, bytes), to: pattern(2, bytes), maps, cold };
          const { end, progress, faults, image } = await run(all, { firstBlock, allFrom });
          expect([end, faults]).toEqual(['done', []]);
          expect(image.equals(blocksOf(wanted, all))).toBe(true);
          const tail = wanted.includes(blocks - 1) ? blocks * 4096 - bytes : 0;
          expect(progress).toMatchObject({
            blocks: wanted.length,
            bytes: wanted.length * 4096 - tail,
            runs: runsOf(wanted),
          });
          const counted = await run(all, { firstBlock, allFrom, mode: 'count' });
          expect(counted.progress).toMatchObject({
            blocks: wanted.length,
            bytes: wanted.length * 4096 - tail,
            runs: runsOf(wanted),
          });
          expect(counted.image.equals(all.to)).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('takes holes of an index for unchanged, and finds the data behind them', async () => {
    const blocks = 3_000_000;
    const [from, to, map] = ['from', 'to', 'map'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    for (const name of [from, to]) {
      await writeFile(name, '');
      await truncate(name, blocks * 4096);
    }
    await writeFile(map, Buffer.alloc(4096));
    await truncate(map, 4096 + blocks * 8);
    const handles = await Promise.all([from, to, map].map((name) => open(name, 'r+')));
    const one = Buffer.alloc(8, 1);
    const changed = [40_000, 1_999_999, blocks - 1];
    for (const block of changed) {
      await handles[0]?.write(Buffer.alloc(4096, block % 251), 0, 4096, block * 4096);
      await handles[2]?.write(one, 0, 8, 4096 + block * 8);
    }
    const [a = -1, b = -1, c = -1] = handles.map(({ fd }) => fd);
    const result = await runCopy({
      mode: 'copy',
      from: a,
      to: b,
      maps: [c],
      deviceBytes: blocks * 4096,
    });
    expect(result).toMatchObject({ end: 'done', progress: { blocks: 3, runs: 3 } });
    for (const block of changed) {
      const copied = Buffer.alloc(4096);
      await handles[1]?.read(copied, 0, 4096, block * 4096);
      expect(copied.equals(Buffer.alloc(4096, block % 251))).toBe(true);
    }
    await Promise.all(handles.map((handle) => handle.close()));
  });

  it('refuses what is no option, and two runs at a time', async () => {
    const { Copy } = copyBinding();
    const good = {
      mode: 0,
      zeros: 0,
      from: 0,
      to: 0,
      maps: [],
      deviceBytes: 1,
      firstBlock: 1,
      allFrom: 1,
      bytesPerSecond: 0,
      ignored: [],
    };
    for (const bad of [
      { mode: 3 },
      { from: -1 },
      { deviceBytes: 0 },
      { deviceBytes: 2 ** 53 },
      { firstBlock: 1.5 },
      { maps: ['1'] },
      { maps: Array(2000).fill(0) },
      { ignored: [1] },
      { ignored: [1, -1] },
    ]) {
      expect(() => new Copy({ ...good, ...bad } as typeof good)).toThrowError(TypeError);
    }
    const copy = new Copy(good);
    const running = copy.run(0);
    expect(() => copy.run(0)).toThrowError(/runs already/);
    expect(() => copy.faults()).toThrowError(/it runs/);
    expect(await running).toBe(0);
  });
});

describe('zeros', () => {
  /** Blocks 0-9 of zeros, 10 not, 11 of zeros, 12 ends with a byte that is not. */
  const zeros = (): Files => {
    const all = files(range(0, 13), 13 * 4096);
    all.from.fill(0, 0, 10 * 4096).fill(0, 11 * 4096);
    all.from[13 * 4096 - 1] = 1;
    return all;
  };

  it('become holes', async () => {
    const all = zeros();
    const { progress, image } = await run(all, { zeros: 'punch' });
    expect(image.equals(all.from)).toBe(true);
    expect(progress.zeroBytes).toBe(11 * 4096);
    const handle = await open(join(directory, 'to'));
    expect((await handle.stat()).blocks * 512).toBe(2 * 4096);
    await handle.close();
  });

  it('are left out where the image is empty', async () => {
    const all = { ...zeros(), to: Buffer.alloc(0) };
    const { progress, image } = await run(all, { zeros: 'skip' });
    expect(image.equals(all.from)).toBe(true);
    expect(progress.zeroBytes).toBe(11 * 4096);
  });

  it('are written where told to', async () => {
    const all = zeros();
    const { progress, image } = await run(all, { zeros: 'write' });
    expect(image.equals(all.from)).toBe(true);
    expect(progress.zeroBytes).toBe(0);
  });
});

describe('what fails', () => {
  it('is named by block where the snapshot ends early, and the rest is copied', async () => {
    const all = files([...range(0, 300), 500], 501 * 4096);
    const from = all.from.subarray(0, 200 * 4096 + 100);
    const { end, faults, progress, image } = await run({ ...all, from, device: 501 * 4096 });
    expect(end).toBe('done');
    expect(faults).toEqual([
      {
        kind: 'read',
        offset: 200 * 4096,
        length: 100 * 4096,
        reason: 'the file ended early',
        map: 0,
      },
      { kind: 'read', offset: 500 * 4096, length: 4096, reason: 'the file ended early', map: 0 },
    ]);
    expect(progress.position).toBe(501);
    expect(image.equals(blocksOf(range(0, 200), all))).toBe(true);
  });

  it('ends the copy when there is too much of it', async () => {
    const all = files(range(0, 5000), 5000 * 4096);
    const from = Buffer.alloc(0);
    const { end, faults } = await run({ ...all, from, device: 5000 * 4096 });
    expect(end).toBe('failed');
    expect(faults).toEqual([expect.objectContaining({ offset: 0, length: 4096 * 4096 })]);
    const scattered = files(
      range(0, 500).map((i) => i * 2),
      1000 * 4096,
    );
    const many = await run({ ...scattered, from, device: 1000 * 4096 });
    expect(many.end).toBe('failed');
    expect(many.faults.length).toBe(128);
  });

  it('ends the copy when the image cannot be written', async () => {
    const handle = await open('/dev/full', 'w');
    const { end, faults } = await run(files([0, 1]), { to: handle.fd });
    await handle.close();
    expect(end).toBe('failed');
    expect(faults).toEqual([
      expect.objectContaining({
        kind: 'write',
        offset: 0,
        reason: expect.stringMatching(/^ENOSPC/),
      }),
    ]);
  });

  it('ends the copy when a map is cut short under it', async () => {
    const { end, faults } = await run(files([0]), { deviceBytes: 5 * MIB });
    expect(end).toBe('failed');
    expect(faults).toEqual([
      {
        kind: 'map',
        offset: 4096 + 1024 * 8,
        length: 0,
        reason: 'the file ended early',
        map: 0,
      },
    ]);
  });

  it('does not take for a hole what lies beyond the end of a map that was cut', async () => {
    const job = { deviceBytes: 10 * MIB, firstBlock: 1500 };
    const { end, faults } = await run(files([0]), job);
    expect(end).toBe('failed');
    expect(faults).toEqual([expect.objectContaining({ kind: 'map', offset: 4096 + 1024 * 8 })]);
  });
});

describe('comparing', () => {
  it('finds what differs, block by block', async () => {
    const all = files(range(0, 600));
    const same = { ...all, to: Buffer.from(all.from) };
    expect(await run(same, { mode: 'verify' })).toMatchObject({ end: 'done', faults: [] });
    for (const block of [3, 4, 599]) flip(same.to, block * 4096 + 77);
    // Not among the changed ones.
    flip(same.to, 700 * 4096);
    const { end, faults, image } = await run(same, { mode: 'verify' });
    expect(end).toBe('done');
    expect(faults.map(({ kind, offset, length }) => [kind, offset / 4096, length])).toEqual([
      ['differs', 3, 8192],
      ['differs', 599, 4096],
    ]);
    expect(image.equals(same.to)).toBe(true);
  });

  it('leaves out what may differ', async () => {
    const all = files(range(0, 600));
    const same = { ...all, to: Buffer.from(all.from) };
    for (const block of range(0, 600)) flip(same.to, block * 4096);
    const ignored = [0, 3, 5, 95, 101, 400, 501, 99, 700, 9];
    const { faults } = await run(same, { mode: 'verify', ignored });
    expect(faults.map(({ offset, length }) => [offset / 4096, length])).toEqual([
      [3, 8192],
      [100, 4096],
    ]);
  });

  it('counts an image that ends early', async () => {
    const all = files([2, 3]);
    const { faults } = await run(
      { ...all, to: all.from.subarray(0, 3 * 4096) },
      { mode: 'verify' },
    );
    expect(faults).toEqual([expect.objectContaining({ kind: 'differs', offset: 3 * 4096 })]);
  });
});

describe('control', () => {
  it('stops soon, and everything before the position is done', async () => {
    const all = files(range(0, 1024));
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 300);
    const { end, progress, image } = await run(
      all,
      { bytesPerSecond: MIB },
      { signal: controller.signal },
    );
    expect(end).toBe('stopped');
    expect(progress.position).toBeLessThan(1024);
    expect(image.equals(blocksOf(range(0, progress.position), all))).toBe(true);
  });

  it('does nothing when it is stopped before it begins', async () => {
    const { end, progress } = await run(files([0]), {}, { signal: AbortSignal.abort() });
    expect([end, progress.blocks]).toEqual(['stopped', 0]);
  });

  it('keeps to a rate, slow ones too', async () => {
    for (const rate of [256 * 1024, 8 * MIB]) {
      const blocks = Math.ceil(rate / 4096);
      const begin = performance.now();
      await run(files(range(0, blocks), blocks * 4096), { bytesPerSecond: rate });
      // The first piece is free, and the last is not waited for.
      expect(performance.now() - begin).toBeGreaterThan(700);
    }
  });

  it('pauses, and goes on where it was', async () => {
    const all = files(range(0, 512), 2 * MIB);
    const positions: number[] = [];
    const { end, image } = await run(
      all,
      { bytesPerSecond: 2 * MIB },
      {
        pauseMs: 50,
        onPause: async ({ position }) => void positions.push(position),
      },
    );
    expect(end).toBe('done');
    expect(positions.length).toBeGreaterThan(1);
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    expect(image.equals(all.from)).toBe(true);
  });
});

describe('reading ahead', () => {
  const threads = () => new Set(readdirSync('/proc/self/task'));

  it('is there while the engine runs, and neither in a pause nor at the end', async () => {
    const running = new Set<string>();
    const paused: Set<string>[] = [];
    await run(
      files(range(0, 1024)),
      { bytesPerSecond: 8 * MIB },
      {
        pauseMs: 250,
        onProgress: () => {
          for (const thread of threads()) running.add(thread);
        },
        onPause: async () => void paused.push(threads()),
      },
    );
    expect(paused.length).toBeGreaterThan(0);
    for (const set of [...paused, threads()]) {
      expect([...running].some((thread) => !set.has(thread))).toBe(true);
    }
  });

  it.each([
    ['in memory', false, [171, 5, 250, 1, 97, 231], [1]],
    ['on the disk', true, [171, 5, 250, 1, 97, 231], [1, 2, 9]],
    ['on the disk, and short', true, [1, 2, 17, 1], [1, 7, 3]],
    ['on the disk, and in pairs', true, [1], [1, 12]],
  ])('keeps what it read until it is written: pieces %s', async (_, cold, lengths, gaps) => {
    const blocks: number[] = [];
    for (let at = 0, i = 0; at + 256 < 8192; i++) {
      const length = lengths[i % lengths.length] as number;
      blocks.push(...range(at, length));
      at += length + (gaps[i % gaps.length] as number);
    }
    const all = { ...files(blocks, 32 * MIB), cold };
    const { end, image } = await run(all);
    expect(end).toBe('done');
    expect(image.equals(blocksOf(blocks, all))).toBe(true);
  });

  it('finds the end of a snapshot that is not in memory', async () => {
    const blocks = range(0, 200).map((i) => 2 * i);
    const from = pattern(1, 301 * 4096 + 5);
    const all = { ...files(blocks), from, device: 4 * MIB, cold: true };
    const { end, faults, image } = await run(all);
    expect(end).toBe('done');
    expect(faults.map(({ kind, offset }) => [kind, offset / 4096])).toEqual(
      blocks.filter((block) => block > 301).map((block) => ['read', block]),
    );
    expect(
      image.equals(
        blocksOf(
          range(0, 151).map((i) => 2 * i),
          all,
        ),
      ),
    ).toBe(true);
  });

  it('has read nothing before a pause that is used after it', async () => {
    const all = files(range(0, 1024));
    const { end, faults, image } = await run(
      all,
      { bytesPerSecond: 8 * MIB },
      {
        pauseMs: 1,
        onPause: async () => truncate(join(directory, 'from'), 600 * 4096),
      },
    );
    expect(end).toBe('done');
    expect(faults).toEqual([
      expect.objectContaining({ kind: 'read', offset: 600 * 4096, length: 424 * 4096 }),
    ]);
    expect(image.equals(blocksOf(range(0, 600), all))).toBe(true);
  });

  it('finds the end of a snapshot that becomes shorter', async () => {
    const all = files(range(0, 4096), 16 * MIB);
    let cut = false;
    const { end, faults, image } = await run(
      all,
      { bytesPerSecond: 16 * MIB },
      {
        onProgress: () => {
          if (!cut) truncateSync(join(directory, 'from'), 100 * 4096 + 5);
          cut = true;
        },
      },
    );
    expect(end).toBe('done');
    expect(faults.length).toBeGreaterThan(0);
    const missing = new Set(faults.flatMap((f) => range(f.offset / 4096, f.length / 4096)));
    expect(missing.has(99)).toBe(false);
    const copied = range(0, 4096).filter((block) => !missing.has(block));
    expect(image.equals(blocksOf(copied, all))).toBe(true);
  });

  it('is stopped in the middle', async () => {
    const all = files(range(0, 8192), 32 * MIB);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5);
    const { end, progress, image } = await run(all, {}, { signal: controller.signal });
    expect(['stopped', 'done']).toContain(end);
    expect(image.equals(blocksOf(range(0, progress.position), all))).toBe(true);
  });
});

describe('extents', () => {
  it('are the blocks of the device that a file has', async () => {
    const path = join(directory, 'file');
    await writeFile(path, pattern(1, 3 * MIB + 5));
    const handle = await open(path, 'r');
    await handle.sync();
    const runs = copyBinding().extents(handle.fd);
    await handle.close();
    // Not all file systems can tell.
    if (typeof runs === 'number') return expect(runs).toBe(95);
    const starts = runs.filter((_, i) => i % 2 === 0);
    const counts = runs.filter((_, i) => i % 2 === 1);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    expect(counts.reduce((a, b) => a + b)).toBe(3 * 256 + 1);
    expect(copyBinding().extents(-1)).toBe(9);
  });
});
