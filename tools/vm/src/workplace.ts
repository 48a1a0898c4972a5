/** Directories of one run: a place for disks and shares that is removed, and one for results that stays. */
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { onCleanup } from './cleanup.js';
import type { Build, ModuleBuild } from './kmod.js';
import { cacheRoot, repoRoot, resultsRoot, runRoot, toolRoot } from './paths.js';
import type { RootFs } from './rootfs.js';
import { Vm } from './vm.js';

const KEPT_RESULTS = 20;

export interface Workplace {
  readonly dir: string;
  /** For logs; whoever writes the first one makes it. */
  readonly results: string;
  remove(): void;
}

export function createWorkplace(): Workplace {
  removeStale();
  const name = `${new Date().toISOString().replace(/[:.]/g, '-')}-${process.pid}`;
  const dir = join(runRoot, String(process.pid));
  const results = join(resultsRoot, name);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'holder'), holderId(process.pid));
  // A VM that was just killed may still be writing here.
  const remove = () =>
    rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  const forget = onCleanup(remove);
  return {
    dir,
    results,
    remove: () => {
      forget();
      remove();
    },
  };
}

/** Makes the directory for this run's logs, and removes those of runs long past. */
export function openResults(workplace: Workplace): void {
  mkdirSync(workplace.results, { recursive: true });
  for (const old of readdirSync(resultsRoot).sort().slice(0, -KEPT_RESULTS)) {
    rmSync(join(resultsRoot, old), { recursive: true, force: true });
  }
}

/** A run that was killed outright left its disks behind. */
function removeStale(): void {
  if (!existsSync(runRoot)) return;
  for (const name of readdirSync(runRoot)) {
    const dir = join(runRoot, name);
    try {
      const id = holderId(Number(name));
      const file = join(dir, 'holder');
      // Without the file, the process is about to write it.
      if (!existsSync(file) || readFileSync(file, 'utf8') === id) continue;
    } catch {
      // No such process.
    }
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Pid and start time, so that a recycled pid is not taken for the holder. */
function holderId(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z') throw new Error(`process ${pid} has ended`);
  return `${pid} ${fields[19]}`;
}

export interface VmSetup {
  readonly rootFs: RootFs;
  readonly disks: readonly number[];
  readonly modules: readonly ModuleBuild[];
  readonly tools: Build;
  /** See VmOptions. */
  readonly countInstructions?: boolean;
}

/** A VM that has the module, the tools, node and the checkout in place; not yet started. */
export function createVm(workplace: Workplace, name: string, setup: VmSetup): Vm {
  const vm = new Vm({
    rootFs: setup.rootFs,
    dir: join(workplace.dir, name),
    disks: setup.disks,
    mounts: { node: nodeShare(), repo: repoRoot },
    countInstructions: setup.countInstructions ?? false,
  });
  const guest = join(vm.share, 'guest');
  cpSync(join(toolRoot, 'guest'), guest, { recursive: true });
  cpSync(join(setup.tools.dir, 'bin'), join(guest, 'bin'), { recursive: true });
  for (const { dir, file } of setup.modules) cpSync(join(dir, file), join(guest, file));
  return vm;
}

/** A directory with nothing in it but this node's binary, so that no more of the host is shared. */
function nodeShare(): string {
  const dir = join(cacheRoot, 'node', `${process.version}-${statSync(process.execPath).size}`);
  const target = join(dir, 'node');
  if (existsSync(target)) return dir;
  mkdirSync(dir, { recursive: true });
  const partial = join(dir, `node.${process.pid}`);
  cpSync(process.execPath, partial, { dereference: true });
  try {
    linkSync(partial, target);
  } catch {
    // Another run was quicker.
  }
  rmSync(partial);
  return dir;
}
