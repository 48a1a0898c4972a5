import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checked, Machine } from './support.js';

/** COW files that the real driver wrote, and what the tool of the VM harness found in them. */
const fixtures = fileURLToPath(new URL('../../cow-format/test/fixtures/', import.meta.url));
const names: string[] = JSON.parse(readFileSync(`${fixtures}index.json`, 'utf8'));

interface Facts {
  readonly deviceBytes: number;
  readonly uuid: string;
  readonly seqid: number;
  readonly nrChangedBlocks: number;
  readonly changedRuns: readonly (readonly [number, number])[];
}

let directory: string;
let machine: Machine;
const facts = (name: string): Facts => JSON.parse(readFileSync(`${fixtures}${name}.json`, 'utf8'));
const at = (name: string) => join(directory, name);

/** A copy of a fixture in which bytes are others. */
function altered(name: string, offset: number, ...bytes: number[]): string {
  const path = at(`altered-${name}`);
  const copy = readFileSync(at(name));
  copy.set(bytes, offset);
  writeFileSync(path, copy);
  return path;
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ctl-cow-'));
  for (const name of names) {
    writeFileSync(at(name), gunzipSync(readFileSync(`${fixtures}${name}.datto.gz`)));
  }
});
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(() => {
  machine = new Machine();
});

const jsonLines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => checked('dbdctl.changed.v1', JSON.parse(line)));

describe.each(names)('changed, of %s', (name) => {
  const { deviceBytes, uuid, seqid, nrChangedBlocks, changedRuns } = facts(name);
  const changed = (...args: string[]) =>
    machine.dbdctl('changed', '--device-size', String(deviceBytes), at(name), ...args);
  const bytesOf = ([start, count]: readonly [number, number]) =>
    Math.min(count * 4096, deviceBytes - start * 4096);

  it('as CSV', async () => {
    expect(await changed('--format', 'csv')).toEqual({
      code: 0,
      stdout: [
        'first_block,blocks,offset,bytes',
        ...changedRuns.map((run) => [...run, run[0] * 4096, bytesOf(run)].join(',')),
        '',
      ].join('\n'),
      stderr: '',
    });
  });

  it('as JSON lines, by either name', async () => {
    const { stdout } = await changed('--json');
    expect((await changed('--format=jsonl')).stdout).toBe(stdout);
    const [file, ...rest] = jsonLines(stdout);
    expect(file).toMatchObject({
      type: 'file',
      uuid,
      seqId: seqid,
      deviceBytes,
      deviceBytesExact: true,
    });
    expect(rest.pop()).toMatchObject({
      type: 'end',
      runs: changedRuns.length,
      blocks: nrChangedBlocks,
      bytes: changedRuns.reduce((sum, run) => sum + bytesOf(run), 0),
    });
    expect(rest.map(({ firstBlock, blocks }) => [firstBlock, blocks])).toEqual(changedRuns);
  });

  it('as text', async () => {
    const { stdout, stderr } = await changed();
    expect(stdout.trim().split('\n')).toHaveLength(changedRuns.length);
    expect(stdout).toMatch(/^0-1: 2 blocks, 8 KiB at 0 B\n/);
    expect(stderr).toContain(`${nrChangedBlocks} blocks`);
  });
});

describe('the size of the device', () => {
  it('is that of the tracked device of the series', async () => {
    const { uuid, deviceBytes } = facts('partial-last-block');
    machine.driver.readStatus = async () =>
      `{"version":"0.12.1","devices":[{"minor":0,"cow_file":"/a","block_device":"/dev/sdc1","max_cache":1,
        "fallocate":1,"cow_size_current":1,"seq_id":2,"uuid":"${uuid}","version":1,"nr_changed_blocks":1,"state":3}]}`;
    machine.addDisk('/dev/sdc1', '8:33', deviceBytes);
    const { stdout } = await machine.dbdctl('changed', '--json', at('partial-last-block'));
    expect(jsonLines(stdout)[0]).toMatchObject({ deviceBytes, deviceBytesExact: true });
    expect(stdout).toContain('"firstBlock":16384,"blocks":1,"offset":67108864,"bytes":1536');
  });

  it('is what the file has room for, where nothing else is known', async () => {
    machine.driver.loaded = false;
    const { stdout } = await machine.dbdctl('changed', '--json', at('partial-last-block'));
    expect(jsonLines(stdout)[0]).toMatchObject({
      deviceBytes: 5 * 2 ** 24,
      deviceBytesExact: false,
    });
  });

  it('is asked for where the file is of a snapshot', async () => {
    const path = altered('incremental-closed', 4, 1);
    expect(await machine.dbdctl('inspect', path)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Give it with --device-size'),
    });
    expect(await machine.dbdctl('inspect', path, '--device-size', '64MiB')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('0x1: clean (closed in order), with data (snapshot mode)'),
    });
  });

  it.each(['0', '9007199254740992', 'x'])('may not be %s', async (size) => {
    const result = await machine.dbdctl('changed', '--device-size', size, at('index-hole'));
    expect(result).toMatchObject({ code: 2, stdout: '' });
  });
});

