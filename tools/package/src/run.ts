import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';

/** Runs a program, its output shown. Throws when it fails. */
export function run(command: string, args: readonly string[], options: ExecFileSyncOptions = {}) {
  execFileSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
}

/** Runs a program and returns what it prints. */
export function read(command: string, args: readonly string[], options: ExecFileSyncOptions = {}) {
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const text = execFileSync(command, args, { stdio: [...stdio], maxBuffer: 1 << 28, ...options });
  return text.toString('utf8');
}
