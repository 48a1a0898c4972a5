# What @dbd/ioctl promises, on the real driver: the cases that its in-memory driver passes too.
# timeout: 240

cat >/tmp/contract.mjs <<'EOF'
import { open } from 'node:fs/promises';
import { Datto } from '/repo/packages/ioctl/dist/index.js';
import { contract } from '/repo/packages/ioctl/dist/testing.js';
const [blockDevice, directory] = process.argv.slice(2);
const datto = new Datto();
for (const { name, run } of contract) {
	await run({
		datto, blockDevice, directory, minor: 0, otherMinor: 1, maxDevices: 24, notBlockDevice: '/dev/null',
		holdOpen: async (minor) => {
			const handle = await open(`/dev/datto${minor}`);
			return () => handle.close();
		},
	});
	console.log(name);
}
EOF
/node/node /tmp/contract.mjs $DISK1 $MNT
expect_untouched
