/** What the driver promises, as cases that run against the in-memory driver and the real one. */
import assert from 'node:assert/strict';
import type { Datto, SetupOptions } from './datto.js';
import { DattoIoctlError } from './error.js';

/** What a case needs of its surroundings. */
export interface ContractContext {
  readonly datto: Datto;
  /** A block device that is mounted read-write and not tracked. */
  readonly blockDevice: string;
  /** A directory on it. */
  readonly directory: string;
  /** A free minor, and another. */
  readonly minor: number;
  readonly otherMinor: number;
  /** The module's max_snap_devices. */
  readonly maxDevices: number;
  /** A path that is there and no block device. */
  readonly notBlockDevice: string;
  /** Opens /dev/datto<minor>; the result closes it. */
  readonly holdOpen: (minor: number) => Promise<() => Promise<void>>;
}

/** One promise of the driver. */
export interface ContractCase {
  readonly name: string;
  /** Leaves no device behind when it succeeds. */
  readonly run: (context: ContractContext) => Promise<void>;
}

/** All promises, each to be run on its own. */
export const contract: readonly ContractCase[] = [
  {
    name: 'a series: setup, incremental, snapshot, destroy',
    run: (context) =>
      withSnapshot(context, async ({ datto, minor, blockDevice, directory }) => {
        const first = await datto.info(minor);
        assert.equal(first.state.text, 'active snapshot');
        assert.equal(first.error, 0);
        assert.equal(first.seqid, 1n);
        assert.equal(first.blockDevice, blockDevice);
        assert.equal(
          await datto.deviceSize(`/dev/datto${minor}`),
          await datto.deviceSize(blockDevice),
        );
        await datto.transitionToIncremental(minor);
        assert.equal((await datto.info(minor)).state.text, 'active incremental');
        await refused('ENOENT', datto.deviceSize(`/dev/datto${minor}`));
        await datto.transitionToSnapshot({ cowFile: `${directory}/contract-2.datto`, minor });
        const second = await datto.info(minor);
        assert.equal(second.state.text, 'active snapshot');
        assert.equal(second.seqid, 2n);
        assert.deepEqual(second.uuid, first.uuid);
      }),
  },
  {
    name: 'setup refuses what it cannot take, and leaves nothing',
    run: async ({ datto, minor, blockDevice, directory, maxDevices, notBlockDevice }) => {
      const good = { blockDevice, cowFile: `${directory}/contract.datto`, minor };
      await refused('EINVAL', datto.setupSnapshot({ ...good, blockDevice: '' }));
      await refused('EINVAL', datto.setupSnapshot({ ...good, cowFile: '' }));
      await refused('EINVAL', datto.setupSnapshot({ ...good, minor: maxDevices }));
      await refused('ENOENT', datto.setupSnapshot({ ...good, blockDevice: '/dev/no-such-device' }));
      await refused('ENOTBLK', datto.setupSnapshot({ ...good, blockDevice: notBlockDevice }));
      await refused('EISDIR', datto.setupSnapshot({ ...good, cowFile: directory }));
      await refused('EINVAL', datto.setupSnapshot({ ...good, cowFile: '/dev/contract.datto' }));
      await refused('ENOENT', datto.info(minor));
    },
  },
  {
    name: 'a group is set up as a whole, or not at all, and the error names the member',
    run: async ({
      datto,
      minor,
      otherMinor,
      blockDevice,
      directory,
      notBlockDevice,
      maxDevices,
    }) => {
      const good = { blockDevice, cowFile: `${directory}/contract.datto`, minor };
      const other = { ...good, minor: otherMinor };
      const group = async (code: string, member: number | undefined, members: SetupOptions[]) => {
        const error = await refused(code, datto.setupGroup(members));
        assert.equal(error.member, member);
        const about = member === undefined ? undefined : members[member];
        assert.equal(error.subject.minor, about?.minor);
        assert.equal(error.subject.blockDevice, about?.blockDevice);
        await refused('ENOENT', datto.info(minor));
      };
      await group('EINVAL', undefined, []);
      await group('ENOENT', 1, [good, { ...other, blockDevice: '/dev/no-such-device' }]);
      await group('ENOTBLK', 1, [good, { ...other, blockDevice: notBlockDevice }]);
      await group('EINVAL', 1, [good, { ...other, cowFile: '' }]);
      await group('EINVAL', 1, [good, { ...other, minor: maxDevices }]);
      await group('EINVAL', 1, [good, other]);
      await group('EISDIR', 0, [{ ...good, cowFile: directory }]);
      await datto.setupGroup([{ ...good, fallocateMib: 50, cacheBytes: 8 * 2 ** 20 }]);
      try {
        const info = await datto.info(minor);
        assert.equal(info.state.text, 'active snapshot');
        assert.equal(info.cacheBytes, 8n * 2n ** 20n);
        assert.equal(info.cowBytes, 50n * 2n ** 20n);
        const error = await refused('EBUSY', datto.setupGroup([good]));
        assert.equal(error.member, 0);
      } finally {
        await datto.destroy(minor);
      }
    },
  },
  {
    name: 'the status file says what INFO says',
    run: (context) =>
      withSnapshot(context, async ({ datto, minor }) => {
        const info = await datto.info(minor);
        const status = (await datto.status()).devices.find((device) => device.minor === minor);
        assert.equal(status?.blockDevice, info.blockDevice);
        assert.equal(status?.cowFile, info.cowFile);
        assert.equal(status?.cacheBytes, info.cacheBytes);
        assert.deepEqual(status?.state, info.state);
        assert.equal(status?.error, 0);
        assert.equal(status?.verified?.cowBytes, info.cowBytes);
        assert.equal(status?.verified?.seqid, info.seqid);
        assert.equal(status?.verified?.uuid, Buffer.from(info.uuid).toString('hex'));
      }),
  },
  {
    name: 'a minor and a device are tracked once',
    run: (context) =>
      withSnapshot(context, async ({ datto, minor, otherMinor, blockDevice, directory }) => {
        const again = { blockDevice, cowFile: `${directory}/contract-2.datto` };
        await refused('EBUSY', datto.setupSnapshot({ ...again, minor }));
        await refused('EINVAL', datto.setupSnapshot({ ...again, minor: otherMinor }));
        assert.notEqual(await datto.getFreeMinor(), minor);
      }),
  },
  {
    name: 'a minor that is not in use has no commands',
    run: async ({ datto, minor, directory, maxDevices }) => {
      await refused('ENOENT', datto.info(minor));
      await refused('ENOENT', datto.destroy(minor));
      await refused('ENOENT', datto.transitionToIncremental(minor));
      const cowFile = `${directory}/contract.datto`;
      await refused('ENOENT', datto.transitionToSnapshot({ cowFile, minor }));
      await refused('ENOENT', datto.reconfigure({ minor }));
      await refused('ENOENT', datto.expandCowFile({ minor, mib: 1 }));
      await refused('ENOENT', datto.reconfigureAutoExpand({ minor, stepMib: 1 }));
      await refused('ENOENT', datto.forceTransitionToIncremental(minor));
      await refused('ENOENT', datto.failure(minor));
      await refused('EINVAL', datto.info(maxDevices));
      await refused('EINVAL', datto.destroy(2 ** 32 - 1));
    },
  },
  {
    name: 'transitions are from the other mode only',
    run: (context) =>
      withSnapshot(context, async ({ datto, minor, directory }) => {
        const cowFile = `${directory}/contract-2.datto`;
        await refused('EINVAL', datto.transitionToSnapshot({ cowFile, minor }));
        await datto.transitionToIncremental(minor);
        await refused('EINVAL', datto.transitionToIncremental(minor));
        await refused('EINVAL', datto.expandCowFile({ minor, mib: 1 }));
        await refused('EINVAL', datto.reconfigureAutoExpand({ minor, stepMib: 1 }));
      }),
  },
  {
    name: 'an open snapshot device holds destroy, transition and reconfigure off',
    run: (context) =>
      withSnapshot(context, async ({ datto, minor, holdOpen }) => {
        const close = await holdOpen(minor);
        try {
          await refused('EBUSY', datto.destroy(minor));
          await refused('EBUSY', datto.transitionToIncremental(minor));
          await refused('EBUSY', datto.reconfigure({ minor }));
        } finally {
          await close();
        }
      }),
  },
  {
    name: 'a device that has not failed has no reason, and nothing is forced',
    run: (context) =>
      withSnapshot(context, async ({ datto, minor }) => {
        assert.equal(await datto.failure(minor), null);
        await assert.rejects(datto.forceTransitionToIncremental(minor), {
          code: 'EINVAL',
          reason: /has not failed/,
        });
        assert.equal((await datto.info(minor)).state.text, 'active snapshot');
      }),
  },
  {
    name: 'reconfigure changes the memory of the index, 0 is the default',
    run: (context) =>
      withSnapshot(context, async ({ datto, minor }) => {
        const { cacheBytes } = await datto.info(minor);
        await datto.reconfigure({ minor, cacheBytes: 8 * 2 ** 20 });
        assert.equal((await datto.info(minor)).cacheBytes, 8n * 2n ** 20n);
        await datto.reconfigure({ minor });
        assert.equal((await datto.info(minor)).cacheBytes, cacheBytes);
      }),
  },
];

async function withSnapshot(
  context: ContractContext,
  body: (context: ContractContext) => Promise<void>,
): Promise<void> {
  const { datto, blockDevice, directory, minor } = context;
  await datto.setupSnapshot({ blockDevice, cowFile: `${directory}/contract-1.datto`, minor });
  try {
    await body(context);
  } finally {
    await datto.destroy(minor);
  }
}

async function refused(code: string, call: Promise<unknown>): Promise<DattoIoctlError> {
  const error = await call.then(
    () => assert.fail(`it was not refused with ${code}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof DattoIoctlError, `not a DattoIoctlError: ${error}`);
  assert.equal(error.code, code);
  return error;
}
