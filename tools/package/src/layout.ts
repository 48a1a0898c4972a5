/**
 * What the system packages install, as trees in a directory. `files/PACKAGE/root` goes in as it is, and
 * what has to happen at installation is in `files/PACKAGE/scripts`.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Arch } from './arch.js';
import { isNative, PUBLISHED, prebuild, type Release } from './release.js';
import { run } from './run.js';

export const FILES = fileURLToPath(new URL('../files', import.meta.url));

export type PackageName = 'dattobd-dkms' | 'dattobd-utils';

/** Which kind of system the tree is for: some directories have other names. */
export type System = 'debian' | 'rpm';

const COMMANDS = { ctl: 'dbdctl', 'update-img': 'update-img' } as const;

/** The module's source, for dkms to build. */
export function layDkms(release: Release, tree: string): void {
  overlay('dattobd-dkms', release, tree);
  const place = join(tree, `usr/src/dattobd-${release.version}`);
  cpSync(join(release.source, 'kmod'), place, {
    recursive: true,
    filter: (path) => !path.endsWith('/package.json') && !path.endsWith('/CHANGELOG.md'),
  });
}

/** The commands with all they need but Node. */
export function layUtils(release: Release, tree: string, arch: Arch, system: System): void {
  const { source } = release;
  overlay('dattobd-utils', release, tree);
  const modules = join(tree, 'usr/lib/dattobd/node_modules');
  for (const name of PUBLISHED) {
    const from = join(source, 'packages', name);
    const to = join(modules, '@dbd', name);
    copy(join(from, 'package.json'), join(to, 'package.json'));
    for (const part of ['bin', 'dist'].filter((one) => existsSync(join(from, one)))) {
      cpSync(join(from, part), join(to, part), {
        recursive: true,
        // For those who write programs; they have the npm packages.
        filter: (path) => !/\.(map|cts|d\.ts|cjs)$/.test(path),
      });
    }
    if (isNative(name)) copy(join(from, prebuild(arch)), join(to, prebuild(arch)));
  }
  for (const file of ['package.json', 'index.js', 'node-gyp-build.js', 'LICENSE']) {
    const path = join('node-gyp-build', file);
    copy(join(source, 'node_modules', path), join(modules, path));
  }
  layBoot(release, tree, arch, system);
  const zsh = system === 'debian' ? 'vendor-completions' : 'site-functions';
  for (const [name, command] of Object.entries(COMMANDS)) {
    const from = join(source, 'packages', name);
    const completions = join(from, 'completions');
    mkdirSync(join(tree, 'usr/bin'), { recursive: true });
    symlinkSync('../lib/dattobd/launch', join(tree, 'usr/bin', command));
    copy(
      join(completions, `${command}.bash`),
      join(tree, 'usr/share/bash-completion/completions', command),
    );
    copy(join(completions, `_${command}`), join(tree, `usr/share/zsh/${zsh}/_${command}`));
    copy(
      join(completions, `${command}.fish`),
      join(tree, `usr/share/fish/vendor_completions.d/${command}.fish`),
    );
    gzip(join(from, `man/${command}.8`), join(tree, `usr/share/man/man8/${command}.8.gz`));
  }
  // Debian's packages have a file for that.
  if (system === 'rpm') {
    const licenses = join(tree, 'usr/share/licenses/dattobd-utils');
    copy(join(source, 'LICENSE-MIT'), join(licenses, 'LICENSE'));
    // Of the C library in dbd-reload.
    copy('/usr/share/common-licenses/LGPL-2.1', join(licenses, 'LGPL-2.1'));
  }
  layDocs(join(source, 'docs'), join(tree, 'usr/share/doc/dattobd-utils'));
}

/** What alerts and `dbdctl doctor` refer to. */
function layDocs(docs: string, to: string): void {
  for (const name of readdirSync(docs).filter((one) => one.endsWith('.md'))) {
    copy(join(docs, name), join(to, name));
  }
  copy(join(docs, 'alerts.yml'), join(to, 'examples/alerts.yml'));
}

/** What tracks devices again at boot. */
function layBoot({ source }: Release, tree: string, { gnu }: Arch, system: System): void {
  const boot = join(source, 'boot');
  run('make', ['-C', boot, 'clean']);
  run('make', ['-C', boot, 'install', `DESTDIR=${tree}`, `CC=${gnu}-gcc`, 'CFLAGS=-Os -s']);
  if (system === 'debian') return;
  // There, what a package's units are to be is read from such a file.
  const units = readdirSync(join(boot, 'systemd')).sort();
  const presets = join(tree, 'usr/lib/systemd/system-preset');
  mkdirSync(presets, { recursive: true });
  writeFileSync(join(presets, '85-dbd.preset'), units.map((unit) => `enable ${unit}\n`).join(''));
}

/** Puts the files of `files/PACKAGE/root` into the tree. */
function overlay(name: PackageName, release: Release, tree: string): void {
  const from = join(FILES, name, 'root');
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const source = join(entry.parentPath, entry.name);
    const path = expand(source.slice(from.length + 1), release);
    const to = join(tree, path);
    mkdirSync(dirname(to), { recursive: true });
    const text = readFileSync(source, 'utf8');
    writeFileSync(to, expand(text, release));
    chmodSync(to, text.startsWith('#!') ? 0o755 : 0o644);
  }
}

/** A script of `files/PACKAGE/scripts`; undefined when the package has none of that name. */
export function script(name: PackageName, which: string, release: Release): string | undefined {
  const path = join(FILES, name, 'scripts', which);
  return existsSync(path) ? expand(readFileSync(path, 'utf8'), release) : undefined;
}

function expand(text: string, { version }: Release): string {
  return text.replaceAll('@VERSION@', version);
}

export function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to);
}

export function gzip(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, gzipSync(readFileSync(from), { level: 9 }));
}
