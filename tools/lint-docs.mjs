// Documents agree with the tree: every relative link, and its anchor, leads somewhere, and every text that
// docs/troubleshooting.md explains is one that a program says. No dependency, as npm run check is to be quick.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { root } from './bootstrap.mjs';

/** What is not ours, or made; `api` is docs/api. */
const LEFT_OUT = new Set([
  '.git',
  '.turbo',
  'api',
  'build',
  'dist',
  'node_modules',
  'test-results',
]);

function filesBelow(directory) {
  return readdirSync(join(root, directory), { withFileTypes: true })
    .filter(({ name }) => !LEFT_OUT.has(name))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? filesBelow(path) : [path];
    });
}

const files = filesBelow('.');
const read = (file) => readFileSync(join(root, file), 'utf8');
const problems = [];

const withoutCode = (text) => text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');

/** What a heading's anchor is on the usual forges. */
function anchorsOf(file) {
  const headings = read(file)
    .replace(/^```[\s\S]*?^```/gm, '')
    .matchAll(/^#+ +(.*)$/gm);
  return new Set(
    [...headings].map(([, title]) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

for (const file of files.filter((name) => name.endsWith('.md'))) {
  for (const [, link] of withoutCode(read(file)).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link)) continue;
    const [path, anchor] = link.split('#');
    const target = path === '' ? file : normalize(join(dirname(file), path));
    if (!existsSync(join(root, target))) {
      problems.push(`${file}: ${link} leads nowhere`);
    } else if (anchor && statSync(join(root, target)).isFile() && !anchorsOf(target).has(anchor)) {
      problems.push(`${file}: ${link}: there is no such heading`);
    }
  }
}

/** Programs' sources, with texts that are broken into several lines put together. */
const sources = files
  .filter((file) => /^(kmod\/.*\.[ch]|packages\/[^/]+\/src\/.*\.ts)$/.test(file))
  .map((file) => read(file).replace(/['"`]\s*\+?\s*\n\s*['"`]/g, ''))
  .join('\n');

const EXPLAINED = 'docs/troubleshooting.md';
for (const [, text] of read(EXPLAINED).matchAll(/^\| `([^`]+)`(?: \(kernel log\))? \|/gm)) {
  for (const part of text.split('…')) {
    if (!sources.includes(part)) problems.push(`${EXPLAINED}: no program says "${part}"`);
  }
}

for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
