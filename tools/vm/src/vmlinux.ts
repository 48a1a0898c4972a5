/**
 * The kernel out of its compressed image. QEMU starts it as it is (PVH); in emulation, unpacking itself is
 * a third of a kernel's boot. See the kernel's Documentation/arch/x86/boot.rst.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const SECTOR = 512;
const SETUP_SECTORS = 0x1f1;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const MAX_BYTES = 2 ** 29;

function unpackWith(command: string, args: readonly string[]): (packed: Buffer) => Buffer {
  return (packed) =>
    // The length of what comes out follows.
    execFileSync(command, [...args], { input: packed.subarray(0, -4), maxBuffer: MAX_BYTES });
}

const FORMATS: readonly (readonly [magic: string, unpack: (packed: Buffer) => Buffer])[] = [
  ['fd377a58', unpackWith('xz', ['-dc', '--single-stream'])],
  ['28b52ffd', unpackWith('zstd', ['-dc'])],
  ['1f8b08', gunzipSync],
];

/** The ELF file inside a bzImage. */
export function unpackKernel(image: Buffer): Buffer {
  // None means four, for the sake of very old kernels.
  const setup = ((image[SETUP_SECTORS] || 4) + 1) * SECTOR;
  const start = setup + image.readUInt32LE(PAYLOAD_OFFSET);
  const packed = image.subarray(start, start + image.readUInt32LE(PAYLOAD_LENGTH));
  const magic = packed.toString('hex', 0, 4);
  const unpack = FORMATS.find(([prefix]) => magic.startsWith(prefix))?.[1];
  if (unpack === undefined) throw new Error(`the kernel is packed in an unknown way: ${magic}`);
  const kernel = unpack(packed);
  if (kernel.toString('latin1', 1, 4) !== 'ELF') throw new Error('the kernel is no ELF file');
  return kernel;
}

/** Unpacks a kernel image into a file, unless that is there. */
export function ensureVmlinux(image: string, target: string): string {
  if (existsSync(target)) return target;
  const partial = `${target}.${process.pid}`;
  try {
    writeFileSync(partial, unpackKernel(readFileSync(image)));
  } catch (cause) {
    throw new Error(`cannot unpack ${image}`, { cause });
  }
  renameSync(partial, target);
  return target;
}