describe.each(['changed', 'inspect'])('%s refuses', (verb) => {
  const run = (path: string, ...args: string[]) => machine.dbdctl(verb, path, ...args);

  it('what is not there, a directory, a FIFO', async () => {
    expect(await run(at('none'))).toEqual({
      code: 1,
      stdout: '',
      stderr: `dbdctl: ${at('none')} does not exist. Check the path.\n`,
    });
    mkdirSync(at(`dir-${verb}`));
    execFileSync('mkfifo', [at(`fifo-${verb}`)]);
    for (const path of [at(`dir-${verb}`), at(`fifo-${verb}`), '/dev/null']) {
      expect(await run(path)).toEqual({
        code: 1,
        stdout: '',
        stderr: `dbdctl: cannot read the COW file ${path}: it is not a regular file. Name the COW file that transition-to-snapshot has left.\n`,
      });
    }
  });

  it('an empty or foreign file, with 8', async () => {
    writeFileSync(at('empty'), '');
    writeFileSync(at('zeros'), Buffer.alloc(1 << 16));
    for (const name of ['empty', 'zeros']) {
      expect(await run(at(name))).toMatchObject({
        code: 8,
        stdout: '',
        stderr: expect.stringContaining(`cannot read the COW file ${at(name)}: COW file `),
      });
    }
  });

  it('a file that is cut short, with 8', async () => {
    const path = altered('index-hole', 0);
    truncateSync(path, 4096 + 16384 * 8 - 1);
    for (const args of [[], ['--device-size', '64MiB']]) {
      expect(await run(path, ...args)).toMatchObject({
        code: 8,
        stderr: expect.stringContaining('cut short'),
      });
    }
  });

  it('a device that is larger than the map, with 8', async () => {
    expect(await run(at('index-hole'), '--device-size', '90MiB')).toMatchObject({ code: 8 });
  });
});

it('changed refuses a map that is not finished, with 8', async () => {
  const path = altered('index-hole', 4, 2);
  expect(await machine.dbdctl('changed', path)).toMatchObject({
    code: 8,
    stdout: '',
    stderr: expect.stringContaining('clean bit'),
  });
});

it('changed says when the index has lost what the header counts, with 8', async () => {
  const { code, stderr } = await machine.dbdctl('changed', altered('index-hole', 0x38, 54));
  expect(code).toBe(8);
  expect(stderr).toContain('expected the 54 changed blocks that the header counts, found 53');
});

describe('inspect', () => {
  it('shows header, flags, statistics and map', async () => {
    const { stdout } = await machine.dbdctl(
      'inspect',
      '--device-size',
      '64M',
      at('runs-alternate'),
    );
    for (const part of [
      'series:     58fc97b38691b5022119894f302a456e',
      'seq id:     3: changes between snapshots 3 and 4',
      'flags:      0x3: clean (closed in order), index only (incremental)',
      'version:    1: 252 changed blocks counted',
      'device:     64 MiB, 16384 blocks',
      'changed:    252 blocks, 1008 KiB (1.54 %)',
      'runs:       212, 1.2 blocks on average, the longest 37 blocks',
      'map, 64 KiB a place:',
      // 32 of 16 blocks each from block 4065 on: every other one.
      `   16 MiB  ${'*'.repeat(23)}-...`,
      '            1 ######################################## 207',
      '        32-63 #                                        1',
    ]) {
      expect(stdout).toContain(part);
    }
    expect(stdout).not.toContain('Note:');
  });

  it.each([24, 40, 80, 200])('fits a terminal of %d columns', async (columns) => {
    for (const env of [{ NO_COLOR: '1' }, { NO_COLOR: '1', LANG: 'C.UTF-8' }]) {
      const { stdout } = await machine.run(['inspect', at('runs-alternate')], { columns, env });
      const long = stdout.split('\n').filter((line) => line.length > Math.max(columns, 32));
      // The path and the uuid are not broken.
      expect(long.filter((line) => !line.includes(directory) && !line.includes('58fc97'))).toEqual(
        [],
      );
      expect(stdout.includes('░')).toBe('LANG' in env);
    }
  });

  it('is JSON of its schema', async () => {
    for (const name of names) {
      const { nrChangedBlocks, changedRuns, deviceBytes } = facts(name);
      const seen = await machine.json(
        'dbdctl.inspect.v1',
        'inspect',
        at(name),
        '--device-size',
        `${deviceBytes}`,
      );
      const { changed, map, runLengths } = seen as unknown as {
        changed: { blocks: number };
        map: { cells: number[] };
        runLengths: { from: number; to: number; runs: number; blocks: number }[];
      };
      expect(changed).toMatchObject({ blocks: nrChangedBlocks, runs: changedRuns.length });
      expect(map.cells.reduce((sum, cell) => sum + cell, 0)).toBe(nrChangedBlocks);
      for (const { from, to, runs, blocks } of runLengths) {
        const within = changedRuns.filter(([, count]) => count >= from && count <= to);
        expect([runs, blocks]).toEqual([within.length, within.reduce((sum, [, n]) => sum + n, 0)]);
      }
    }
  });

  it('remarks on what is unusual', async () => {
    const unclean = await machine.dbdctl('inspect', altered('index-hole', 4, 0x82));
    expect(unclean.code).toBe(0);
    expect(unclean.stdout).toContain('0x82: not clean');
    expect(unclean.stdout.replace(/\s+/g, ' ')).toContain('the map may lack changes.');
    expect(unclean.stdout).toContain('unknown bits 0x80');
    const miscounted = await machine.dbdctl('inspect', altered('index-hole', 0x38, 54));
    expect(miscounted.stdout.replace(/\s+/g, ' ')).toContain(
      'counts 54 changed blocks, the index has 53',
    );
  });

  it('says when the page cannot be written', async () => {
    expect(
      await machine.dbdctl('inspect', '--html', '/none/x.html', at('index-hole')),
    ).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('cannot write the page /none/x.html'),
    });
  });
});
