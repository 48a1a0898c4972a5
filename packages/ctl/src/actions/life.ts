import { CommandError, type DeviceRef } from '@dbd/cli-kit';
import type { Datto } from '@dbd/ioctl';
import { checkFreeMinor, checkNotMounted, checkOrigin, checkState } from '../lib/checks.js';
import { findMinor } from '../lib/devices.js';
import { afterSetup, recordedEnd } from '../lib/records.js';
import type { Context } from '../tools.js';
import { type Change, type ChangeValues, perform } from './change.js';
import { checkItsCowFile, checkNewDevice, type SetupValues, setupPlan } from './setup.js';

interface Minor {
  readonly minor: number | undefined;
}

interface NewDevice extends ChangeValues, Minor {
  readonly blockDevice: string;
  readonly cowFile: string;
  readonly cacheSize: bigint | undefined;
}

export async function setupSnapshot(context: Context<SetupValues>) {
  const { values, tools } = context;
  const { blockDevice, cowFile, cowSize, cacheSize } = values;
  if (blockDevice === undefined || cowFile === undefined) throw new Error('no arguments');
  return withMinor(context, async (datto, minor) => {
    const device = { blockDevice, cowFile, minor };
    return {
      command: 'setup-snapshot',
      minor,
      plan: setupPlan(device, cowSize),
      check: async (status) => {
        const place = await checkNewDevice(device, status, tools.host);
        await checkItsCowFile(device, cowSize, place, tools.host);
      },
      run: () => datto.setupSnapshot({ ...device, cacheBytes: cacheSize, fallocateMib: cowSize }),
      after: () => afterSetup(minor, values.persist, datto, tools),
    };
  });
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
      await checkState(minor, 'any', status, datto);
    },
    run: () => recordedEnd(minor, datto, tools, () => datto.destroy(minor)),
  });
}

/** With the minor that was given, or else the lowest free one: the next when somebody was faster. */
async function withMinor(
  context: Context<ChangeValues & Minor>,
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
