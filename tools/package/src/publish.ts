/** npm run release: publishes what is in dist/, from a pipeline; what is published already is left alone. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { checkMaintainer } from './maintainer.js';
import { checkRepository } from './repository.js';
import { read, run } from './run.js';

const out = resolve('dist');
run('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: out });
const { version } = JSON.parse(readFileSync('kmod/package.json', 'utf8')) as { version: string };
if (version === '0.0.0') {
  console.log('Nothing has a version yet: changesets give the first one.');
} else {
  for (const deb of readdirSync(out).filter((one) => one.endsWith('.deb'))) {
    checkMaintainer(read('dpkg-deb', ['--field', join(out, deb), 'Maintainer']).trim());
  }
  for (const tarball of tarballs()) {
    const manifest = read('tar', ['-xzOf', join(out, tarball), 'package/package.json']);
    checkRepository(JSON.parse(manifest).repository, process.env);
  }
  publishNpm();
  publishFiles();
}

function tarballs(): string[] {
  return readdirSync(out).filter((one) => one.endsWith('.tgz'));
}

function publishNpm(): void {
  for (const name of tarballs()) {
    const pkg = `@dbd/${name.replace(/^dbd-/, '').slice(0, -`-${version}.tgz`.length)}`;
    if (succeeds('npm', ['view', `${pkg}@${version}`, 'version'])) continue;
    const tag = version.includes('-') ? 'next' : 'latest';
    const how = ['--provenance', '--access=public', `--tag=${tag}`];
    run('npm', ['publish', join(out, name), ...how]);
  }
}

/** All of them, as a release of the repository. */
function publishFiles(): void {
  const tag = `v${version}`;
  if (succeeds('gh', ['release', 'view', tag])) return;
  const files = readdirSync(out).map((name) => join(out, name));
  const how = ['--generate-notes', '--target', process.env.GITHUB_SHA ?? 'HEAD'];
  run('gh', ['release', 'create', tag, ...how, ...files]);
}

/** `npm view` of what does not exist prints nothing, or fails. */
function succeeds(command: string, args: readonly string[]): boolean {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 && stdout.trim() !== '';
}
