import { bufferSource, cowLayout } from '@dbd/cow-format';
import { describe, expect, it } from 'vitest';
import { type CopyJob, copyChanged, PIECE } from '../src/copy.js';

const BLOCKS = 1000;

function job(changes: Partial<CopyJob> = {}): CopyJob {
  const index = Buffer.alloc(4096 + BLOCKS * 8);
  index.fill(1, 4096);
  return {
    map: bufferSource(index),
    layout: cowLayout(BLOCKS * 4096),
    from: { read: async (_b, _o, length) => ({ bytesRead: length }) },
    to: { write: async (_b, _o, length) => ({ bytesWritten: length }) },
    names: { cowFile: 'cow', from: 'from', to: 'to' },
    ...changes,
  };
}

const error = (code: string) => Object.assign(new Error(`${code}: it broke`), { code });

describe('copyChanged', () => {
  it('puts short reads and writes together', async () => {
    const image = Buffer.alloc(BLOCKS * 4096);
    const device = Buffer.from(image.map((_, i) => i % 251));
    const copied = await copyChanged(
      job({
        from: {
          read: async (buffer, offset, length, position) => {
            const bytesRead = Math.min(length, 70_001);
            buffer.set(device.subarray(position, position + bytesRead), offset);
            return { bytesRead };
          },
        },
        to: {
          write: async (buffer, offset, length, position) => {
            const bytesWritten = Math.min(length, 50_021);
            image.set(buffer.subarray(offset, offset + bytesWritten), position);
            return { bytesWritten };
          },
        },
      }),
    );
    expect(copied).toEqual({ blocks: BLOCKS, bytes: BLOCKS * 4096, runs: 1 });
    expect(image.equals(device)).toBe(true);
  });

  it('reads one piece ahead, in pieces of 1 MiB, and no further', async () => {
    const log: string[] = [];
    const mib = (position: number, length: number) => {
      expect(length).toBeLessThanOrEqual(PIECE);
      return position / PIECE;
    };
    await copyChanged(
      job({
        from: {
          read: async (_b, _o, length, position) => {
            log.push(`r${mib(position, length)}`);
            return { bytesRead: length };
          },
        },
        to: {
          write: async (_b, _o, length, position) => {
            log.push(`w${mib(position, length)}`);
            return { bytesWritten: length };
          },
        },
      }),
    );
    expect(log).toEqual(['r0', 'r1', 'w0', 'r2', 'w1', 'r3', 'w2', 'w3']);
  });

  it.each([
    ['EIO', 'ERR_UPDATE_READ', 'cannot read from at byte 2097152 (block 512): EIO: it broke.'],
  ])('fails when reading fails with %s', async (errno, code, message) => {
    const cause = error(errno);
    const written: number[] = [];
    const call = copyChanged(
      job({
        from: {
          read: async (_b, _o, length, position) => {
            if (position === 2 * PIECE) throw cause;
            return { bytesRead: length };
          },
        },
        to: {
          write: async (_b, _o, length, position) => {
            written.push(position / PIECE);
            return { bytesWritten: length };
          },
        },
      }),
    );
    await expect(call).rejects.toThrowError(
      expect.objectContaining({ code, message, cause, offset: 2 * PIECE }),
    );
    expect(written).toEqual([0, 1]);
  });

  it('fails when writing fails, or does nothing', async () => {
    const cause = error('ENOSPC');
    await expect(
      copyChanged(job({ to: { write: () => Promise.reject(cause) } })),
    ).rejects.toThrowError(expect.objectContaining({ code: 'ERR_UPDATE_WRITE', offset: 0, cause }));
    await expect(
      copyChanged(job({ to: { write: async () => ({ bytesWritten: 0 }) } })),
    ).rejects.toThrowError('cannot write to at byte 0 (block 0): nothing was written.');
  });

  it('fails when the map cannot be read', async () => {
    const index = bufferSource(Buffer.alloc(4096 + BLOCKS * 8));
    const broken = { ...index, read: () => Promise.reject(error('EIO')) };
    await expect(copyChanged(job({ map: broken }))).rejects.toThrowError(
      expect.objectContaining({
        code: 'ERR_UPDATE_COW',
        cause: expect.objectContaining({ code: 'ERR_COW_READ', offset: 4096 }),
      }),
    );
  });
});
