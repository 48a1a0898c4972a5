/**
 * npm run test:install, as root: installs the .debs of dist/ on Debian 12 (those of HEAD, built when there are
 * none), and in a VM runs the whole cycle with what they brought, and purges them.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { prepareHost } from '../../vm/src/host.js';
import { loadKernel } from '../../vm/src/kernel.js';
import { ensureRootFs } from '../../vm/src/rootfs.js';
import { makePackages } from './packages.js';
import { run } from './run.js';

const KERNEL = 'bookworm-6.1';

const dist = resolve('dist');
if (!existsSync(join(dist, 'SHA256SUMS'))) makePackages('HEAD', resolve('.'));
await prepareHost();
const { root } = await ensureRootFs(await loadKernel(KERNEL));
mkdirSync('build', { recursive: true });
const scripts = 'tools/package/install';
const tar = resolve('build/install.tar');
const apart = ['--mount', '--propagation', 'private'];
run('unshare', [...apart, 'sh', `${scripts}/host.sh`, root, dist, tar]);
run(process.execPath, [
  ...['--import', 'tsx', 'tools/vm/src/cli.ts', 'run', `--kernel=${KERNEL}`],
  ...[`--script=${scripts}/guest.sh`, '--disk=256M', '--timeout=600'],
]);
