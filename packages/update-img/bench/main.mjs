/**
 * npm run bench [-- DIRECTORY [ROUNDS]]: update-img against a plain C loop, on files in a directory of a
 * real disk (5 GiB are needed). In each round both run in turn; the ratios are of one round, and their median is
 * what counts. Cold: the caches were dropped (that needs root). Copying is compared apart, and then
 * everything: with the journal, and with bringing the image to the disk, which is the disk's doing.
 * Cold, what the disk takes for the reads alone is said too: no copy can be faster.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cowLayout, EXTENSION_SIZE, encodeHeader } from '@dbd/cow-format';

const MIB = 2 ** 20;
const DEVICE = 2048 * MIB;
const BLOCKS = DEVICE / 4096;
const UUID = '00112233445566778899aabbccddeeff';
const [parent = '.', rounds = '5'] = process.argv.slice(2);
const here = fileURLToPath(new URL('.', import.meta.url));
const directory = mkdtempSync(join(parent, 'bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
process.on('SIGINT', () => process.exit(130));
const path = (name) => join(directory, name);
const canDrop = process.getuid() === 0;

/** Blocks in runs of one length, so many MiB in all, at places drawn by a fixed generator. */
function workload(mib, runBlocks) {
  const runs = (mib * 256) / runBlocks;
  const slots = Math.floor(BLOCKS / runBlocks);
  const free = Array.from({ length: slots }, (_, i) => i);
  let seed = 12345;
  const blocks = [];
  for (let i = 0; i < runs; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = i + (seed % (slots - i));
    [free[i], free[j]] = [free[j], free[i]];
    for (let k = 0; k < runBlocks; k++) blocks.push(free[i] * runBlocks + k);
  }
  return blocks;
}

function writeCow(name, bytes, blocks) {
  const layout = cowLayout(bytes);
  const header = encodeHeader({
    flags: { clean: true, indexOnly: true, driverPrivate: false, unknown: 0 },
    fpos: 0n,
    fsize: BigInt(layout.dataOffset),
    seqid: 1n,
    uuid: Buffer.from(UUID, 'hex'),
    version: 1n,
    nrChangedBlocks: BigInt(blocks.length),
    extension: new Uint8Array(EXTENSION_SIZE),
  });
  const file = Buffer.alloc(blocks.length > 0 ? layout.dataOffset : 4096);
  file.set(header);
  for (const block of blocks) file[4096 + block * 8] = 1;
  writeFileSync(path(name), file);
  truncateSync(path(name), layout.dataOffset);
}

/** Files as large as the device, with other content in each block. */
function writeDevice(name) {
  const piece = Buffer.alloc(MIB, 0xa5);
  const fd = openSync(path(name), 'w');
  for (let at = 0; at < DEVICE; at += MIB) {
    for (let i = 0; i < MIB; i += 512) piece.writeUInt32LE((at + i) / 512, i);
    writeSync(fd, piece);
  }
  fsyncSync(fd);
  closeSync(fd);
}

function warm(...names) {
  const piece = Buffer.alloc(MIB);
  for (const name of names) {
    const fd = openSync(path(name), 'r');
    while (readSync(fd, piece) > 0);
    closeSync(fd);
  }
}

function prepare(cold, cow) {
  execFileSync('sync');
  if (cold) writeFileSync('/proc/sys/vm/drop_caches', '3');
  else warm(cow, 'from', 'to');
}

function run(command, args) {
  const numbers = execFileSync(command, args, { encoding: 'utf8' }).trim().split(' ').map(Number);
  const [copy, total, memory = 0] = numbers;
  return { copy, total, memory };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const seconds = (value) => `${value.toFixed(3)} s`;
let peak = 0;

function compare(title, cow, cold, target) {
  const args = [path(cow), path('from'), path('to'), String(DEVICE)];
  const results = [];
  for (let i = 0; i < Number(rounds); i++) {
    prepare(cold, cow);
    const plain = run(path('plain'), args);
    prepare(cold, cow);
    const ours = run(process.execPath, [join(here, 'ours.mjs'), ...args, UUID]);
    peak = Math.max(peak, ours.memory);
    if (cold) prepare(cold, cow);
    const reads = cold ? run(path('reads'), [path(cow), path('from'), String(DEVICE)]) : undefined;
    results.push({ plain, ours, reads });
  }
  const ratio = median(results.map(({ plain, ours }) => plain.copy / ours.copy));
  const total = median(results.map(({ plain, ours }) => plain.total / ours.total));
  const limit = cold
    ? `  reads alone: ${seconds(median(results.map((r) => r.reads.copy)))}, ratio at best ` +
      median(results.map(({ plain, reads }) => plain.copy / reads.copy)).toFixed(2)
    : '';
  console.log(
    `${title.padEnd(28)} ${cold ? 'cold' : 'warm'}  plain ${seconds(median(results.map((r) => r.plain.copy)))}  ` +
      `update-img ${seconds(median(results.map((r) => r.ours.copy)))}  ratio ${ratio.toFixed(2)} ` +
      `(target ${target})  in all: ${total.toFixed(2)}${limit}`,
  );
}

console.log(
  `${availableParallelism()} CPUs, load ${loadavg()[0].toFixed(1)}, medians of ${rounds} rounds`,
);
for (const name of ['plain', 'reads'])
  execFileSync('cc', ['-O2', '-Wall', '-pthread', '-o', path(name), join(here, `${name}.c`)]);
writeDevice('from');
writeDevice('to');
for (const [title, mib, runBlocks, coldTarget, warmTarget] of [
  ['200 MiB of random blocks', 200, 1, 3, 1],
  ['512 MiB in runs of 256 KiB', 512, 64, 5, 3],
  ['1 GiB in runs of 32 MiB', 1024, 8192, 4, 4],
]) {
  writeCow('cow', DEVICE, workload(mib, runBlocks));
  compare(title, 'cow', false, warmTarget);
  if (canDrop) compare(title, 'cow', true, coldTarget);
}

const TIB = 2 ** 40;
writeCow('empty', TIB, []);
for (const name of ['large-from', 'large-to']) {
  writeFileSync(path(name), '');
  truncateSync(path(name), TIB);
}
const times = [];
for (let i = 0; i < Number(rounds); i++) {
  const begin = performance.now();
  const args = [path('empty'), path('large-from'), path('large-to'), String(TIB), UUID];
  const { memory } = run(process.execPath, [join(here, 'ours.mjs'), ...args]);
  times.push((performance.now() - begin) / 1000);
  peak = Math.max(peak, memory);
}
console.log(`empty index of 1 TiB, whole process: ${seconds(median(times))} (target below 0.3 s)`);
console.log(`peak memory: ${(peak / MIB).toFixed(0)} MiB (target below 150 MB)`);
