import { formatBytes, type Paint, wrap } from '@dbd/cli-kit';
import type { CowLayout } from '@dbd/cow-format';
import { fractions, type Survey } from './survey.js';

const ROWS = 16;
const SHADES = ['·', '░', '▒', '▓', '█'] as const;
const ASCII = ['.', '-', '+', '*', '#'] as const;

/** What the terminal can show. */
export interface MapStyle {
  readonly width: number;
  readonly unicode: boolean;
  readonly paint: Paint;
}

/** A map of the device, row by row from its beginning to its end, and what its shades mean. */
export function heatMap(
  survey: Survey,
  { blocks, deviceBytes }: CowLayout,
  { width, unicode, paint }: MapStyle,
): string[] {
  const shades = unicode ? SHADES : ASCII;
  const columns = Math.max(8, Math.min(64, width - LABEL - 1));
  const { values, blocksPerCell } = fractions(survey, blocks, columns * ROWS);
  const lines: string[] = [];
  for (let at = 0; at < values.length; at += columns) {
    const row = values.slice(at, at + columns).map(shadeOf);
    const label = formatBytes(at * blocksPerCell * 4096).padStart(LABEL - 1);
    lines.push(`${label}  ${coloured(row, shades, paint)}`);
  }
  const cell = formatBytes(Math.min(blocksPerCell * 4096, deviceBytes));
  return [`map, ${cell} a place:`, ...lines, ...legend(shades, width)];
}

function legend(shades: readonly string[], width: number): string[] {
  const [none, ...more] = shades.map((shade, i) => `${shade}\u00a0${MEANINGS[i]}`);
  const indent = ' '.repeat(LABEL + 1);
  return wrap([none, ...more].join(' '), width, indent)
    .replaceAll('\u00a0', ' ')
    .split('\n');
}

const MEANINGS = ['none', 'some', '25\u00a0%', '50\u00a0%', '75\u00a0%'];

/** Columns of the labels. */
const LABEL = 10;

/** 0 is nothing at all: the least change is seen. */
function shadeOf(fraction: number): number {
  return fraction === 0 ? 0 : Math.min(4, 1 + Math.floor(fraction * 4));
}

const COLOURS = ['dim', 'cyan', 'green', 'yellow', 'red'] as const;

function coloured(row: readonly number[], shades: readonly string[], paint: Paint): string {
  let out = '';
  for (let at = 0; at < row.length; ) {
    const shade = row[at] as number;
    let end = at;
    while (row[end] === shade) end++;
    out += paint(COLOURS[shade] ?? 'dim', (shades[shade] as string).repeat(end - at));
    at = end;
  }
  return out;
}
