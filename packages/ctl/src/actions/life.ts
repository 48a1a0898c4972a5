import { CommandError, type DeviceRef, formatBytes } from '@dbd/cli-kit';
import type { Datto } from '@dbd/ioctl';
import {
  checkFreeMinor,
  checkMounted,
  checkNewCowFile,
  checkNotMounted,
  checkOrigin,
  checkState,
  newCowBytes,
} from '../lib/checks.js';
import { findMinor } from '../lib/devices.js';
import type { Context } from '../tools.js';
import { type Change, type ChangeValues, perform } from './change.js';

interface NewDevice extends ChangeValues {
  readonly blockDevice: string;
  readonly cowFile: string;
  readonly minor: number | undefined;
  readonly cacheSize: bigint | undefined;
}

export async function setupSnapshot(
  context: Context<NewDevice & { readonly cowSize: bigint | undefined }>,
) {
  const { values, tools } = context;
  const { blockDevice, cowFile, cowSize, cacheSize } = values;
  const { host } = tools;
  const size = cowSize ? ` of ${formatBytes(cowSize << 20n)}` : '';
  return withMinor(context, async (datto, minor) => ({
    command: 'setup-snapshot',
    minor,
    plan: `take a snapshot of ${blockDevice} as minor ${minor} with the COW file ${cowFile}${size}`,
    check: async (status) => {
      await checkFreeMinor(minor, status, host);
      const origin = await checkOrigin(blockDevice, status, host);
      const mount = await checkMounted(origin, host);
      const bytes = await newCowBytes(cowSize, origin.bytes, host);
      await checkNewCowFile(cowFile, bytes, origin, mount, host);
    },
    run: () =>
      datto.setupSnapshot({
        blockDevice,
        cowFile,
        minor,
        cacheBytes: cacheSize,
        fallocateMib: cowSize,
      }),
  }));
}

export async function reload(context: Context<NewDevice>, mode: 'snapshot' | 'incremental') {
  const { values, tools } = context;
  const { blockDevice, cowFile, cacheSize } = values;
  const { host } = tools;
  return withMinor(context, async (datto, minor) => {
    const options = { blockDevice, cowFile, minor, cacheBytes: cacheSize };
    return {
      command: `reload-${mode}`,
      minor,
      plan: `take up ${blockDevice} as minor ${minor} in ${mode} mode with the COW file ${cowFile}`,
      check: async (status) => {
        await checkFreeMinor(minor, status, host);
        await checkNotMounted(await checkOrigin(blockDevice, status, host), host);
      },
      run: () =>
        mode === 'snapshot' ? datto.reloadSnapshot(options) : datto.reloadIncremental(options),
    };
  });
}

export async function destroy(context: Context<ChangeValues & { readonly device: DeviceRef }>) {
  const { values, tools } = context;
  const datto = await tools.datto();
  const minor = await findMinor(values.device, datto, tools.host);
  return perform(context, datto, {
    command: 'destroy',
    minor,
    plan: `end the tracking of minor ${minor} and remove its COW file`,
    check: async (status) => {
      checkState(minor, 'any', status);
    },
    run: () => datto.destroy(minor),
  });
}

/** With the minor that was given, or else the lowest free one: the next when somebody was faster. */
async function withMinor(
  context: Context<NewDevice>,
  change: (datto: Datto, minor: number) => Promise<Change>,
) {
  const { values, tools } = context;
  const datto = await tools.datto();
  if (values.minor !== undefined) {
    return perform(context, datto, await change(datto, values.minor));
  }
  let last: number | undefined;
  while (true) {
    const minor = await datto.getFreeMinor();
    try {
      return await perform(context, datto, await change(datto, minor));
    } catch (error) {
      // The same minor again: it is not free, and not for another's sake.
      if (!(error instanceof CommandError) || error.code !== 'EBUSY' || minor === last) throw error;
      last = minor;
    }
  }
}
