import { type DeviceRef, formatBytes } from '@dbd/cli-kit';
import type { Datto } from '@dbd/ioctl';
import { checkState, type Wanted } from '../lib/checks.js';
import { findMinor } from '../lib/devices.js';
import type { Context } from '../tools.js';
import { type ChangeValues, perform } from './change.js';

type Values<V> = ChangeValues & { readonly device: DeviceRef } & V;

export async function reconfigure(context: Context<Values<{ cacheSize: bigint | undefined }>>) {
  const { cacheSize } = context.values;
  const memory = cacheSize ? formatBytes(cacheSize) : "the module's default";
  return tune(context, 'any that has not failed', (minor, datto) => ({
    command: 'reconfigure',
    plan: `give the index of minor ${minor} ${memory} of memory`,
    run: () => datto.reconfigure({ minor, cacheBytes: cacheSize }),
  }));
}

export async function expandCowFile(context: Context<Values<{ growth: bigint }>>) {
  const { growth } = context.values;
  return tune(context, 'active snapshot', (minor, datto) => ({
    command: 'expand-cow-file',
    plan: `make the COW file of minor ${minor} ${formatBytes(growth << 20n)} larger`,
    run: () => datto.expandCowFile({ mib: growth, minor }),
  }));
}

export async function reconfigureAutoExpand(
  context: Context<Values<{ step: bigint; reservedSpace: bigint | undefined }>>,
) {
  const { step, reservedSpace = 0n } = context.values;
  const kept = `while ${formatBytes(reservedSpace << 20n)} stay free`;
  return tune(context, 'active snapshot', (minor, datto) => ({
    command: 'reconfigure-auto-expand',
    plan:
      step === 0n
        ? `let the COW file of minor ${minor} grow no more by itself`
        : `let the COW file of minor ${minor} grow in steps of ${formatBytes(step << 20n)} ${kept}`,
    run: () => datto.reconfigureAutoExpand({ stepMib: step, reservedMib: reservedSpace, minor }),
  }));
}

async function tune<V>(
  context: Context<Values<V>>,
  wanted: Wanted,
  change: (
    minor: number,
    datto: Datto,
  ) => { readonly command: string; readonly plan: string; readonly run: () => Promise<void> },
) {
  const { values, tools } = context;
  const datto = await tools.datto();
  const minor = await findMinor(values.device, datto, tools.host);
  return perform(context, datto, {
    ...change(minor, datto),
    minor,
    check: async (status) => {
      await checkState(minor, wanted, status, datto);
    },
  });
}
