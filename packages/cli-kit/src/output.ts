import type { JsonOutput } from './definition.js';
import { type Json, toJson } from './json.js';
import {
  type Environment,
  hasColor,
  type Paint,
  painter,
  type TextStream,
  widthOf,
} from './terminal.js';

type JsonObject = { readonly [key: string]: Json };

/** What a command writes. Results go to stdout, remarks to stderr. */
export class Output {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  /** Colours for stdout, where it may have them. */
  readonly paint: Paint;
  /** Whether the locale has more than ASCII. */
  readonly unicode: boolean;
  readonly #format: JsonOutput | undefined;

  constructor(
    stdout: TextStream,
    stderr: TextStream,
    env: Environment,
    format: JsonOutput | undefined,
  ) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.paint = painter(hasColor(stdout, env));
    this.unicode = /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '');
    this.#format = format;
  }

  /** Columns of stdout, which may change. */
  get width(): number {
    return widthOf(this.stdout);
  }

  /** Columns for lines that a program may read: no end where there is no terminal. */
  get tableWidth(): number {
    return this.stdout.isTTY ? this.width : Number.POSITIVE_INFINITY;
  }

  /** A line, or several. */
  print(text: string): void {
    this.stdout.write(`${text}\n`);
  }

  /** A remark that is no result; on stderr. */
  note(text: string): void {
    this.stderr.write(`${text}\n`);
  }

  /**
   * The one document of a command's `--json`; the key `schema` is put first.
   * @param format that of the option that was given, where it has one of its own
   */
  document(data: JsonObject, format = this.#format): void {
    this.print(toJson({ schema: format?.schema, ...data }));
  }

  /** A line of a `--json` that is a stream; the key `schema` is put first. */
  record(data: JsonObject): void {
    this.print(toJson({ schema: this.#format?.schema, ...data }, 0));
  }

  /** Resolves when what was written is taken; for commands that write much. */
  async drained(): Promise<void> {
    await this.stdout.drained?.();
  }
}
