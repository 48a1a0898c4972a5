/** What the host must have: root, and a handful of Debian packages. */
import { existsSync } from 'node:fs';
import { run } from './exec.js';
import { note } from './log.js';

/** A file that shows a package is there, beside the package's name. */
const NEEDED: readonly (readonly [file: string, pkg: string])[] = [
  ['/usr/bin/qemu-system-x86_64', 'qemu-system-x86'],
  ['/usr/bin/mmdebstrap', 'mmdebstrap'],
  ['/bin/busybox', 'busybox-static'],
  ['/usr/bin/cpio', 'cpio'],
  ['/usr/bin/xz', 'xz-utils'],
  ['/usr/bin/zstd', 'zstd'],
  ['/usr/bin/unshare', 'util-linux'],
  ['/usr/share/keyrings/debian-archive-keyring.gpg', 'debian-archive-keyring'],
];

export async function prepareHost(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error('the VM harness needs root (mmdebstrap, chroot, mount): run it with sudo');
  }
  await installMissing(NEEDED);
}

/** Installs the packages whose file is missing; quiet, and nothing when all is there. */
export async function installMissing(
  needed: readonly (readonly [file: string, pkg: string])[],
): Promise<void> {
  const missing = needed.filter(([file]) => !existsSync(file)).map(([, pkg]) => pkg);
  if (missing.length === 0) return;
  if (!existsSync('/usr/bin/apt-get')) {
    throw new Error(`missing ${missing.join(', ')}, and there is no apt-get to install them`);
  }
  note(`installing ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], { env });
  const options = ['-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=600'];
  await run('apt-get', ['install', ...options, ...missing], { env });
}
