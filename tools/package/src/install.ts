/**
 * npm run test:install [-- --debian N]... [--chroot], as root: the .debs of dist/ (those of HEAD, built when there are
 * none) on Debian 11, 12 and 13, or N. In a chroot: installation, upgrade, kernels, removal, purge; then, but with
 * --chroot, the cycle, an upgrade and a reboot in a VM.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { installMissing, prepareHost } from '../../vm/src/host.js';
import { loadKernel } from '../../vm/src/kernel.js';
import { buildGuestTools } from '../../vm/src/kmod.js';
import { ensureRootFs } from '../../vm/src/rootfs.js';
import { buildDebs } from './deb.js';
import { makePackages } from './packages.js';
import { type Release, releaseIn } from './release.js';
import { buildRpms } from './rpm.js';
import { run } from './run.js';

/** Whose root file system a release's server is made of. */
const KERNELS: Readonly<Record<string, string>> = {
  11: 'bullseye-5.10',
  12: 'bookworm-6.1',
  13: 'debian-6.12',
};

/** Where the .rpms are tried too: it has the Node that their commands need. */
const RPM_ON = '13';

const { values } = parseArgs({
  options: {
    debian: { type: 'string', multiple: true, default: Object.keys(KERNELS) },
    chroot: { type: 'boolean', default: false },
  },
});
for (const debian of values.debian) {
  if (KERNELS[debian] === undefined) throw new Error(`there is no test of Debian ${debian}`);
}
await prepareHost();
await installMissing([
  ['/sbin/mke2fs', 'e2fsprogs'],
  ['/usr/bin/rpm', 'rpm'],
  ['/usr/bin/systemctl', 'systemd'],
]);
const release = releaseIn(resolve('.')) ?? makePackages('HEAD', resolve('.'));
const older = buildOlder(release);
for (const debian of values.debian) await testOn(debian);
console.log(`The packages install, upgrade and go again on Debian ${values.debian.join(', ')}.`);

/** The same packages as an older version. */
function buildOlder({ source, epoch }: Release): string {
  const out = resolve('build/install/older');
  const work = resolve('build/install/work');
  for (const place of [out, work]) {
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place, { recursive: true });
  }
  const release = { version: '0.0.0-older', epoch, source, out };
  buildDebs(release, work);
  buildRpms(release, work);
  return out;
}

async function testOn(debian: string): Promise<void> {
  const rootFs = await ensureRootFs(await loadKernel(KERNELS[debian] as string));
  const work = resolve(`build/install/debian-${debian}`);
  const scripts = resolve('tools/package/install');
  const apart = ['--mount', '--propagation', 'private', 'bash'];
  for (const script of debian === RPM_ON ? ['chroot.sh', 'rpm.sh'] : ['chroot.sh']) {
    const given = [debian, rootFs.root, release.out, older, work];
    run('unshare', [...apart, join(scripts, script), ...given]);
  }
  if (values.chroot) return;
  const tools = await buildGuestTools(rootFs);
  run('bash', [join(scripts, 'machine.sh'), debian, work, join(tools.dir, 'bin')]);
  for (const disk of readdirSync(work).filter((name) => /\.disk$|^disks$/.test(name))) {
    rmSync(join(work, disk), { recursive: true });
  }
}
