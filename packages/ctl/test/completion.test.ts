/** The completions that the package ships, in the real shells. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandsOf } from '@dbd/cli-kit';
import { completeInBash, completeInFish, completeInZsh, lintManual } from '@dbd/cli-kit/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { program } from '../src/program.js';
import { Machine } from './support.js';

const shipped = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const verbs = commandsOf(program).map(({ name }) => name);
let directory: string;

/** A status file of a driver with two devices stands in for /proc/datto-info. */
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'ctl-completion-'));
  const { driver, ...machine } = new Machine();
  expect(machine.loads).toBe(0);
  driver.blockDevices.set('/dev/sdc1', { bytes: 2 ** 30, mountPoint: '/srv' });
  await driver.setupSnap('/dev/sdb1', '/mnt/a', 0n, 0n, 3);
  await driver.setupSnap('/dev/sdc1', '/srv/a', 0n, 0n, 17);
  writeFileSync(join(directory, 'info'), await driver.readStatus());
  writeFileSync(join(directory, 'datto.cow'), '');
});
afterAll(() => rmSync(directory, { recursive: true }));

const local = (path: string) => shipped(path).replaceAll('/proc/datto-info', `${directory}/info`);

it('the manual pleases mandoc, and names each verb', () => {
  const page = shipped('man/dbdctl.8');
  expect(lintManual(page)).toEqual([]);
  for (const verb of verbs) expect(page).toContain(`.It Cm ${verb}\n`);
});

describe.each([
  ['bash', 'completions/dbdctl.bash', completeInBash],
  ['fish', 'completions/dbdctl.fish', completeInFish],
] as const)('%s', (_, path, complete) => {
  const offered = (...words: string[]) => complete(local(path), ['dbdctl', ...words], directory);

  it('knows the verbs', () => {
    expect(offered('')).toEqual(expect.arrayContaining(verbs));
    expect(offered('tr').sort()).toEqual(['transition-to-incremental', 'transition-to-snapshot']);
  });

  it('knows the options of each verb', () => {
    for (const { name, options } of commandsOf(program)) {
      const flags = options.map((option) => `--${option.name}`);
      expect(offered(name, '--')).toEqual(expect.arrayContaining([...flags, '--json', '--help']));
    }
  });

  it('knows what can be named', () => {
    expect(offered('destroy', '').sort()).toEqual(['/dev/sdb1', '/dev/sdc1', '17', '3']);
    expect(offered('expand-cow-file', '100', '1')).toEqual(['17']);
    expect(offered('changed', '--format', 'c')).toEqual(['csv']);
    expect(offered('changed', 'dat')).toEqual(['datto.cow']);
  });
});

describe('zsh', () => {
  const screen = (line: string) =>
    completeInZsh('_dbdctl', local('completions/_dbdctl'), line, directory);

  it('completes what is unique, and lists what is not', () => {
    expect(screen('dbdctl setup-')).toContain('dbdctl setup-snapshot ');
    const transitions = screen('dbdctl transition-to-');
    expect(transitions).toContain('End the snapshot and go on tracking what changes');
    expect(transitions).toContain('transition-to-snapshot');
  });

  it('knows options, devices and files', () => {
    expect(screen('dbdctl setup-snapshot --cow-')).toContain('--cow-size=');
    expect(screen('dbdctl changed --format c')).toContain('dbdctl changed --format csv');
    const devices = screen('dbdctl destroy ');
    for (const one of ['3', '17', '/dev/sdb1', '/dev/sdc1']) expect(devices).toContain(one);
    expect(screen('dbdctl inspect dat')).toContain('dbdctl inspect datto.cow');
  });
});
