/** A clean copy of a commit, built: what all packages are made of. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ARCHES, type Arch } from './arch.js';
import { repositoryOf } from './repository.js';
import { read, run } from './run.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

export interface Release {
  readonly version: string;
  /** Of the commit, in seconds: the time of everything that is built. */
  readonly epoch: number;
  /** The copy: dbd-VERSION. */
  readonly source: string;
  /** Where the packages go. */
  readonly out: string;
}

/** The packages that are published, in the order in which they need each other. */
export const PUBLISHED = ['cow-format', 'ioctl', 'ctl', 'update-img'] as const;

/** Those that have an addon. */
const NATIVE = ['ioctl', 'update-img'] as const;

/** @param work a directory of ours, made anew */
export function prepareRelease(commit: string, work: string, out: string): Release {
  const epoch = Number(read('git', ['log', '-1', '--format=%ct', commit], { cwd: root }));
  process.env.SOURCE_DATE_EPOCH = String(epoch);
  process.env.TZ = 'UTC';
  process.env.LC_ALL = 'C.UTF-8';
  process.umask(0o022);
  const manifest = read('git', ['show', `${commit}:kmod/package.json`], { cwd: root });
  const { version } = JSON.parse(manifest) as { version: string };
  const name = `dbd-${version}`;
  rmSync(work, { recursive: true, force: true });
  rmSync(out, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  mkdirSync(out, { recursive: true });
  const archive = join(out, `${name}.tar.gz`);
  const format = ['--format=tar.gz', `--prefix=${name}/`, `--output=${archive}`, commit];
  run('git', ['-c', 'tar.umask=0022', 'archive', ...format], { cwd: root });
  run('tar', ['-xzf', archive, '-C', work]);
  const source = join(work, name);
  // Links of workspaces in it are relative, so they lead into the copy.
  run('cp', ['-a', join(root, 'node_modules'), source]);
  return { version, epoch, source, out };
}

/** What was made in this directory before, if it is all there. */
export function releaseIn(directory: string): Release | undefined {
  const out = join(directory, 'dist');
  const work = join(directory, 'build/package');
  if (![join(out, 'SHA256SUMS'), work].every((path) => existsSync(path))) return undefined;
  const name = readdirSync(work).find((entry) => entry.startsWith('dbd-'));
  if (name === undefined) return undefined;
  const source = join(work, name);
  // git archive gives the files the commit's time.
  const epoch = Math.floor(statSync(join(source, 'package.json')).mtimeMs / 1000);
  return { version: name.slice('dbd-'.length), epoch, source, out };
}

/** Builds the libraries and commands, and their addons for each architecture. */
export function build({ version, source }: Release): void {
  for (const name of PUBLISHED) {
    const cwd = join(source, 'packages', name);
    const own = JSON.parse(readFileSync(join(cwd, 'package.json'), 'utf8')) as { version: string };
    if (own.version !== version) {
      throw new Error(`${name} has version ${own.version}, the module ${version}`);
    }
    if (isNative(name)) for (const arch of ARCHES) buildAddon(cwd, arch);
    run(join(source, 'node_modules/.bin/tsup'), ['--silent'], { cwd });
    forgetPlace(join(cwd, 'dist'));
  }
}

/** tsup's maps of CommonJS files name the directory of the build. */
function forgetPlace(dist: string): void {
  for (const name of readdirSync(dist).filter((one) => one.endsWith('.map'))) {
    const path = join(dist, name);
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(`${dist}/`, ''));
  }
}

function buildAddon(cwd: string, arch: Arch): void {
  const env = { ...process.env, CC: `${arch.gnu}-gcc`, CXX: `${arch.gnu}-g++` };
  const script = join(cwd, '../../tools/addon/build.mjs');
  run(process.execPath, [script, `--arch=${arch.node}`], { cwd, env });
  const directory = join(cwd, 'native/build/Release');
  const built = readdirSync(directory).find((name) => name.endsWith('.node'));
  if (built === undefined) throw new Error(`there is no addon in ${directory}`);
  const place = join(cwd, prebuild(arch));
  cpSync(join(directory, built), place);
  run(`${arch.gnu}-strip`, ['--strip-unneeded', place]);
  chmodSync(place, 0o644);
  checkLibraries(place, arch);
}

