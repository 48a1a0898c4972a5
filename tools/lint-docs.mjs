// Documents agree with the tree: every relative link, and its anchor, leads somewhere; every text that
// docs/troubleshooting.md explains is one that a program says, and it explains all that the driver says of failures. No dependency, as npm run check is to be quick.
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

/** With texts that are broken into several lines put together. */
const sourcesOf = (names) =>
  files
    .filter((file) => names.test(file))
    .map((file) => read(file).replace(/['"`]\s*\+?\s*\n\s*['"`]/g, ''))
    .join('\n');
const driver = sourcesOf(/^kmod\/[^/]*\.[ch]$/);
const programs = driver + sourcesOf(/^(boot\/src\/.*\.[ch]|packages\/[^/]+\/src\/.*\.ts)$/);

/** Texts of the first column, each in pieces between what differs; others' programs say those in brackets. */
const EXPLAINED = 'docs/troubleshooting.md';
const explained = [
  ...read(EXPLAINED).matchAll(/^\| (`[^`]+`(?:, `[^`]+`)*)(?: \(kernel log\))? \|/gm),
]
  .flatMap(([, texts]) => texts.slice(1, -1).split('`, `'))
  .map((text) => text.split('…'));
for (const part of explained.flat()) {
  if (!programs.includes(part)) problems.push(`${EXPLAINED}: no program says "${part}"`);
}

/** What the driver says of failures; what has no words of its own is a frame for those of another call. */
const SAYS =
  /\b(?:reject|device_fail|tracker_fail|dbd_snap_fail|dbd_device_refuse|dbd_refuse|dbd_err|dbd_warn)\([^;"]*"([^"]+)"|->unknown = "([^"]+)"/g;
for (const [, one, other] of driver.matchAll(SAYS)) {
  const text = one ?? other;
  if (!/[a-z]{2} [a-z]{2}/.test(text.replace(/%\w+/g, ''))) continue;
  const hasRow = explained.some((parts) => parts.every((part) => text.includes(part)));
  if (!hasRow) problems.push(`${EXPLAINED} lacks what the driver says: "${text}"`);
}

for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
