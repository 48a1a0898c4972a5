import type { Output } from './output.js';

/** What a command works with. */
export interface Context<V, Tools> {
  /** Checked values by the camelCase names of arguments and options. */
  readonly values: V;
  /** What the program gives all its commands. */
  readonly tools: Tools;
  /** `--json` was given. */
  readonly json: boolean;
  readonly out: Output;
  /**
   * Aborted by SIGINT and SIGTERM, and when nobody reads stdout any more. A command that never reads
   * this is ended by those signals at once.
   */
  readonly signal: AbortSignal;
}
