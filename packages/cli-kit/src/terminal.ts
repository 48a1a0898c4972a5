/** Where text goes, and what it may look like there. */

/** A stream for text; process.stdout is one. */
export interface TextStream {
  /** False: wait for `drained` before writing much more. */
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  /** Fulfilled when what was written is taken; left out: it always is. */
  drained?(): Promise<void>;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Columns of a stream; 80 where it has none. */
export function widthOf({ isTTY, columns }: TextStream): number {
  return isTTY && columns !== undefined && columns > 0 ? columns : 80;
}

/** Whether to colour: on a terminal that can, unless NO_COLOR says no (https://no-color.org). */
export function hasColor(stream: TextStream, env: Environment): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}

const STYLES = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  cyan: 36,
} as const;

/** Puts a style around text. */
export type Paint = (style: keyof typeof STYLES, text: string) => string;

export function painter(color: boolean): Paint {
  return (style, text) => (color ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text);
}

/** Breaks text between words; a word that is longer than a line stays whole. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  // Not at a no-break space, which \s takes for one.
  for (const word of text.split(/[ \t\n]+/)) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines.map((one) => indent + one).join('\n');
}

/** Text as wide as it looks on the screen, without colours. */
export function stripStyles(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
  return text.replace(/\x1b\[[0-9;]*m/g, '');
}

/** Replaces what a terminal would obey, as in a path with control characters. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it is about.
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (c) => {
    return `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
