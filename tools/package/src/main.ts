/** npm run package [-- COMMIT [DIRECTORY]] */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makePackages } from './packages.js';

const [commit = 'HEAD', directory = '.'] = process.argv.slice(2);
const { out } = makePackages(commit, resolve(directory));
process.stdout.write(readFileSync(join(out, 'SHA256SUMS'), 'utf8'));
