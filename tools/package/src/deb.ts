/** Debian packages, made by dpkg-deb of trees: the same bytes for the same commit. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ARCHES, type Arch } from './arch.js';
import { copy, FILES, layDkms, layUtils, type PackageName, script } from './layout.js';
import { MAINTAINER } from './maintainer.js';
import { libcVersion, type Release } from './release.js';
import { run } from './run.js';

/** Above dattobd's own packages, whose names these have and whose place they take. */
const EPOCH = 1;

interface Control {
  readonly depends: string;
  readonly recommends: string;
  readonly section: string;
  readonly summary: string;
  readonly description: string;
}

const CONTROL: Readonly<Record<PackageName, Control>> = {
  'dattobd-dkms': {
    depends: 'dkms (>= 2.8)',
    recommends: 'linux-headers-amd64 | linux-headers-generic | linux-headers, dattobd-utils',
    section: 'kernel',
    summary: 'snapshots and changed-block tracking of block devices (module)',
    description: `A kernel module that takes snapshots of mounted block devices at an
 instant, and tracks which blocks change in between, for incremental
 backups of running servers.
 .
 This package has the module's source, which is built by DKMS for each
 kernel of the series that it is tested on.`,
  },
  'dattobd-utils': {
    depends: 'init-system-helpers (>= 1.52), kmod, libc6 (>= 2.28), libstdc++6 (>= 8), udev',
    recommends: 'dattobd-dkms, nodejs (>= 20)',
    section: 'admin',
    summary: 'snapshots and changed-block tracking of block devices (commands)',
    description: `dbdctl drives the dattobd kernel module: snapshots of mounted block
 devices, and tracking of which blocks change. update-img brings a full
 copy of a device up to date by copying what changed.
 .
 The commands run with Node.js 20 or newer, from this distribution or
 installed by hand.`,
  },
};

export function buildDebs(release: Release, work: string): void {
  const dkms = join(work, 'deb-dkms');
  layDkms(release, dkms);
  pack('dattobd-dkms', dkms, release);
  for (const arch of ARCHES) {
    const utils = join(work, `deb-utils-${arch.debian}`);
    layUtils(release, utils, arch, 'debian');
    pack('dattobd-utils', utils, release, arch);
  }
}

/** @param arch undefined: the package is for all */
function pack(name: PackageName, tree: string, release: Release, arch?: Arch): void {
  const doc = join(tree, 'usr/share/doc', name);
  mkdirSync(doc, { recursive: true });
  writeFileSync(join(doc, 'copyright'), readFileSync(join(FILES, 'copyright')));
  writeFileSync(join(doc, 'changelog.Debian.gz'), gzipSync(changelog(name, release), { level: 9 }));

  const overrides = join(FILES, name, 'lintian-overrides');
  if (existsSync(overrides)) copy(overrides, join(tree, 'usr/share/lintian/overrides', name));

  const files = filesOf(tree);
  const sizes = files.map((file) => Math.ceil(lstatSync(join(tree, file)).size / 1024));
  const debian = join(tree, 'DEBIAN');
  mkdirSync(debian);
  const kilobytes = sizes.reduce((sum, size) => sum + size, 0);
  writeFileSync(join(debian, 'control'), control(name, release, kilobytes, arch));
  writeFileSync(join(debian, 'md5sums'), files.map((file) => md5Line(tree, file)).join(''));
  const conffiles = files.filter((file) => file.startsWith('etc/')).map((file) => `/${file}\n`);
  if (conffiles.length > 0) writeFileSync(join(debian, 'conffiles'), conffiles.join(''));
  for (const which of ['preinst', 'postinst', 'prerm', 'postrm', 'triggers']) {
    const text = script(name, which, release);
    if (text === undefined) continue;
    writeFileSync(join(debian, which), text);
    if (text.startsWith('#!')) chmodSync(join(debian, which), 0o755);
  }
  const file = `${name}_${release.version}-1_${arch?.debian ?? 'all'}.deb`;
  run('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', tree, join(release.out, file)]);
  rmSync(tree, { recursive: true });
}

function control(
  name: PackageName,
  release: Release,
  kilobytes: number,
  arch: Arch | undefined,
): string {
  const { depends, recommends, section, summary, description } = CONTROL[name];
  const libc = arch === undefined ? '' : `Built-Using: glibc (= ${libcVersion(arch)})\n`;
  return `Package: ${name}
Version: ${debianVersion(release)}
Architecture: ${arch?.debian ?? 'all'}
Maintainer: ${MAINTAINER}
Installed-Size: ${kilobytes}
Depends: ${depends}
Recommends: ${recommends}
${libc}Section: ${section}
Priority: optional
Description: ${summary}
 ${description}
`;
}

function debianVersion({ version }: Release): string {
  // 1.0.0-rc.1 comes before 1.0.0.
  return `${EPOCH}:${version.replace('-', '~')}-1`;
}

function changelog(name: PackageName, release: Release): string {
  const date = new Date(release.epoch * 1000).toUTCString().replace('GMT', '+0000');
  return `${name} (${debianVersion(release)}) stable; urgency=medium

  * Release ${release.version}; see CHANGELOG.md of each package in the source.

 -- ${MAINTAINER}  ${date}
`;
}

/** Files and links, in order. */
function filesOf(tree: string): string[] {
  return readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(tree.length + 1))
    .sort();
}

function md5Line(tree: string, file: string): string {
  if (lstatSync(join(tree, file)).isSymbolicLink()) return '';
  const sum = createHash('md5')
    .update(readFileSync(join(tree, file)))
    .digest('hex');
  return `${sum}  ${file}\n`;
}
