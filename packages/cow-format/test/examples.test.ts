/** The examples are run as they are, on files that the driver wrote. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { summarise } from '../examples/browser-page.js';
import { judgeFile } from '../examples/judge-file.js';
import { listChanges } from '../examples/list-changes.js';
import { bufferSource, decodeHeader, encodeHeader, formatUuid } from '../src/index.js';
import { collect, type Facts, readFixture } from './support.js';

let directory: string;
let path: string;
let file: Uint8Array;
let facts: Facts;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'cow-format-'));
  path = join(directory, 'cow');
  ({ file, facts } = readFixture('run-across-sections'));
  writeFileSync(path, file);
});
afterAll(() => rmSync(directory, { recursive: true }));

it('list-changes', async () => {
  const changes = await collect(listChanges(path, facts.deviceBytes));
  expect(changes).toEqual(
    facts.changedRuns.map(([start, count]) => ({ offset: start * 4096, length: count * 4096 })),
  );
});

it('judge-file', async () => {
  const { uuid, seqid } = decodeHeader(file);
  const judge = (id: bigint) => judgeFile(bufferSource(file), { uuid, seqid: id });
  expect(await judge(seqid + 1n)).toBe(`leads from snapshot ${seqid} to ${seqid + 1n}`);
  expect(await judge(seqid + 2n)).toMatch(/^no: COW file seqid at byte 24/);
  const header = decodeHeader(file);
  const open = encodeHeader({ ...header, flags: { ...header.flags, clean: false } });
  expect(await judgeFile(bufferSource(open), { uuid, seqid })).toBe('still in use');
});

it('browser-page', async () => {
  const { blocks, runs, uuid } = await summarise(
    new Blob([new Uint8Array(file)]),
    facts.deviceBytes,
  );
  expect(uuid).toBe(formatUuid(decodeHeader(file).uuid));
  expect(runs).toBe(facts.changedRuns.length);
  expect(blocks).toBe(facts.changedRuns.reduce((sum, [, count]) => sum + count, 0));
});

it('all of them, and the README names each', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const names = readdirSync(new URL('../examples', import.meta.url));
  expect(names).toHaveLength(3);
  for (const name of names) expect(readme).toContain(`examples/${name}`);
});
