/** For tests of programs: a world in memory. */
import type { Io } from '../run.js';
import type { Environment } from '../terminal.js';

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface World {
  readonly env?: Environment;
  /** Makes stdout and stderr terminals of so many columns. */
  readonly columns?: number;
  readonly signal?: AbortSignal;
}

/** Runs `main` and gathers what it writes. */
export async function capture(
  main: (io: Io) => Promise<number>,
  { env = {}, columns, signal = new AbortController().signal }: World = {},
): Promise<Result> {
  let stdout = '';
  let stderr = '';
  const terminal = columns === undefined ? {} : { isTTY: true, columns };
  const code = await main({
    stdout: {
      ...terminal,
      write: (text) => {
        stdout += text;
      },
    },
    stderr: {
      ...terminal,
      write: (text) => {
        stderr += text;
      },
    },
    env,
    signal,
  });
  return { code, stdout, stderr };
}
