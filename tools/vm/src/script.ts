/** `run --script`: one script in one VM, its output and the kernel's messages as they come. */
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { findProblems } from './dmesg.js';
import { loadKernel } from './kernel.js';
import { buildGuestTools, buildModule, type ModuleSource } from './kmod.js';
import { note } from './log.js';
import { ensureRootFs } from './rootfs.js';
import { diskName, type Vm } from './vm.js';
import { createVm, createWorkplace } from './workplace.js';

export interface ScriptRequest {
  readonly kernel: string;
  readonly script?: string;
  readonly disks: readonly number[];
  readonly timeout: number;
  readonly source: ModuleSource;
  /** NAME=VALUE, for the script. */
  readonly env?: readonly string[];
  /** The kernel log is shown only when something is wrong with it. */
  readonly quiet?: boolean;
  /** See VmOptions. */
  readonly countInstructions?: boolean;
  /** What the script leaves in ./keep is copied here. */
  readonly keep?: string;
  /** A shell on the terminal after the script, or instead of it. */
  readonly shell: boolean;
}

/** Returns the script's exit status, or 1 when the VM was lost or the kernel complained. */
export async function runScript(request: ScriptRequest): Promise<number> {
  const rootFs = await ensureRootFs(await loadKernel(request.kernel));
  const module = await buildModule(rootFs, request.source);
  if (module.warnings) process.stderr.write(module.log);
  const tools = await buildGuestTools(rootFs);
  const workplace = createWorkplace();
  const vm = createVm(workplace, 'vm', {
    rootFs,
    disks: request.disks,
    modules: [module],
    tools,
    countInstructions: request.countInstructions ?? false,
  });
  try {
    note(`booting ${rootFs.version}`);
    await vm.start();
    note('booted');
    let status = 0;
    if (request.script !== undefined) status = await runJob(vm, request, request.script);
    if (request.shell && vm.alive) await vm.shell();
    await vm.stop();
    return status;
  } finally {
    vm.kill();
    workplace.remove();
  }
}

async function runJob(vm: Vm, request: ScriptRequest, script: string): Promise<number> {
  const dir = join(vm.share, 'job');
  mkdirSync(dir);
  cpSync(script, join(dir, 'script'));
  chmodSync(join(dir, 'script'), 0o755);
  const environment = (request.env ?? []).map((assignment) => `export ${assignment}`);
  const disks = request.disks.map((_, index) => `export DISK${index + 1}=${diskName(index)}`);
  writeFileSync(
    join(dir, 'run'),
    [
      ...environment,
      ...disks,
      `export KO=/share/guest/${request.source.module}`,
      'exec bash ./script',
      '',
    ].join('\n'),
  );
  const stop = follow(join(dir, 'log'));
  const result = await vm.job('job', request.timeout);
  stop();
  const kept = join(dir, 'keep');
  if (request.keep !== undefined && existsSync(kept)) {
    cpSync(kept, request.keep, { recursive: true });
  }
  const dmesgFile = join(dir, 'dmesg');
  const dmesg = existsSync(dmesgFile) ? readFileSync(dmesgFile, 'utf8') : vm.readConsole();
  const problems = findProblems(dmesg);
  if (!request.quiet || problems.length > 0 || result.kind === 'lost' || result.status !== 0) {
    process.stdout.write(`--- dmesg\n${dmesg}---\n`);
  }
  for (const problem of problems) note(`kernel: ${problem}`);
  if (result.kind === 'lost') {
    note(`the VM was lost: ${result.why}`);
    return 1;
  }
  note(`exit status ${result.status}${result.status === 124 ? ' (time limit)' : ''}`);
  return result.status || (problems.length > 0 ? 1 : 0);
}

/** Copies what is appended to a file to stdout. */
function follow(path: string): () => void {
  let offset = 0;
  const buffer = Buffer.alloc(65536);
  const copy = () => {
    if (!existsSync(path)) return;
    const fd = openSync(path, 'r');
    for (let n = readSync(fd, buffer, 0, buffer.length, offset); n > 0; ) {
      process.stdout.write(buffer.subarray(0, n));
      offset += n;
      n = readSync(fd, buffer, 0, buffer.length, offset);
    }
    closeSync(fd);
  };
  const timer = setInterval(copy, 200);
  return () => {
    clearInterval(timer);
    copy();
  };
}
