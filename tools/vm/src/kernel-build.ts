/** A kernel from source, inside its root file system: image, modules, and the tree to build the driver with. */
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { chrootRun } from './chroot.js';
import type { KernelSource } from './kernel.js';
import { note } from './log.js';

/** Raise when the recipe below changes. */
export const SOURCE_RECIPE = 1;

export async function buildKernel(
  root: string,
  temporary: string,
  source: KernelSource,
): Promise<void> {
  const tree = join(temporary, 'linux');
  const out = join(temporary, 'out');
  for (const dir of [tree, out]) mkdirSync(dir);
  const binds = [
    { from: tree, to: '/mnt/linux' },
    { from: out, to: '/mnt/out' },
  ];
  const inTree = (command: string) => chrootRun(root, binds, `cd /mnt/linux && ${command} 2>&1`);
  note('unpacking and configuring the kernel');
  await inTree(`tar xf ${source.tarball} --strip-components=1`);
  for (const config of source.configs) await inTree(`make ${config}`);
  appendFileSync(join(tree, '.config'), `${source.options.join('\n')}\n`);
  await inTree('make olddefconfig');
  checkConfig(readFileSync(join(tree, '.config'), 'utf8'), source.options);
  note('building the kernel; once, takes a quarter of an hour or more');
  await inTree(
    'nice make -j"$(nproc)" bzImage modules > /mnt/out/build.log || { tail -30 /mnt/out/build.log; exit 1; }',
  );
  await inTree('make INSTALL_MOD_PATH=/mnt/out modules_install');
  const version = (await inTree('make -s kernelrelease')).stdout.trim();
  install(root, tree, out, version);
  unlinkSync(join(root, source.tarball));
}

/** Where Debian's packages have these things. */
function install(root: string, tree: string, out: string, version: string): void {
  const modules = join(root, 'usr/lib/modules');
  mkdirSync(modules, { recursive: true });
  renameSync(join(out, 'lib/modules', version), join(modules, version));
  mkdirSync(join(root, 'boot'), { recursive: true });
  cpSync(join(tree, 'arch/x86/boot/bzImage'), join(root, 'boot', `vmlinuz-${version}`));
  const target = `/usr/src/linux-${version}`;
  rmSync(join(root, target), { recursive: true, force: true });
  renameSync(tree, join(root, target));
  const link = join(modules, version, 'build');
  rmSync(link, { force: true });
  symlinkSync(target, link);
  writeFileSync(
    join(root, 'boot', `config-${version}`),
    readFileSync(join(root, target, '.config')),
  );
}

/** An option that another one does not allow vanishes without a word. */
export function checkConfig(config: string, options: readonly string[]): void {
  const lines = new Set(config.split('\n'));
  const names = new Set([...lines].map(nameOf));
  const lost = options.filter(
    (option) => !lines.has(option) && (!option.startsWith('#') || names.has(nameOf(option))),
  );
  if (lost.length > 0) throw new Error(`the kernel's configuration lacks: ${lost.join(', ')}`);
}

function nameOf(line: string): string | undefined {
  return /CONFIG_\w+/.exec(line)?.[0];
}
