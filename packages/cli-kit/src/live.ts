import type { TextStream } from './terminal.js';

/** Lines at the end of a terminal that are written over and over; does nothing elsewhere. */
export class LiveLines {
  readonly #stream: TextStream;
  #shown = 0;

  constructor(stream: TextStream) {
    this.#stream = stream;
  }

  /** @param lines none wider than the terminal, nor more than it has */
  show(lines: readonly string[]): void {
    if (!this.#stream.isTTY) return;
    // In one write, so that no half picture is seen.
    this.#stream.write(`${this.#back()}${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
    this.#shown = lines.length;
  }

  /** Takes the lines away, before anything else is written. */
  clear(): void {
    if (this.#shown > 0) this.#stream.write(`${this.#back()}\x1b[J`);
    this.#shown = 0;
  }

  #back(): string {
    return this.#shown > 0 ? `\r\x1b[${this.#shown}A` : '\r';
  }
}
