import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bashCompletion,
  fishCompletion,
  generatedFiles,
  manPage,
  markdownReference,
  zshCompletion,
} from '../src/gen/index.js';
import { completeInBash, completeInFish, completeInZsh, lintManual } from '../src/testing/index.js';
import { single, verbs } from './programs.js';

let cwd: string;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'generated-'));
  writeFileSync(join(cwd, 'disk.img'), '');
  writeFileSync(join(cwd, 'map one'), '');
  mkdirSync(join(cwd, 'dir'));
  writeFileSync(
    join(cwd, 'info'),
    '{\n\t"devices": [\n\t\t{\n\t\t\t"minor": 3,\n\t\t\t"block_device": "/dev/sdb1",\n\t\t\t"state": 3\n\t\t},\n\t\t{\n\t\t\t"minor": 12,\n\t\t\t"state": 3\n\t\t}\n\t]\n}\n',
  );
});
afterAll(() => rmSync(cwd, { recursive: true }));

describe.each([verbs, single])('the manual of $name', (program) => {
  it('pleases mandoc', () => expect(lintManual(manPage(program))).toEqual([]));
  it('would not, were it wrong', () =>
    expect(lintManual(manPage(program).replace('.El', ''))).not.toEqual([]));
});

it('a manual shows every part', () => {
  const page = manPage(verbs);
  for (const part of [
    '.It Cm begin',
    'Ar cow-file',
    '.Fl -many Ar DEV:COW ...',
    '.Op Fl f Ar MIB',
    '.It 130',
    '\\(lqnothing\\(rq',
  ]) {
    expect(page).toContain(part);
  }
});

/** The status file of the driver is in the directory of the test. */
const local = (script: string) => script.replaceAll('/proc/datto-info', `${cwd}/info`);

describe.each([
  ['bash', bashCompletion, completeInBash],
  ['fish', fishCompletion, completeInFish],
] as const)('completion in %s', (_, generate, complete) => {
  const inShell = (...words: string[]) =>
    complete(local(generate(words[0] === 'demo' ? verbs : single)), words, cwd);

  it('offers verbs first', () => {
    expect(inShell('demo', '')).toEqual(expect.arrayContaining(['begin', 'end', 'help']));
    expect(inShell('demo', 'be')).toEqual(['begin']);
    expect(inShell('demo', 'help', 'e')).toContain('end');
  });

  it('offers options', () => {
    expect(inShell('demo', 'begin', '--')).toEqual(
      expect.arrayContaining(['--cow-size', '--mode', '--show', '--tag', '--json', '--help']),
    );
    expect(inShell('demo', 'end', '--')).not.toContain('--cow-size');
    expect(inShell('demo-copy', '--ra')).toEqual(['--rate']);
  });

  it('offers the values of an option', () => {
    expect(inShell('demo', 'begin', '--mode', '')).toEqual(['fast', 'safe']);
    expect(inShell('demo-copy', '--mode', '')).toEqual(['a', 'b']);
    expect(inShell('demo', 'begin', '-f', '')).toEqual([]);
    expect(inShell('demo', 'begin', '--many', '/dev/nul')).toEqual(['/dev/null']);
  });

  it('offers what a place is for', () => {
    expect(inShell('demo', 'end', '')).toEqual(expect.arrayContaining(['3', '12', '/dev/sdb1']));
    expect(inShell('demo', 'end', '--json', '1')).toContain('12');
    expect(inShell('demo', 'begin', '-f', '9', '/dev/a', './di').join()).toContain('disk.img');
    expect(inShell('demo', 'begin', '/dev/a', '/b', '')).toEqual(
      expect.arrayContaining(['3', '12']),
    );
    expect(inShell('demo', 'begin', '/dev/nul')).toEqual(['/dev/null']);
    expect(inShell('demo', 'begin', '/dev/a', '/b', '3', '')).toEqual([]);
  });

  it('offers files at every place of a command without verbs', () => {
    for (const before of [[], ['a'], ['a', 'b', 'c', 'd']]) {
      expect(inShell('demo-copy', ...before, 'di').sort()).toEqual(
        expect.arrayContaining(['disk.img']),
      );
    }
  });
});

describe('completion in zsh', () => {
  const screen = (line: string) => {
    const program = line.startsWith('demo ') ? verbs : single;
    return completeInZsh(`_${program.name}`, local(zshCompletion(program)), line, cwd);
  };

  it('of a program with verbs', () => {
    expect(screen('demo be')).toContain('demo begin');
    expect(screen('demo begin --mode ')).toMatch(/fast +safe/);
    expect(screen('demo end 1')).toContain('demo end 12');
    expect(screen('demo begin --many x --ma')).toContain('--many x --many');
  });

  it('of a program without verbs', () => {
    expect(screen('demo-copy --ra')).toContain('demo-copy --rate=');
    for (const before of ['', 'a ', 'a b c d ']) {
      expect(screen(`demo-copy ${before}disk`)).toContain(`demo-copy ${before}disk.img`);
    }
  });
});

it('the reference names each part', () => {
  const text = markdownReference(verbs);
  for (const part of [
    '## begin',
    '`-f, --cow-size MIB`',
    'demo.begin.v1.json',
    'JSON: with `--many` one object of schema `demo.many.v1`',
    '\ndemo begin [-f MIB] [--mode MODE] [-s] [-t TAG] --many DEV:COW...\n',
    '| 9 | partial copy |',
  ]) {
    expect(text).toContain(part);
  }
});

it('schemas are valid, and say no to what is missing', () => {
  const text = generatedFiles(verbs)['schema/demo.begin.v1.json'] as string;
  const validate = new Ajv2020({ strict: true }).compile(JSON.parse(text));
  expect(validate({ schema: 'demo.begin.v1', minor: 1 })).toBe(true);
  expect(validate({ schema: 'demo.begin.v2', minor: 1 })).toBe(false);
  expect(validate({ schema: 'demo.begin.v1' })).toBe(false);
  expect(generatedFiles(verbs)).toHaveProperty('schema/demo\\.many\\.v1\\.json');
});
