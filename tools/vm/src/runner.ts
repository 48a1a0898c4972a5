/** Shares the cases out among VMs, one job at a time in each, and judges what comes back. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { type Case, diskPool, pickDisks } from './cases.js';
import { findProblems } from './dmesg.js';
import { tail } from './exec.js';
import type { Kernel } from './kernel.js';
import { buildGuestTools, buildModules } from './kmod.js';
import { ensureRootFs } from './rootfs.js';
import { diskName, type Vm } from './vm.js';
import {
  createVm,
  createWorkplace,
  openResults,
  type VmSetup,
  type Workplace,
} from './workplace.js';

export interface CaseResult {
  readonly name: string;
  readonly kernel: string;
  readonly seconds: number;
  /** Empty when the case passed. */
  readonly failures: readonly string[];
}

export interface RunnerOptions {
  readonly kernel: Kernel;
  readonly cases: readonly Case[];
  /** How many VMs at the same time. */
  readonly jobs: number;
  readonly onResult: (result: CaseResult) => void;
  /** More variables for the cases. */
  readonly env?: Readonly<Record<string, string>>;
  /** No further case is begun after one that failed. */
  readonly stopOnFailure?: boolean;
}

/** Runs all cases on one kernel; returns their results and where the logs are. */
export async function runCases(
  options: RunnerOptions,
): Promise<{ results: CaseResult[]; directory: string }> {
  const { kernel, onResult } = options;
  const cases = options.cases.filter((one) => one.kernels?.test(kernel.name) ?? true);
  if (cases.length === 0) throw new Error(`none of these cases is for ${kernel.name}`);
  const rootFs = await ensureRootFs(kernel);
  const modules = await buildModules(rootFs);
  for (const { warnings, log } of modules) if (warnings) process.stderr.write(log);
  const tools = await buildGuestTools(rootFs);
  const pool = diskPool(cases);
  const setup: VmSetup = { rootFs, disks: pool, modules, tools };
  const workplace = createWorkplace();
  openResults(workplace);
  // The longest first, so that the VMs end at about the same time.
  const queue = [...cases].sort((a, b) => b.timeout - a.timeout);
  const results: CaseResult[] = [];
  const worker = async (id: number) => {
    const seat = new Seat(workplace, `vm${id}`, setup, options.env ?? {});
    try {
      for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
        const result = await seat.run(one, kernel.name);
        results.push(result);
        onResult(result);
        if (options.stopOnFailure && result.failures.length > 0) queue.length = 0;
      }
    } finally {
      await seat.close();
    }
  };
  try {
    const count = Math.min(options.jobs, cases.length);
    await Promise.all(Array.from({ length: count }, (_, id) => worker(id)));
  } finally {
    workplace.remove();
  }
  return { results, directory: workplace.results };
}

/** A place where one VM at a time runs; it gets a new VM when the last one cannot be trusted any more. */
class Seat {
  readonly #workplace: Workplace;
  readonly #name: string;
  readonly #setup: VmSetup;
  readonly #env: Readonly<Record<string, string>>;
  #vm: Vm | undefined;
  #boots = 0;

  constructor(
    workplace: Workplace,
    name: string,
    setup: VmSetup,
    env: Readonly<Record<string, string>>,
  ) {
    this.#workplace = workplace;
    this.#name = name;
    this.#setup = setup;
    this.#env = env;
  }

  async run(one: Case, kernel: string): Promise<CaseResult> {
    const begin = Date.now();
    let failures: string[];
    try {
      const vm = await this.#booted();
      failures = await this.#runIn(vm, one, kernel);
    } catch (error) {
      failures = [error instanceof Error ? error.message : String(error)];
      await this.#discard();
    }
    return { name: one.name, kernel, seconds: (Date.now() - begin) / 1000, failures };
  }

  async close(): Promise<void> {
    await this.#vm?.stop();
    await this.#discard();
  }

  async #booted(): Promise<Vm> {
    if (this.#vm?.alive) return this.#vm;
    await this.#discard();
    const vm = createVm(this.#workplace, `${this.#name}-${this.#boots++}`, this.#setup);
    this.#vm = vm;
    await vm.start();
    return vm;
  }

  async #discard(): Promise<void> {
    const vm = this.#vm;
    this.#vm = undefined;
    if (vm === undefined) return;
    vm.kill();
    rmSync(vm.dir, { recursive: true, force: true });
  }

