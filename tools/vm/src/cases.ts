/** Cases: bash files whose header says what they need. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { toolRoot } from './paths.js';
import { parseSize } from './size.js';

export interface Case {
  /** File name without .sh, and the file system where it runs on several. */
  readonly name: string;
  readonly file: string;
  readonly disks: readonly number[];
  readonly fs: string;
  readonly mkfs: string;
  /** Seconds, on a machine that does nothing else. */
  readonly timeout: number;
  readonly start: 'none' | 'module' | 'fs';
  /** The case runs this often, with the machine shut down in between. */
  readonly boots: number;
  /**
   * How it goes down: off, shut down as said; cut, its power is cut instead, and the case is still running when it
   * returns; self, by the case, which does not return.
   */
  readonly power: Power;
  /** Left out of a quick run. */
  readonly slow: boolean;
  /** Kernel messages that belong to the case. */
  readonly dmesgAllow?: RegExp;
  /** Names of the kernels that it can run on, should it not be all. */
  readonly kernels?: RegExp;
}

const POWERS = ['off', 'cut', 'self'] as const;
type Power = (typeof POWERS)[number];

function isPower(text: string): text is Power {
  return (POWERS as readonly string[]).includes(text);
}

const KEYS = [
  'disks',
  'fs',
  'mkfs',
  'timeout',
  'start',
  'boots',
  'power',
  'slow',
  'kernels',
  'dmesg-allow',
];

export function loadCases(patterns: readonly string[]): Case[] {
  const dir = join(toolRoot, 'cases');
  const matchers = patterns.map(globToRegExp);
  return readdirSync(dir)
    .filter((name) => name.endsWith('.sh'))
    .sort()
    .flatMap((name) => parseCase(join(dir, name), readFileSync(join(dir, name), 'utf8')))
    .filter((one) => matchers.length === 0 || matchers.some((matcher) => matcher.test(one.name)));
}

export function parseCase(file: string, text: string): Case[] {
  const header = parseHeader(file, text);
  const name = basename(file, '.sh');
  const words = (key: string, fallback: string) =>
    (header.get(key) ?? fallback).split(/\s+/).filter((word) => word !== '');
  const start = header.get('start') ?? 'fs';
  if (start !== 'none' && start !== 'module' && start !== 'fs') {
    throw new Error(`${file}: start is none, module or fs, not "${start}"`);
  }
  const timeout = Number(header.get('timeout') ?? 120);
  if (!(timeout > 0)) throw new Error(`${file}: timeout is a number of seconds`);
  const boots = Number(header.get('boots') ?? 1);
  if (!(boots >= 1)) throw new Error(`${file}: boots is a number from 1`);
  const power = header.get('power') ?? 'off';
  if (!isPower(power)) throw new Error(`${file}: power is ${POWERS.join(', ')}`);
  const fileSystems = words('fs', 'ext4');
  const slow = words('slow', '');
  if (!slow.every((word) => word === 'yes' || fileSystems.includes(word))) {
    throw new Error(`${file}: slow is yes, or some of ${fileSystems.join(' ')}`);
  }
  const allow = header.get('dmesg-allow');
  const kernels = header.get('kernels');
  return fileSystems.map((fs) => ({
    name: fileSystems.length > 1 ? `${name}@${fs}` : name,
    file,
    disks: words('disks', '512M').map(parseSize),
    fs,
    mkfs: header.get('mkfs') ?? '',
    timeout,
    start,
    boots,
    power,
    slow: slow.includes('yes') || slow.includes(fs),
    ...(kernels === undefined ? {} : { kernels: globToRegExp(kernels) }),
    ...(allow === undefined ? {} : { dmesgAllow: new RegExp(allow) }),
  }));
}

/** The comment block at the top; a misspelt key is an error, not a comment. */
function parseHeader(file: string, text: string): Map<string, string> {
  const header = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (!line.startsWith('#')) break;
    const match = /^# ([a-z-]+): +(.*)$/.exec(line);
    if (match === null) continue;
    const [, key = '', value = ''] = match;
    if (!KEYS.includes(key))
      throw new Error(`${file}: unknown header key "${key}"; there are: ${KEYS.join(', ')}`);
    header.set(key, value.trim());
  }
  return header;
}

function globToRegExp(glob: string): RegExp {
  const escaped = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.');
  // `setup` also means all file systems of it.
  return new RegExp(`^${escaped}(@.*)?$`);
}

/** The smallest set of disks from which each case can take its own. */
export function diskPool(cases: readonly Case[]): number[] {
  const most = new Map<number, number>();
  for (const one of cases) {
    for (const size of new Set(one.disks)) {
      const count = one.disks.filter((other) => other === size).length;
      most.set(size, Math.max(most.get(size) ?? 0, count));
    }
  }
  return [...most]
    .sort(([a], [b]) => a - b)
    .flatMap(([size, count]) => Array<number>(count).fill(size));
}

/** Indexes into the pool, one for each disk of the case. */
export function pickDisks(pool: readonly number[], one: Case): number[] {
  const taken = new Set<number>();
  return one.disks.map((size) => {
    const index = pool.findIndex((candidate, i) => candidate === size && !taken.has(i));
    if (index < 0) throw new Error(`${one.name}: no disk of ${size} bytes in the pool`);
    taken.add(index);
    return index;
  });
}
