import { type DeviceRef, formatBytes } from '@dbd/cli-kit';
import { checkMounted, checkNewCowFile, checkOrigin, checkState } from '../lib/checks.js';
import { findMinor } from '../lib/devices.js';
import { recordedTransition } from '../lib/records.js';
import type { Context } from '../tools.js';
import { type ChangeValues, perform } from './change.js';

export async function transitionToIncremental(
  context: Context<ChangeValues & { readonly device: DeviceRef; readonly force: boolean }>,
) {
  const { values, tools } = context;
  const { force } = values;
  const datto = await tools.datto();
  const minor = await findMinor(values.device, datto, tools.host);
  return perform(context, datto, {
    command: 'transition-to-incremental',
    minor,
    plan: `end the ${force ? 'failed ' : ''}snapshot of minor ${minor} and go on tracking what changes`,
    check: async (status) => {
      await checkState(minor, force ? 'failed' : 'active snapshot', status, datto);
    },
    run: () =>
      force ? datto.forceTransitionToIncremental(minor) : datto.transitionToIncremental(minor),
  });
}

export async function transitionToSnapshot(
  context: Context<
    ChangeValues & {
      readonly cowFile: string;
      readonly device: DeviceRef;
      readonly cowSize: bigint | undefined;
    }
  >,
) {
  const { values, tools } = context;
  const { cowFile, cowSize } = values;
  const { host } = tools;
  const datto = await tools.datto();
  const minor = await findMinor(values.device, datto, host);
  const size = cowSize ? ` of ${formatBytes(cowSize << 20n)}` : '';
  return perform(context, datto, {
    command: 'transition-to-snapshot',
    minor,
    plan: `take the next snapshot of minor ${minor} with the COW file ${cowFile}${size}`,
    check: async (status) => {
      const wanted = 'active incremental';
      const { blockDevice, verified } = await checkState(minor, wanted, status, datto);
      const origin = await checkOrigin(blockDevice, { ...status, devices: [] }, host);
      const bytes = cowSize ? Number(cowSize << 20n) : Number(verified?.fallocateBytes ?? 0);
      await checkNewCowFile(cowFile, bytes, origin, await checkMounted(origin, host), host);
    },
    run: () =>
      recordedTransition(minor, cowFile, datto, tools, () =>
        datto.transitionToSnapshot({ cowFile, minor, fallocateMib: cowSize }),
      ),
  });
}
