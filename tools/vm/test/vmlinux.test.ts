import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { unpackKernel } from '../src/vmlinux.js';

const kernel = Buffer.concat([Buffer.from('\x7fELF'), Buffer.alloc(5000, 'kernel')]);

/** What stands where in a bzImage, with 3 sectors of setup and 100 bytes in front of the payload. */
function image(payload: Buffer, setup = 3): Buffer {
  const header = Buffer.alloc(((setup || 4) + 1) * 512 + 100);
  header[0x1f1] = setup;
  header.writeUInt32LE(100, 0x248);
  header.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([header, payload, Buffer.alloc(300, 0xff)]);
}

describe('a kernel is unpacked', () => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(kernel.length);

  it.each([
    ['gzip', gzipSync(kernel)],
    ['xz', Buffer.concat([execFileSync('xz', ['-c'], { input: kernel }), length])],
  ])('by %s', (_, payload) => {
    expect(unpackKernel(image(payload)).equals(kernel)).toBe(true);
    expect(unpackKernel(image(payload, 0)).equals(kernel)).toBe(true);
  });

  it('or it is said what is wrong', () => {
    expect(() => unpackKernel(image(Buffer.from('0123')))).toThrow(
      'the kernel is packed in an unknown way: 30313233',
    );
    expect(() => unpackKernel(image(gzipSync('no kernel')))).toThrow('the kernel is no ELF file');
  });
});
