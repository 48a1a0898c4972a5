/** `stress`: rounds of the stress cases with fresh seeds, until the time is up or something is found. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Case, loadCases } from './cases.js';
import { run } from './exec.js';
import { loadKernel } from './kernel.js';
import { repoRoot } from './paths.js';
import { ensureRootFs } from './rootfs.js';
import { type CaseResult, reportLine, runCases } from './runner.js';

export interface StressOptions {
  readonly kernels: readonly string[];
  /** Names of suites: stress-NAME.sh in cases/, or NAME@FS for one file system; none: all of them. */
  readonly suites: readonly string[];
  /** Without it each round of each kernel has a seed of its own, made from the time. */
  readonly seed?: number;
  /** No round is begun later; 0: one round. */
  readonly minutes: number;
  /** How long each case goes on once it has begun. */
  readonly seconds: number;
  /** Without extension: .md and .json are written. */
  readonly report: string;
}

export interface StressRun extends CaseResult {
  readonly seed: number;
  /** uname -r of the kernel. */
  readonly release: string;
  /** What the case counted, by name. */
  readonly stats: Readonly<Record<string, number>>;
  /** What the case measured several times, by name. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

export async function stress(options: StressOptions): Promise<number> {
  const cases = stressCases(options.suites).map((one) => ({
    ...one,
    // What is left after the header's own seconds is for set-up and for what was begun.
    timeout: one.timeout + 2 * options.seconds,
  }));
  const begin = Date.now();
  const commit = await checkout();
  const runs: StressRun[] = [];
  const first = options.seed ?? begin;
  for (let round = 0; ; round++) {
    for (const kernel of options.kernels) {
      const seed = options.seed ?? roundSeed(first, round, kernel);
      runs.push(...(await oneRound(kernel, cases, seed, options.seconds)));
      writeReports(options, commit, runs);
      const failed = runs.find((run) => run.failures.length > 0);
      if (failed !== undefined) {
        process.stdout.write(`\nto see it again:\n  ${replayCommand(failed, options.seconds)}\n`);
        return 1;
      }
      if (
        Date.now() - begin >= options.minutes * 60_000 &&
        (round > 0 || isLast(options, kernel))
      ) {
        process.stdout.write(`\n${stressTable(runs)}`);
        return 0;
      }
    }
  }
}

function isLast(options: StressOptions, kernel: string): boolean {
  return kernel === options.kernels.at(-1);
}

export function isStress(one: Case): boolean {
  return one.name.startsWith('stress-');
}

export function stressCases(suites: readonly string[]): Case[] {
  const cases = loadCases(
    suites.length === 0 ? ['stress-*'] : suites.map((name) => `stress-${name}`),
  );
  if (cases.length === 0) throw new Error(`no suite ${suites.join(', ')}`);
  return cases;
}

async function oneRound(
  name: string,
  cases: readonly Case[],
  seed: number,
  seconds: number,
): Promise<StressRun[]> {
  const kernel = await loadKernel(name);
  const release = (await ensureRootFs(kernel)).version;
  process.stdout.write(`${name} (${release}), seed ${seed}\n`);
  const { results, directory } = await runCases({
    kernel,
    cases,
    jobs: 1,
    stopOnFailure: true,
    env: { ...passedOn(), STRESS_SEED: String(seed), STRESS_SECONDS: String(seconds) },
    onResult: (result) => process.stdout.write(`${reportLine(result)}\n`),
  });
  return results.map((result) => {
    const file = join(directory, name, result.name, 'log');
    // A VM that did not boot leaves none.
    const log = existsSync(file) ? readFileSync(file, 'utf8') : '';
    return { ...result, seed, release, stats: parseStats(log), samples: parseSamples(log) };
  });
}

/** What was tested: the commit, and whether files differ from it. */
async function checkout(): Promise<string> {
  const git = async (...args: string[]) =>
    (await run('git', args, { cwd: repoRoot, anyExit: true })).stdout.trim();
  const commit = (await git('rev-parse', 'HEAD')) || 'unknown';
  return (await git('status', '--porcelain')) === '' ? commit : `${commit} and changes`;
}

/** Variables that narrow a suite down, for the cases and for the command that repeats one. */
export function passedOn(): Record<string, string> {
  const names = ['STRESS_CALLS', 'STRESS_SHARE'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Small enough for any tool's arithmetic, different for each round and kernel. */
export function roundSeed(first: number, round: number, kernel: string): number {
  const hash = createHash('sha256')
    .update(JSON.stringify([first, round, kernel]))
    .digest();
  return hash.readUInt32LE(0);
}

/** Lines `stat NAME: NUMBER`; several of one name add up. */
export function parseStats(log: string): Record<string, number> {
  const stats: Record<string, number> = {};
  for (const [, name = '', value] of log.matchAll(/^stat (.+): (\d+)$/gm)) {
    stats[name] = (stats[name] ?? 0) + Number(value);
  }
  return stats;
}

/** Lines `sample NAME: NUMBER`, in their order. */
export function parseSamples(log: string): Record<string, number[]> {
  const samples: Record<string, number[]> = {};
  for (const [, name = '', value] of log.matchAll(/^sample (.+): (\d+)$/gm)) {
    samples[name] ??= [];
    samples[name].push(Number(value));
  }
  return samples;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

export function replayCommand(run: StressRun, seconds: number): string {
  const suite = run.name.replace(/^stress-/, '');
  const env = Object.entries(passedOn()).map(([name, value]) => `${name}='${value}' `);
  return `${env.join('')}npm run test:stress -- --kernel ${run.kernel} --suite ${suite} --seed ${run.seed} --seconds ${seconds}`;
}

/** Markdown: of which commit, on which kernels. */
export function stressHeader(commit: string, runs: readonly StressRun[]): string {
  const kernels = new Set(runs.map((run) => `- ${run.kernel}: Linux ${run.release}\n`));
  return `# Stress\n\nCommit ${commit}\n\n${[...kernels].join('')}\n`;
}

/** Markdown: what ran, for how long, from which seeds, the sum of what each suite counted, the median of what it measured. */
export function stressTable(runs: readonly StressRun[]): string {
  const suites = [...new Set(runs.map((run) => run.name))].sort();
  const parts = suites.map((suite) => {
    const mine = runs.filter((run) => run.name === suite);
    const rows = mine.map(
      (run) =>
        `| ${run.kernel} | ${run.seed} | ${run.seconds.toFixed(0)} s | ${run.failures.length === 0 ? 'passed' : '**FAILED**'} |\n`,
    );
    const sums = parseStats(
      mine
        .flatMap((run) => Object.entries(run.stats).map(([name, n]) => `stat ${name}: ${n}`))
        .join('\n'),
    );
    const stats = Object.entries(sums).map(([name, n]) => `| ${name} | ${n} |\n`);
    const names = new Set(mine.flatMap((run) => Object.keys(run.samples)));
    const medians = [...names].map(
      (name) => `| ${name}, median | ${median(mine.flatMap((run) => run.samples[name] ?? []))} |\n`,
    );
    const seconds = mine.reduce((sum, run) => sum + run.seconds, 0);
    return [
      `## ${suite}\n\n${mine.length} runs, ${(seconds / 60).toFixed(1)} minutes\n\n`,
      `| counted | |\n| --- | --- |\n${stats.join('')}${medians.join('')}\n`,
      `| kernel | seed | time | |\n| --- | --- | --- | --- |\n${rows.join('')}\n`,
    ].join('');
  });
  return parts.join('');
}

function writeReports(options: StressOptions, commit: string, runs: readonly StressRun[]): void {
  mkdirSync(dirname(options.report), { recursive: true });
  writeFileSync(
    `${options.report}.json`,
    `${JSON.stringify({ commit, seconds: options.seconds, runs }, null, 2)}\n`,
  );
  const failures = runs
    .filter((run) => run.failures.length > 0)
    .map(
      (run) =>
        `${replayCommand(run, options.seconds)}\n\n\`\`\`\n${run.failures.join('\n')}\n\`\`\`\n`,
    );
  writeFileSync(
    `${options.report}.md`,
    `${stressHeader(commit, runs)}${failures.join('')}${stressTable(runs)}`,
  );
}
