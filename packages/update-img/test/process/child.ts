/** update-img in a process of its own, with a driver in memory; see Scene.spawn. */
import { open } from 'node:fs/promises';
import { runInProcess } from '@dbd/cli-kit';
import { Datto } from '@dbd/ioctl';
import { MemoryDriver } from '@dbd/ioctl/testing';
import { main } from '../../src/main.js';

const { bytes, seqid, uuid, snapshotFile } = JSON.parse(process.argv[2] as string);
process.argv.splice(2, 1);

const driver = new MemoryDriver();
const datto = new Datto(driver);
driver.blockDevices.set('/dev/origin', { bytes, mountPoint: '/mnt' });
await datto.setupSnapshot({ blockDevice: '/dev/origin', cowFile: '/mnt/1', minor: 0 });
const info = driver.info.bind(driver);
driver.info = async (minor) => ({
  ...(await info(minor)),
  seqid: BigInt(seqid),
  uuid: Buffer.from(uuid, 'hex'),
});
const locate = async () => ({ minor: 0, open: () => open(snapshotFile, 'r') });
await runInProcess((args, io) => main(args, io, { datto: async () => datto, locate }));
