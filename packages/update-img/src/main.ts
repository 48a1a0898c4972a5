import { type Io, runProgram } from '@dbd/cli-kit';
import { classify } from './classify.js';
import { program, type Tools } from './program.js';

/**
 * Runs update-img.
 * @param args without node and script
 * @returns the exit code; see EXIT_CODES of cli-kit
 */
export function main(args: readonly string[], io: Io, tools: Tools): Promise<number> {
  return runProgram(program, args, io, tools, classify);
}
