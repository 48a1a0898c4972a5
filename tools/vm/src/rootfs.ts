/** A root file system per kernel definition, built once and then only read. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { onCleanup } from './cleanup.js';
import { run } from './exec.js';
import { buildInitramfs } from './initramfs.js';
import type { Kernel } from './kernel.js';
import { buildKernel, SOURCE_RECIPE } from './kernel-build.js';
import { withLock } from './lock.js';
import { note } from './log.js';
import { debianMirror } from './mirror.js';
import { cacheRoot } from './paths.js';
import { ensureVmlinux } from './vmlinux.js';

/** Raise when the recipe below changes in a way that the key does not see. */
const RECIPE = 1;

const COMMON_PACKAGES = [
  'gcc',
  'libc6-dev',
  'make',
  'kmod',
  'udev',
  'e2fsprogs',
  'xfsprogs',
  'fdisk',
  'dmsetup',
  'jq',
  'procps',
  // What devices and file systems of cases are made with.
  'lvm2',
  'mdadm',
  'cryptsetup-bin',
  'thin-provisioning-tools',
  'btrfs-progs',
  'f2fs-tools',
  'dosfstools',
];

/** Half of the kernel package is drivers that no VM here has; leaving them out saves a minute. */
const LEFT_OUT = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/locale/*',
  ...['drivers/gpu', 'drivers/media', 'drivers/net', 'drivers/infiniband', 'sound'].flatMap(
    (part) => [`/lib/modules/*/kernel/${part}/*`, `/usr/lib/modules/*/kernel/${part}/*`],
  ),
];

export interface RootFs {
  readonly kernel: Kernel;
  /** Changes whenever something that goes into the root file system does. */
  readonly key: string;
  readonly dir: string;
  readonly root: string;
  readonly version: string;
  /** What QEMU starts. */
  readonly image: string;
  readonly initramfs: string;
}

function packagesOf(kernel: Kernel): string[] {
  return [...COMMON_PACKAGES, ...kernel.packages].sort();
}

function keyOf(kernel: Kernel): string {
  return createHash('sha256')
    .update(
      JSON.stringify([
        RECIPE,
        kernel.suite,
        packagesOf(kernel),
        LEFT_OUT,
        String(kernel.version),
        ...(kernel.source === undefined ? [] : [SOURCE_RECIPE, kernel.source]),
      ]),
    )
    .digest('hex')
    .slice(0, 12);
}

function dirOf(kernel: Kernel): string {
  return join(cacheRoot, 'rootfs', `${kernel.name}-${keyOf(kernel)}`);
}

/** Whether this machine has it already. */
export function hasRootFs(kernel: Kernel): boolean {
  return existsSync(dirOf(kernel));
}

/** Returns the kernel's root file system, building it if this machine has none yet. */
export async function ensureRootFs(kernel: Kernel): Promise<RootFs> {
  const dir = dirOf(kernel);
  if (!existsSync(dir)) {
    await withLock(
      dir,
      async () => {
        if (!existsSync(dir)) await build(kernel, packagesOf(kernel), dir);
      },
      () => note(`another run is building the root file system of ${kernel.name}: waiting for it`),
    );
  }
  return describe(kernel, keyOf(kernel), dir);
}

async function build(kernel: Kernel, packages: readonly string[], dir: string): Promise<void> {
  note(
    `building the root file system of ${kernel.name} (Debian ${kernel.suite}); once, takes a minute or two`,
  );
  const temporary = `${dir}.partial`;
  const remove = () => rmSync(temporary, { recursive: true, force: true });
  remove();
  mkdirSync(temporary, { recursive: true });
  const forget = onCleanup(remove);
  try {
    const root = join(temporary, 'root');
    await run(
      'mmdebstrap',
      [
        '--mode=root',
        '--variant=minbase',
        '--format=directory',
        '--aptopt=Acquire::Check-Valid-Until "false"',
        ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
        `--include=${packages.join(',')}`,
        kernel.suite,
        root,
        `deb ${debianMirror()} ${kernel.suite} main`,
      ],
      // The kernel package would else build an initramfs that nobody boots.
      { env: { ...process.env, INITRD: 'No' } },
    );
    if (kernel.source !== undefined) await buildKernel(root, temporary, kernel.source);
    const version = kernelVersion(kernel, root);
    await buildInitramfs(root, version, join(temporary, 'initramfs.cpio.gz'));
    renameSync(temporary, dir);
  } finally {
    forget();
    remove();
  }
}

function describe(kernel: Kernel, key: string, dir: string): RootFs {
  const root = join(dir, 'root');
  const version = kernelVersion(kernel, root);
  const packed = join(root, 'boot', `vmlinuz-${version}`);
  return {
    kernel,
    key,
    dir,
    root,
    version,
    // Instrumented code cannot run before the packed image's own start has set up memory.
    image: kernel.source === undefined ? ensureVmlinux(packed, join(dir, 'vmlinux')) : packed,
    initramfs: join(dir, 'initramfs.cpio.gz'),
  };
}

function kernelVersion(kernel: Kernel, root: string): string {
  const found = readdirSync(join(root, 'lib/modules')).filter((name) => kernel.version.test(name));
  if (found.length !== 1 || found[0] === undefined) {
    throw new Error(
      `${kernel.name}: expected one kernel like ${kernel.version}, found ${found.join(', ') || 'none'}`,
    );
  }
  return found[0];
}