  async #runIn(vm: Vm, one: Case, kernel: string): Promise<string[]> {
    const job = join('jobs', one.name);
    const dir = join(vm.share, job);
    mkdirSync(dir, { recursive: true });
    cpSync(one.file, join(dir, 'case'));
    const failures: string[] = [];
    let log = '';
    let dmesg = '';
    let console = '';
    for (let boot = 1; boot <= one.boots && failures.length === 0; boot++) {
      if (boot > 1) {
        const printed = vm.readConsole().length;
        await (one.power === 'cut' ? vm.cut() : vm.stop());
        const atShutdown = vm.readConsole().slice(printed);
        console += atShutdown;
        failures.push(...kernelProblems(one, atShutdown, 'at shutdown'));
        await vm.start();
      }
      writeFileSync(join(dir, 'run'), this.#environment(one, boot));
      const consoleBefore = boot > 1 ? 0 : vm.readConsole().length;
      const limit = Math.ceil(one.timeout * slowdown(this.#setup.rootFs.kernel));
      const result = await vm.job(job, limit);
      const printed = vm.readConsole().slice(consoleBefore);
      console += printed;
      log += readOr(join(dir, 'log'), '');
      const messages = readOr(join(dir, 'dmesg'), printed);
      dmesg += messages;
      if (one.power === 'self' && boot < one.boots) {
        if (result.kind === 'done' || !result.down) failures.push('the machine did not go down');
      } else if (result.kind === 'lost') failures.push(result.why);
      else if (result.status === 124 || result.status === 137)
        failures.push(`not done within ${limit} s`);
      else if (result.status !== 0)
        failures.push(lastFailure(log) ?? `exit status ${result.status}`);
      failures.push(
        ...kernelProblems(one, readOr(join(dir, 'dmesg-before'), ''), 'before the case'),
        ...kernelProblems(one, messages, ''),
      );
    }
    const keep = join(this.#workplace.results, kernel, one.name);
    mkdirSync(keep, { recursive: true });
    for (const [file, text] of Object.entries({ log, dmesg, console })) {
      writeFileSync(join(keep, file), text);
    }
    const artefacts = join(dir, 'keep');
    if (existsSync(artefacts)) cpSync(artefacts, join(keep, 'keep'), { recursive: true });
    if (failures.length > 0) {
      failures.push(`--- log\n${tail(log, 30)}`, `--- dmesg\n${tail(dmesg, 40)}`);
    }
    // A case that went wrong may have left anything behind.
    if (failures.length > 0 || !existsSync(join(dir, 'clean'))) await this.#discard();
    return failures;
  }

  #environment(one: Case, boot: number): string {
    const disks = pickDisks(this.#setup.disks, one).map(diskName);
    const variables = {
      ...this.#env,
      CASE: one.name,
      FS: one.fs,
      MKFS: one.mkfs,
      START: one.start,
      BOOT: String(boot),
      BOOTS: String(one.boots),
      SLOWDOWN: String(Math.ceil(slowdown(this.#setup.rootFs.kernel))),
      DISKS: disks.join(' '),
      ...Object.fromEntries(disks.map((disk, index) => [`DISK${index + 1}`, disk])),
    };
    const exports = Object.entries(variables).map(([name, value]) => `export ${name}='${value}'`);
    return [...exports, 'exec bash /share/guest/runcase', ''].join('\n');
  }
}

/** How much longer things take than on a machine that only runs us, at most so much that a hang still ends. */
function slowness(): number {
  const [load = 0] = loadavg();
  return Math.min(Math.max(load / availableParallelism(), 1), 5);
}

/** By how much limits of time are to be larger. */
function slowdown(kernel: Kernel): number {
  return slowness() * (kernel.slowdown ?? 1);
}

function lastFailure(log: string): string | undefined {
  return log.split('\n').find((line) => /^(FAILED|AFTER THE CASE)/.test(line));
}

function kernelProblems(one: Case, messages: string, when: string): string[] {
  return findProblems(messages, one.dmesgAllow).map(
    (line) => `kernel${when && ` ${when}`}: ${line}`,
  );
}

function readOr(path: string, fallback: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : fallback;
}

export function reportLine(result: CaseResult): string {
  const verdict = result.failures.length === 0 ? 'PASS' : 'FAIL';
  const line = `${verdict} ${result.kernel} ${result.name} (${result.seconds.toFixed(1)} s)`;
  return [line, ...result.failures.map((text) => text.replace(/^/gm, '     '))].join('\n');
}