/** Where node-gyp-build looks for it. */
export function prebuild({ node }: Arch): string {
  return `native/prebuilds/linux-${node}/node.napi.glibc.node`;
}

export function isNative(name: string): boolean {
  return NATIVE.includes(name as (typeof NATIVE)[number]);
}

/** The newest of each library's versions that glibc 2.28 and GCC 8 have; Node itself needs libstdc++. */
const NEWEST = { GLIBC: [2, 28], GLIBCXX: [3, 4, 25], CXXABI: [1, 3, 11], GCC: [7, 0, 0] } as const;

function checkLibraries(addon: string, { gnu }: Arch): void {
  const symbols = read(`${gnu}-objdump`, ['-T', addon]);
  for (const [symbol, library, version] of symbols.matchAll(/\b([A-Z]+)_(\d[\d.]*)/g)) {
    const newest = NEWEST[library as keyof typeof NEWEST];
    const parts = (version ?? '').split('.').map(Number);
    const place = parts.findIndex((part, n) => part !== newest?.[n]);
    if (newest === undefined || (parts[place] ?? 0) > (newest[place] ?? 0)) {
      throw new Error(`${addon} needs ${symbol}, which glibc 2.28 and GCC 8 do not have`);
    }
  }
}

/** npm's own tarballs, which are the same for the same content. */
export function packNpm({ source, out }: Release): void {
  for (const name of PUBLISHED) {
    const cwd = join(source, 'packages', name);
    const path = join(cwd, 'package.json');
    const manifest = { ...JSON.parse(readFileSync(path, 'utf8')), repository: repositoryOf(name) };
    writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
    run('npm', ['pack', '--silent', '--ignore-scripts', `--pack-destination=${out}`], { cwd });
  }
}

/** Of the C library's source, which is linked into what runs in an initramfs: Debian's version. */
export function libcVersion({ node, debian }: Arch): string {
  const name = node === process.arch ? 'libc6-dev' : `libc6-dev-${debian}-cross`;
  // The cross compiler's is called 2.36-8cross1.
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's
  return read('dpkg-query', ['-W', '-f=${Version}', name]).replace(/cross\d+$/, '');
}

/** What the commands are made of: CycloneDX, from the lock file. */
export function writeSbom({ version, epoch, source, out }: Release): void {
  const path = join(source, 'package.json');
  const manifest = readFileSync(path, 'utf8');
  // npm asks for a version that a repository's root does not have.
  writeFileSync(path, JSON.stringify({ ...JSON.parse(manifest), version }));
  const only = PUBLISHED.flatMap((name) => ['-w', `@dbd/${name}`]);
  const how = ['--package-lock-only', '--omit=dev', '--sbom-format=cyclonedx'];
  const sbom = JSON.parse(read('npm', ['sbom', ...how, ...only], { cwd: source }));
  writeFileSync(path, manifest);
  // The only parts that differ from run to run.
  sbom.serialNumber = undefined;
  sbom.metadata.timestamp = new Date(epoch * 1000).toISOString();
  sbom.metadata.component.name = 'dbd';
  sbom.components.push({
    'bom-ref': `dattobd@${version}`,
    type: 'library',
    name: 'dattobd',
    version,
    description: 'The kernel module',
    licenses: [{ license: { id: 'GPL-2.0-only' } }],
  });
  for (const libc of new Set(ARCHES.map(libcVersion))) {
    sbom.components.push({
      'bom-ref': `glibc@${libc}`,
      type: 'library',
      name: 'glibc',
      version: libc,
      description: 'The C library, linked into dbd-reload',
      licenses: [{ license: { id: 'LGPL-2.1-or-later' } }],
      purl: `pkg:deb/debian/glibc@${encodeURIComponent(libc)}?arch=source`,
    });
  }
  writeFileSync(join(out, `dbd-${version}.cdx.json`), `${JSON.stringify(sbom, null, 2)}\n`);
}
