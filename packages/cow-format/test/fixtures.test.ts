import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bufferSource, changedRuns, encodeFlags, formatUuid, readHeader } from '../src/index.js';
import { collect, fixtureDirectory as directory, readFixture } from './support.js';

const names = existsSync(directory) ? readdirSync(directory) : [];
const fixtures = names
  .filter((name) => name.endsWith('.datto.gz'))
  .map((name) => name.slice(0, -'.datto.gz'.length));

describe('fixtures of the real driver', () => {
  // index.json is written along with the first fixture; before that there is nothing to read.
  it.runIf(names.includes('index.json'))('are all there', () => {
    const index = JSON.parse(readFileSync(`${directory}index.json`, 'utf8')) as string[];
    expect(fixtures.length).toBeGreaterThan(0);
    expect(fixtures.toSorted()).toEqual(index.toSorted());
  });

  it.each(fixtures)('%s', async (name) => {
    const { file, facts } = readFixture(name);
    const source = bufferSource(file);
    const header = await readHeader(source);
    expect({
      uuid: formatUuid(header.uuid),
      flags: encodeFlags(header.flags),
      seqid: header.seqid,
      fpos: header.fpos,
      fsize: header.fsize,
      version: header.version,
      nrChangedBlocks: header.nrChangedBlocks,
    }).toEqual({
      uuid: facts.uuid,
      flags: facts.flags,
      seqid: BigInt(facts.seqid),
      fpos: BigInt(facts.fpos),
      fsize: BigInt(facts.fsize),
      version: BigInt(facts.version),
      nrChangedBlocks: BigInt(facts.nrChangedBlocks),
    });
    const runs = await collect(changedRuns(source, { device: facts.deviceBytes }));
    expect(runs.map(({ start, count }) => [start, count])).toEqual(facts.changedRuns);
  });
});
