import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installPackages } from '../../bootstrap.mjs';
import { ARCHES } from './arch.js';
import { buildDebs } from './deb.js';
import { build, packNpm, prepareRelease, type Release, writeSbom } from './release.js';
import { buildRpms } from './rpm.js';

/**
 * Builds all packages of a commit, in DIRECTORY/dist; what else is made is in DIRECTORY/build. The working
 * tree does not count, and the same commit gives the same bytes.
 */
export function makePackages(commit: string, directory: string): Release {
  installPackages([
    ...ARCHES.map(({ node, gnu }) => {
      const cross = `g++-${gnu.replace('_', '-')}`;
      return [`/usr/bin/${gnu}-g++`, node === process.arch ? 'g++' : cross] as const;
    }),
    ['/usr/bin/make', 'make'],
    ['/usr/bin/python3', 'python3'],
    ['/usr/bin/rpmbuild', 'rpm'],
  ]);
  const work = join(directory, 'build/package');
  const release = prepareRelease(commit, work, join(directory, 'dist'));
  build(release);
  packNpm(release);
  writeSbom(release);
  buildDebs(release, work);
  buildRpms(release, work);
  writeSums(release.out);
  return release;
}

function writeSums(directory: string): void {
  const lines = readdirSync(directory)
    .sort()
    .map((name) => {
      const bytes = readFileSync(join(directory, name));
      return `${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`;
    });
  writeFileSync(join(directory, 'SHA256SUMS'), lines.join(''));
}
