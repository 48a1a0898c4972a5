/** npm run test:package: builds all packages twice, in places of different names, and looks at them. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { installPackages } from '../../bootstrap.mjs';
import { ARCHES } from './arch.js';
import { makePackages } from './packages.js';
import { prebuild, type Release } from './release.js';
import { read, run } from './run.js';

const [given = 'HEAD'] = process.argv.slice(2);
const commit = read('git', ['rev-parse', given]).trim();
installPackages([['/usr/bin/lintian', 'lintian']]);
const elsewhere = mkdtempSync(join(tmpdir(), 'a-directory-of-another-name-'));
try {
  const release = makePackages(commit, resolve('.'));
  const again = makePackages(commit, elsewhere);
  checkSame(release.out, again.out);
  checkNpm(release, join(elsewhere, 'npm'));
  checkArches(release, join(elsewhere, 'arches'));
  checkDebs(release);
  console.log('The packages are the same from both builds, install and are in order.');
} finally {
  rmSync(elsewhere, { recursive: true });
}

function checkSame(a: string, b: string): void {
  const [one, other] = [a, b].map((at) => readFileSync(join(at, 'SHA256SUMS'), 'utf8').split('\n'));
  const different = one?.filter((line, n) => line !== other?.[n]);
  if (one?.length !== other?.length || different?.length !== 0) {
    throw new Error(`not the same from both builds:\n${different?.join('\n')}`);
  }
}

/** The tarballs as a user gets them: no compiler, no install script, no network. */
function checkNpm({ source, out }: Release, directory: string): void {
  mkdirSync(directory);
  const pack = ['pack', '--silent', `--pack-destination=${directory}`];
  read('npm', [...pack, join(source, 'node_modules/node-gyp-build')]);
  const ours = readdirSync(out).filter((name) => name.endsWith('.tgz'));
  const theirs = readdirSync(directory);
  const tarballs = [...ours.map((name) => join(out, name)), ...theirs.map((name) => `./${name}`)];
  const how = ['--offline', '--ignore-scripts', '--no-save', '--silent'];
  run('npm', ['install', `--prefix=${directory}`, ...how, ...tarballs], { cwd: directory });
  for (const name of ['dbdctl', 'update-img']) {
    run(join(directory, 'node_modules/.bin', name), ['--version']);
  }
  const load = "(await import('@dbd/ioctl')).loadBinding().deviceSize.call";
  run(process.execPath, ['--input-type=module', '-e', load], { cwd: directory });
  const addon = join(directory, 'node_modules/@dbd/update-img/native');
  const exists = `new (require('node-gyp-build')(${JSON.stringify(addon)}).Copy)`;
  const cause = read(
    process.execPath,
    ['-e', `try { ${exists} } catch (e) { console.log(e.name) }`],
    {
      cwd: directory,
    },
  );
  if (cause.trim() !== 'TypeError') throw new Error(`the addon of update-img: ${cause}`);
}

/** e_machine of the addons in each architecture's package. */
function checkArches({ out }: Release, directory: string): void {
  const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };
  for (const arch of ARCHES) {
    const [deb] = readdirSync(out).filter((name) => name.endsWith(`_${arch.debian}.deb`));
    const tree = join(directory, arch.node);
    mkdirSync(tree, { recursive: true });
    run('dpkg-deb', ['-x', join(out, deb ?? ''), tree]);
    const modules = join(tree, 'usr/lib/dattobd/node_modules/@dbd');
    for (const name of ['ioctl', 'update-img']) {
      const elf = readFileSync(join(modules, name, prebuild(arch)));
      if (elf.readUInt16LE(18) !== MACHINES[arch.node]) {
        throw new Error(`${name} in ${deb} is for another machine`);
      }
    }
  }
}

function checkDebs({ out }: Release): void {
  const debs = readdirSync(out).filter((name) => name.endsWith('.deb'));
  run('lintian', ['--allow-root', '--fail-on', 'error', ...debs], { cwd: out });
}
