import { stripStyles } from './terminal.js';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Lower ones go first where the table is too wide; a column without one always stays. */
  readonly priority?: number;
}

/**
 * Lines of a table, as wide as it must be and at most `width`: columns are left out by their priority,
 * and then lines are cut.
 * @param paint for the line of titles
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  paint: (text: string) => string = (text) => text,
): string[] {
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...rows.map((row) => stripStyles(row[i] ?? '').length)),
  );
  const shown = new Set(columns.keys());
  const total = () => [...shown].reduce((sum, i) => sum + (widths[i] as number) + 2, -2);
  const removable = [...columns.keys()]
    .filter((i) => columns[i]?.priority !== undefined)
    .sort((a, b) => (columns[a]?.priority ?? 0) - (columns[b]?.priority ?? 0));
  for (const i of removable) {
    if (total() <= width) break;
    shown.delete(i);
  }
  const line = (cells: readonly string[]) =>
    [...shown]
      .map((i) => pad(cells[i] ?? '', widths[i] as number, columns[i]?.align ?? 'left'))
      .join('  ')
      .trimEnd();
  return [
    paint(cut(line(columns.map(({ title }) => title)), width)),
    ...rows.map((row) => cut(line(row), width)),
  ];
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(width - stripStyles(text).length);
  return align === 'left' ? text + space : space + text;
}

/** The first `width` characters as they are seen; a style that was begun is ended. */
export function cut(text: string, width: number): string {
  if (stripStyles(text).length <= width) return text;
  let seen = 0;
  let out = '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
  for (const part of text.split(/(\x1b\[[0-9;]*m)/)) {
    if (part.startsWith('\x1b')) out += part;
    else {
      out += part.slice(0, Math.max(0, width - 1 - seen));
      seen += part.length;
    }
  }
  return `${out}…`;
}
