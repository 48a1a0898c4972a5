/** A busybox initramfs that finds the root over 9p and hands over to it. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { onCleanup } from './cleanup.js';
import { run } from './exec.js';
import { toolRoot } from './paths.js';

const BOOT_MODULES = ['virtio_pci', 'virtio_blk', '9p', '9pnet_virtio', 'overlay'];

export async function buildInitramfs(root: string, version: string, target: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'dbd-initramfs-'));
  const remove = () => rmSync(work, { recursive: true, force: true });
  const forget = onCleanup(remove);
  try {
    for (const dir of ['bin', 'dev', 'proc', 'sys', 'modules', 'root']) {
      mkdirSync(join(work, dir));
    }
    copyFileSync('/bin/busybox', join(work, 'bin/busybox'));
    symlinkSync('busybox', join(work, 'bin/sh'));
    copyFileSync(join(toolRoot, 'guest/init'), join(work, 'init'));
    const order = await copyModules(join(root, 'lib/modules', version), join(work, 'modules'));
    writeFileSync(join(work, 'modules/order'), `${order.join('\n')}\n`);
    await run(
      'sh',
      ['-c', 'chmod 755 init && find . | cpio -o -H newc --quiet | gzip -1 > "$0"', target],
      {
        cwd: work,
      },
    );
  } finally {
    forget();
    remove();
  }
}

/** Copies the boot modules and what they depend on; returns file names in loading order. */
async function copyModules(modules: string, target: string): Promise<string[]> {
  const depends = new Map<string, string[]>();
  for (const line of readFileSync(join(modules, 'modules.dep'), 'utf8').split('\n')) {
    const [path, rest] = line.split(':');
    if (path)
      depends.set(
        path,
        (rest ?? '').split(' ').filter((word) => word !== ''),
      );
  }
  const byName = new Map([...depends.keys()].map((path) => [moduleName(path), path]));
  const order: string[] = [];
  const visit = (path: string): void => {
    if (order.includes(path)) return;
    for (const dependency of depends.get(path) ?? []) visit(dependency);
    order.push(path);
  };
  for (const name of BOOT_MODULES) {
    const path = byName.get(name);
    // Not a module in this kernel: then it is built in.
    if (path !== undefined) visit(path);
  }
  for (const path of order) {
    const copy = join(target, basename(path));
    copyFileSync(join(modules, path), copy);
    // Busybox's insmod takes no compressed modules.
    if (path.endsWith('.xz')) await run('xz', ['-d', copy]);
  }
  return order.map((path) => basename(path).replace(/\.xz$/, ''));
}

function moduleName(path: string): string {
  return basename(path).replace(/\.ko(\.xz)?$/, '');
}
