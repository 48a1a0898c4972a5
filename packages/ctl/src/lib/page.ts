/** A COW file as a page for a browser: one file, no script, nothing loaded from anywhere. */
import { formatBytes, plural } from '@dbd/cli-kit';
import type { CowFile } from './cow-file.js';
import { fractions, type Survey } from './survey.js';

const COLUMNS = 64;
const CELL = 10;

/** @param rows names and values */
export function page(
  file: CowFile,
  survey: Survey,
  notes: readonly string[],
  rows: readonly (readonly [string, string])[],
): string {
  const title = `COW file ${file.path}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${html(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${html(title)}</h1>
${notes.map((note) => `<p class="note">${html(note)}</p>\n`).join('')}<table>
${rows.map(([name, value]) => `<tr><th scope="row">${html(name)}</th><td>${html(value)}</td></tr>`).join('\n')}
</table>
<h2>Where it changed</h2>
${mapFigure(file, survey)}
<h2>Runs by length</h2>
${lengthsFigure(survey)}
</main>
</body>
</html>
`;
}

/** The device from left to right, then downwards. */
function mapFigure({ layout }: CowFile, survey: Survey): string {
  const { values, blocksPerCell } = fractions(survey, layout.blocks, COLUMNS * COLUMNS);
  const rows = Math.ceil(values.length / COLUMNS);
  const width = Math.min(values.length, COLUMNS) * CELL;
  const cells = values.flatMap((fraction, i) => {
    if (fraction === 0) return [];
    const x = (i % COLUMNS) * CELL;
    const y = Math.floor(i / COLUMNS) * CELL;
    const from = i * blocksPerCell;
    const to = Math.min(from + blocksPerCell, layout.blocks) - 1;
    const text = `${formatBytes(from * 4096)}: ${percent(fraction)} of ${from === to ? `block ${from}` : `blocks ${from}-${to}`}`;
    return [
      `<rect class="s${stepOf(fraction)}" x="${x}" y="${y}" width="${CELL - 1}" height="${CELL - 1}"><title>${text}</title></rect>`,
    ];
  });
  const whole = values.length - 1;
  const lastRow = (whole % COLUMNS) + 1;
  const cell = formatBytes(Math.min(blocksPerCell * 4096, layout.deviceBytes));
  return `<figure>
<svg id="map" viewBox="0 0 ${width} ${rows * CELL}" role="img" aria-label="Map of the device: ${plural(cells.length, 'place')} of ${values.length} with changes">
<path class="s0" d="${backdrop(values.length, rows, lastRow)}"/>
${cells.join('\n')}
</svg>
<figcaption>From the beginning of the device to its end, ${cell} a place.
<span class="legend">${[0, 1, 2, 3, 4, 5].map((step) => `<span><svg viewBox="0 0 10 10"><rect class="s${step}" width="10" height="10"/></svg>${LEGEND[step]}</span>`).join(' ')}</span></figcaption>
</figure>`;
}

/** The outline of all places: whole rows, and the last one as far as it goes. */
function backdrop(count: number, rows: number, lastRow: number): string {
  if (rows === 1) return `M0 0H${count * CELL}V${CELL}H0Z`;
  const height = rows * CELL;
  return `M0 0H${COLUMNS * CELL}V${height - CELL}H${lastRow * CELL}V${height}H0Z`;
}

function lengthsFigure({ runLengths, runs }: Survey): string {
  if (runs === 0) return '<p>Nothing has changed.</p>';
  const most = Math.max(...runLengths.map((one) => one.runs));
  const step = 46;
  const height = 160;
  const bars = runLengths.map(({ from, to, runs: count, blocks }, i) => {
    const size = count === 0 ? 0 : Math.max(1, (count / most) * height);
    const name = from === to ? `${from}` : `${from}-${to}`;
    const x = i * step + step / 2;
    const label = from >= 1024 ? `${from / 1024}Ki+` : from === to ? name : `${from}+`;
    return `<g><title>${plural(count, 'run')} of ${name} blocks, ${formatBytes(blocks * 4096)}</title>
<rect class="s4" x="${i * step + 6}" y="${(20 + height - size).toFixed(1)}" width="${step - 12}" height="${size.toFixed(1)}"/>
<text x="${x}" y="${(14 + height - size).toFixed(1)}">${count}</text>
<text x="${x}" y="${height + 36}">${label}</text></g>`;
  });
  const width = runLengths.length * step;
  return `<figure>
<svg id="lengths" viewBox="0 0 ${width} ${height + 44}" style="max-width:${width * 1.5}px" role="img" aria-label="Number of runs by length">
<path class="axis" d="M0 ${height + 20}H${width}"/>
${bars.join('\n')}
</svg>
<figcaption>Number of runs of so many consecutive changed blocks (4096 bytes each).</figcaption>
</figure>`;
}

function stepOf(fraction: number): number {
  return Math.min(5, 1 + Math.floor(fraction * 5));
}

const LEGEND = ['none', 'up to 20 %', '40 %', '60 %', '80 %', '100 %'];

function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(fraction < 0.1 ? 2 : 0)} %`;
}

function html(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

const STYLE = `
:root{--page:#fff;--text:#1c2024;--soft:#5b6570;--line:#d7dce1;--s0:#eef1f4;--s1:#c6dbef;--s2:#85b8dd;--s3:#4292c6;--s4:#1764ab;--s5:#08306b;color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{--page:#15181c;--text:#e4e8ec;--soft:#9aa5b1;--line:#333a42;--s0:#232930;--s1:#123a5e;--s2:#1c5f96;--s3:#3a8ac9;--s4:#7ab8e8;--s5:#d4eafb}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.35rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{font-weight:600;color:var(--soft);white-space:nowrap;width:1%}
.note{border-left:4px solid #d98e04;padding:.25rem .75rem;background:var(--s0)}
figure{margin:0}
figure>svg{display:block;width:100%;height:auto}
figcaption{color:var(--soft);font-size:.9rem;margin-top:.5rem}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin-top:.25rem}
.legend svg{width:.9em;height:.9em;margin-right:.35em;vertical-align:-.1em}
text{fill:var(--text);font-size:11px;text-anchor:middle}
.axis{stroke:var(--line);fill:none}
${[0, 1, 2, 3, 4, 5].map((step) => `.s${step}{fill:var(--s${step})}`).join('')}
`;
