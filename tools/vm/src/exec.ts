/** Child processes whose output is kept for the error message and shown only when asked for. */
import { type SpawnOptions, spawn } from 'node:child_process';
import { onCleanup } from './cleanup.js';

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  /** Called with each piece of output as it comes. */
  readonly onOutput?: (text: string) => void;
  /** Accept any exit code instead of throwing. */
  readonly anyExit?: boolean;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const TAIL_LINES = 60;

export function tail(text: string, lines = TAIL_LINES): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

/** Runs a program to its end. Its process group dies with us. */
export function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const spawnOptions: SpawnOptions = { stdio: ['pipe', 'pipe', 'pipe'], detached: true };
    if (options.cwd !== undefined) spawnOptions.cwd = options.cwd;
    if (options.env !== undefined) spawnOptions.env = options.env;
    const child = spawn(command, [...args], spawnOptions);
    const forget = onCleanup(() => killGroup(child.pid));
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      options.onOutput?.(text);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      options.onOutput?.(text);
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
    child.on('error', (error) => {
      forget();
      reject(new Error(`cannot run ${command}: ${error.message}`, { cause: error }));
    });
    child.on('close', (status, signal) => {
      forget();
      const code = status ?? 128;
      if (code !== 0 && !options.anyExit) {
        const how = signal ? `was ended by ${signal}` : `exited ${code}`;
        reject(new Error(`${command} ${args.join(' ')} ${how}\n${tail(stdout + stderr)}`));
      } else {
        resolve({ code, stdout, stderr });
      }
    });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
