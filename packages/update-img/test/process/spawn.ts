import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Scene } from '../support.js';

let library: string | undefined;

/** Compiles the library that makes system calls fail, once. */
function faults(): string {
  if (library === undefined) {
    library = join(mkdtempSync(join(tmpdir(), 'faults-')), 'faults.so');
    const source = fileURLToPath(new URL('faults.c', import.meta.url));
    execFileSync('gcc', ['-O1', '-Wall', '-shared', '-fPIC', '-o', library, source, '-ldl']);
  }
  return library;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SpawnOptions {
  /** FAULT_* without that prefix; see faults.c. */
  readonly faults?: Readonly<Record<string, string>>;
  readonly started?: (child: ChildProcess) => void;
}

/** Runs update-img on a scene in a process of its own. */
export async function spawnUpdate(
  scene: Scene,
  args: readonly string[],
  { faults: injected = {}, started }: SpawnOptions = {},
): Promise<Ended> {
  const { bytes, seqid, snapshotFile, directory } = scene;
  const { uuid } = await scene.datto.info(0);
  const about = { bytes, seqid, snapshotFile, uuid: Buffer.from(uuid).toString('hex') };
  const program = fileURLToPath(new URL('child.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', program, JSON.stringify(about), ...args],
    {
      env: {
        ...process.env,
        LD_PRELOAD: faults(),
        FAULT_DIRECTORY: directory,
        // It would make system calls of its own.
        UV_USE_IO_URING: '0',
        ...Object.fromEntries(
          Object.entries(injected).map(([name, text]) => [`FAULT_${name}`, text]),
        ),
      },
    },
  );
  started?.(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
