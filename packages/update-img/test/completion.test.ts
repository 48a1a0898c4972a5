/** The manual and the completions that the package ships, in the real shells. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandsOf } from '@dbd/cli-kit';
import { completeInBash, completeInFish, completeInZsh, lintManual } from '@dbd/cli-kit/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { program } from '../src/program.js';

const shipped = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const [command] = commandsOf(program);
const flags = (command?.options ?? []).map(({ name }) => `--${name}`);
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'update-img-completion-'));
  writeFileSync(join(directory, 'datto.cow'), '');
});
afterAll(() => rmSync(directory, { recursive: true }));

it('the manual pleases mandoc, and names each option', () => {
  const page = shipped('man/update-img.8');
  expect(lintManual(page)).toEqual([]);
  expect(flags.length).toBeGreaterThan(5);
  for (const flag of flags) expect(page).toContain(`Fl ${flag.slice(1)}`);
});

describe.each([
  ['bash', 'completions/update-img.bash', completeInBash],
  ['fish', 'completions/update-img.fish', completeInFish],
] as const)('%s', (_, path, complete) => {
  const offered = (...words: string[]) =>
    complete(shipped(path), ['update-img', ...words], directory);

  it('knows the options', () => {
    expect(offered('--')).toEqual(expect.arrayContaining([...flags, '--json', '--help']));
    expect(offered('--bw')).toEqual(['--bwlimit']);
  });

  it('offers files at every place, and none for a rate', () => {
    for (const before of [[], ['/dev/datto0'], ['--full', '/dev/datto0', 'a', 'b']]) {
      expect(offered(...before, 'dat')).toEqual(['datto.cow']);
    }
    expect(offered('--bwlimit', '')).toEqual([]);
  });
});

it('zsh completes options and files', () => {
  const script = shipped('completions/_update-img');
  const screen = (line: string) => completeInZsh('_update-img', script, line, directory);
  expect(screen('update-img --che')).toContain('update-img --checksum');
  expect(screen('update-img /dev/datto0 dat')).toContain('/dev/datto0 datto.cow');
});
