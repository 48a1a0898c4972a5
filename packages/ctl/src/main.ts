import { type Io, runProgram } from '@dbd/cli-kit';
import { program } from './program.js';
import type { Tools } from './tools.js';

/**
 * Runs dbdctl.
 * @param args without node and script
 * @returns the exit code; see EXIT_CODES of cli-kit
 */
export function main(args: readonly string[], io: Io, tools: Tools): Promise<number> {
  return runProgram(program, args, io, tools);
}
