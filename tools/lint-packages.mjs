// What npm would publish, looked at as its users' tools do: publint, and are-the-types-wrong for what has types.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './bootstrap.mjs';

let failed = false;
for (const name of readdirSync(join(root, 'packages'))) {
  const cwd = join(root, 'packages', name);
  const manifest = JSON.parse(readFileSync(join(cwd, 'package.json'), 'utf8'));
  if (manifest.private) continue;
  const bin = (tool) => join(root, 'node_modules/.bin', tool);
  const results = [run(bin('publint'), ['--strict', '.'], { cwd, mayFail: true })];
  if (manifest.exports) {
    results.push(run(bin('attw'), ['--pack', '--no-emoji', '.'], { cwd, mayFail: true }));
  }
  failed ||= results.some(({ status }) => status !== 0);
}
process.exitCode = failed ? 1 : 0;
