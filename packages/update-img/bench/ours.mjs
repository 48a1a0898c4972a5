/** ours.mjs COW FROM TO BYTES UUID: update-img as it is built, on files. Prints the seconds of copying and of all, and the peak memory. */
import { open } from 'node:fs/promises';
import { Datto } from '@dbd/ioctl';
import { MemoryDriver } from '@dbd/ioctl/testing';
import { updateImage } from '../dist/update.js';

const [cowFile, from, imageFile, bytes, uuid] = process.argv.slice(2);
const driver = new MemoryDriver();
const datto = new Datto(driver);
driver.blockDevices.set('/dev/origin', { bytes: Number(bytes), mountPoint: '/mnt' });
await datto.setupSnapshot({ blockDevice: '/dev/origin', cowFile: '/mnt/1', minor: 0 });
const info = driver.info.bind(driver);
driver.info = async (minor) => ({
  ...(await info(minor)),
  seqid: 2n,
  uuid: Buffer.from(uuid, 'hex'),
});

const start = performance.now();
let begun;
let copied;
await updateImage(
  { snapshotDevice: '/dev/datto0', cowFiles: [cowFile], imageFile },
  {
    datto,
    locate: async () => ({ minor: 0, open: () => open(from, 'r') }),
    onProgress: ({ phase }) => {
      if (phase === 'copy') begun ??= performance.now();
      if (phase === 'sync') copied ??= performance.now();
    },
  },
);
const end = performance.now();
const { maxRSS } = process.resourceUsage();
console.log((copied - begun) / 1000, (end - start) / 1000, maxRSS * 1024);
