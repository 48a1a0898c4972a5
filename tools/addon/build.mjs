/**
 * Builds the addon of the package in the working directory, from its native/, with node-gyp, offline.
 *
 * node-gyp wants a directory of Node's headers, and downloads one where --nodedir does not name
 * it. Whether Node's headers are installed depends on where Node came from (the image and the
 * tarball have them, some distributions do not). The addon needs Node-API alone, whose headers do
 * not depend on the version of Node and come as an npm package: so node-gyp gets a directory of our
 * own, and binding.gyp names that package. One way for every machine; C++ compiler, make and python3
 * are needed, the network is not. Arguments go to node-gyp: `--arch=arm64`, with CC and CXX set.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const nodedir = fileURLToPath(new URL('nodedir', import.meta.url));
const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const { status } = spawnSync(
  process.execPath,
  [
    nodeGyp,
    'rebuild',
    '--release',
    '--directory=native',
    `--nodedir=${nodedir}`,
    '--silent',
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
);
if (status !== 0) {
  console.error(
    `The addon of ${process.cwd()} was not built. On Debian: apt-get install g++ make python3`,
  );
}
process.exit(status ?? 1);
