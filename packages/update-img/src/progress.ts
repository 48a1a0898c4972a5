import type { Copied } from './copy.js';

/** Where progress goes; process.stderr is one. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

const INTERVAL_MS = 200;

/** A line that is written over and over on a terminal, and not at all elsewhere. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  #last = Number.NEGATIVE_INFINITY;
  #shown = false;

  constructor(terminal: Terminal, now: () => number = Date.now) {
    this.#terminal = terminal;
    this.#now = now;
  }

  /** @param expected bytes in all, as far as it is known */
  show(copied: Copied, expected: number | undefined): void {
    if (!this.#terminal.isTTY || this.#now() - this.#last < INTERVAL_MS) return;
    this.#last = this.#now();
    this.#shown = true;
    const percent =
      expected === undefined || expected < copied.bytes || expected === 0
        ? ''
        : ` (${Math.floor((copied.bytes / expected) * 100)} %)`;
    this.#terminal.write(`\r\x1b[K${(copied.bytes / 2 ** 20).toFixed(1)} MiB copied${percent}`);
  }

  /** Takes the line away, before anything else is written. */
  clear(): void {
    if (this.#shown) this.#terminal.write('\r\x1b[K');
    this.#shown = false;
  }
}
