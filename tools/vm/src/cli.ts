import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Case, loadCases } from './cases.js';
import { prepareHost } from './host.js';
import { kernelNames, loadKernel, packagedKernelNames } from './kernel.js';
import { buildGuestTools, buildModule, driver, type ModuleSource } from './kmod.js';
import { note } from './log.js';
import { matrixTable } from './matrix.js';
import { repoRoot, toolRoot } from './paths.js';
import { ensureRootFs, hasRootFs } from './rootfs.js';
import { type CaseResult, reportLine, runCases } from './runner.js';
import { runScript } from './script.js';
import { parseSize } from './size.js';
import { isStress, passedOn, stress } from './stress.js';

const DEFAULT_KERNEL = 'bookworm-6.1';
/** A VM emulates on one core, and cases wait a good part of their time. */
const DEFAULT_JOBS = availableParallelism() + 1;

const USAGE = `usage:
  cli.ts build  [--kernel NAME]... [--tools]          build the module only; a warning fails. --tools: the
                                                      guest's tools too; the last lines say where both are
  cli.ts run    [--kernel NAME] --script FILE [--disk SIZE]... [--timeout S] [--shell] [--quiet] [--env A=B]...
             [--count-instructions]                   the guest's second is 10^9 of its instructions
             [--keep DIR]                             what it leaves in ./keep
  cli.ts fixtures [--kernel NAME]                     COW files for packages/cow-format, by the real driver
  cli.ts shell  [--kernel NAME] [--disk SIZE]...      a shell in a VM
  cli.ts test   [--kernel NAME]... [--case GLOB]... [--jobs N] [--report FILE] [--quick] [--if-built]
                                                      --jobs: how many VMs at a time (default: one more
                                                      than there are cores); --quick: without the slow ones;
                                                      --if-built: not on kernels that would have to be built
  cli.ts matrix [--kernel NAME]... [--case GLOB]... [--jobs N] [--report FILE]
                                                      all cases on all kernels, those of stress only when
                                                      named; FILE.json and the table FILE.md
  cli.ts stress [--kernel NAME]... [--suite NAME]... [--seed N] [--minutes N] [--seconds N] [--report FILE]
                                                      rounds of cases/stress-NAME.sh, each N seconds long, until
                                                      the time is up; FILE.json and FILE.md
  cli.ts list                                         kernels and cases
kernels: ${kernelNames().join(', ')}
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      kernel: { type: 'string', multiple: true },
      case: { type: 'string', multiple: true },
      script: { type: 'string' },
      disk: { type: 'string', multiple: true },
      timeout: { type: 'string', default: '120' },
      module: { type: 'string' },
      jobs: { type: 'string', default: String(DEFAULT_JOBS) },
      quiet: { type: 'boolean', default: false },
      'count-instructions': { type: 'boolean', default: false },
      env: { type: 'string', multiple: true },
      keep: { type: 'string' },
      report: { type: 'string' },
      quick: { type: 'boolean', default: false },
      tools: { type: 'boolean', default: false },
      'if-built': { type: 'boolean', default: false },
      shell: { type: 'boolean', default: false },
      suite: { type: 'string', multiple: true },
      seed: { type: 'string' },
      minutes: { type: 'string', default: '0' },
      seconds: { type: 'string', default: '240' },
      help: { type: 'boolean', default: false },
    },
  });
  const kernels = values.kernel ?? [DEFAULT_KERNEL];
  const command = positionals[0];
  if (values.help || command === undefined) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  if (command === 'list') {
    for (const name of kernelNames()) process.stdout.write(`kernel ${name}\n`);
    for (const one of loadCases([])) process.stdout.write(`case   ${one.name}\n`);
    return 0;
  }
  await prepareHost();
  switch (command) {
    case 'build': {
      let warnings = false;
      for (const name of kernels) {
        const rootFs = await ensureRootFs(await loadKernel(name));
        const build = await buildModule(rootFs, moduleSource(values.module));
        process.stdout.write(`${build.log}${build.dir}\n`);
        if (values.tools) process.stdout.write(`${(await buildGuestTools(rootFs)).dir}\n`);
        warnings ||= build.warnings;
      }
      return warnings ? 1 : 0;
    }
    case 'run':
    case 'shell': {
      if (command === 'run' && values.script === undefined) throw new Error('run needs --script');
      return runScript({
        kernel: kernels[0] ?? DEFAULT_KERNEL,
        ...(values.script === undefined ? {} : { script: resolve(values.script) }),
        disks: (values.disk ?? ['512M']).map(parseSize),
        timeout: Number(values.timeout),
        source: moduleSource(values.module),
        ...(values.keep === undefined ? {} : { keep: resolve(values.keep) }),
        quiet: values.quiet,
        countInstructions: values['count-instructions'],
        env: values.env ?? [],
        shell: values.shell || command === 'shell',
      });
    }
    case 'fixtures':
      return runScript({
        kernel: kernels[0] ?? DEFAULT_KERNEL,
        script: join(toolRoot, 'fixtures.sh'),
        disks: ['64M', '67110400'].map(parseSize),
        timeout: 300,
        source: driver,
        keep: join(repoRoot, 'packages/cow-format/test/fixtures'),
        shell: false,
      });
    case 'test':
      return test(
        values['if-built'] ? await onlyBuilt(kernels) : kernels,
        select(values.case, values.quick),
        wholeNumber('jobs', values.jobs, 1),
        values.report,
      );
    case 'matrix':
      return test(
        values.kernel ?? packagedKernelNames(),
        select(values.case, values.quick).filter(
          (one) => values.case !== undefined || !isStress(one),
        ),
        wholeNumber('jobs', values.jobs, 1),
        values.report ?? join(repoRoot, 'test-results/matrix.json'),
        true,
      );
    case 'stress':
      return stress({
        kernels,
        suites: values.suite ?? [],
        ...(values.seed === undefined ? {} : { seed: wholeNumber('seed', values.seed) }),
        minutes: wholeNumber('minutes', values.minutes),
        seconds: wholeNumber('seconds', values.seconds),
        report: values.report ?? join(repoRoot, 'test-results/stress'),
      });
    default:
      process.stdout.write(USAGE);
      return 2;
  }
}

function wholeNumber(name: string, text: string, from = 0): number {
  if (!/^\d+$/.test(text) || Number(text) < from)
    throw new Error(`--${name} is a whole number from ${from}, not "${text}"`);
  return Number(text);
}

function select(patterns: readonly string[] = [], quick: boolean): Case[] {
  const cases = loadCases(patterns).filter((one) => !(quick && one.slow));
  if (cases.length === 0) throw new Error(`no case matches ${patterns.join(' ')}`);
  return cases;
}

async function onlyBuilt(names: readonly string[]): Promise<string[]> {
  const built: string[] = [];
  for (const name of names) {
    if (hasRootFs(await loadKernel(name))) built.push(name);
    else process.stdout.write(`left out: ${name}, which this machine has not built\n`);
  }
  return built;
}

async function test(
  kernels: readonly string[],
  cases: readonly Case[],
  jobs: number,
  report: string | undefined,
  table = false,
): Promise<number> {
  const all: CaseResult[] = [];
  if (report !== undefined) writeReport(report, all, table);
  for (const name of kernels) {
    all.push(...(await testOn(name, cases, jobs)));
    // After each kernel, so that a run that is ended leaves what it found out.
    if (report !== undefined) writeReport(report, all, table);
  }
  const failed = countFailed(all);
  if (table) process.stdout.write(`\n${matrixTable(all)}\n`);
  process.stdout.write(`${all.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

/** A kernel that the module cannot be built for, or that cannot be had, is one failure. */
async function testOn(name: string, cases: readonly Case[], jobs: number): Promise<CaseResult[]> {
  const onResult = (result: CaseResult) => {
    process.stdout.write(`${reportLine(result)}\n`);
  };
  const begin = Date.now();
  try {
    const { results, directory } = await runCases({
      kernel: await loadKernel(name),
      cases,
      jobs,
      onResult,
      env: passedOn(),
    });
    note(`logs: ${directory}`);
    return results;
  } catch (error) {
    const seconds = (Date.now() - begin) / 1000;
    const failures = [error instanceof Error ? error.message : String(error)];
    const result = { name: '(set-up)', kernel: name, seconds, failures };
    onResult(result);
    return [result];
  }
}

function countFailed(results: readonly CaseResult[]): number {
  return results.filter((result) => result.failures.length > 0).length;
}

function writeReport(file: string, results: readonly CaseResult[], table: boolean): void {
  const failed = countFailed(results);
  const counts = { passed: results.length - failed, failed, results };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(counts, null, 2)}\n`);
  if (table) writeFileSync(file.replace(/(\.json)?$/, '.md'), matrixTable(results));
}

/** Another module than the driver, as DIR/NAME.ko: for trying the harness or an experiment. */
function moduleSource(path: string | undefined): ModuleSource {
  if (path === undefined) return driver;
  return { dir: resolve(dirname(path)), module: basename(path) };
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
