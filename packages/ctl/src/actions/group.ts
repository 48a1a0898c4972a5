/** First snapshots of several devices at one instant. */
import { CommandError, formatBytes, type NewDeviceRef } from '@dbd/cli-kit';
import type { Datto, DattoStatus } from '@dbd/ioctl';
import { maxDevices, requireRoot } from '../lib/checks.js';
import { deviceJson, readDevices } from '../lib/devices.js';
import type { Host } from '../lib/host.js';
import { afterSetup } from '../lib/records.js';
import { topmostFirst } from '../lib/stacking.js';
import { GROUP_CHANGE } from '../schemas.js';
import type { Context } from '../tools.js';
import { explained, isIoctlError, rehearse, type Step } from './change.js';
import {
  checkItsCowFile,
  checkNewDevice,
  type NewDevice,
  type SetupValues,
  setupPlan,
} from './setup.js';

type Values = SetupValues & { readonly group: readonly NewDeviceRef[] };

export async function setupGroup(context: Context<Values>) {
  const { values, json, out, tools } = context;
  const { cacheSize, cowSize } = values;
  const { host } = tools;
  const datto = await tools.datto();
  let members: readonly NewDevice[] = [];
  let order: readonly NewDevice[] = [];
  for (let last: readonly NewDevice[] | undefined; ; last = members) {
    members = await withMinors(values.group, await datto.status(), host);
    order = await topmostFirst(members, ({ blockDevice }) => blockDevice, host);
    try {
      if (values.dryRun) {
        requireRoot(host);
        await rehearseAll(stepsOf(order, cowSize, host), await datto.status());
      } else {
        const sizes = { cacheBytes: cacheSize, fallocateMib: cowSize };
        await datto.setupGroup(order.map((member) => ({ ...member, ...sizes })));
      }
      break;
    } catch (error) {
      // A minor that was free is taken now: others are chosen, unless these are the same again.
      const again = members.some(({ minor }, i) => minor !== last?.[i]?.minor);
      const chosen = values.group.some(({ minor }) => minor === undefined);
      if (chosen && again && isIoctlError(error) && error.code === 'EBUSY') continue;
      throw await ofMember(error, stepsOf(order, cowSize, host), datto);
    }
  }
  if (!values.dryRun) {
    for (const { minor } of members) await afterSetup(minor, values.persist, datto, tools);
  }
  const plan = groupPlan(order, cowSize);
  if (json) {
    const devices = await readDevices(datto, tools);
    const document = {
      command: 'setup-snapshot',
      dryRun: values.dryRun,
      plan,
      freezeOrder: order.map(({ minor }) => minor),
      members: members.map(({ minor, blockDevice, cowFile }) => {
        const device = devices.find((one) => one.minor === minor);
        return {
          minor,
          blockDevice,
          cowFile,
          device: device === undefined ? null : deviceJson(device),
        };
      }),
    };
    out.document(document, GROUP_CHANGE);
  } else if (values.show) out.print(members.map(({ minor }) => minor).join('\n'));
  else if (values.dryRun) out.print(`would ${plan}`);
  return undefined;
}

function groupPlan(order: readonly NewDevice[], cowSize: bigint | undefined): string {
  const size = cowSize ? ` of ${formatBytes(cowSize << 20n)}` : '';
  const each = order.map(
    ({ blockDevice, minor, cowFile }) =>
      `${blockDevice} as minor ${minor} with the COW file ${cowFile}${size}`,
  );
  return `take snapshots at one instant of ${each.join(', ')}`;
}

/** Those that have no minor get the lowest that neither a device nor another of them has. */
async function withMinors(
  group: readonly NewDeviceRef[],
  { devices }: DattoStatus,
  host: Host,
): Promise<NewDevice[]> {
  const taken = new Set([...devices, ...group].map(({ minor }) => minor));
  const max = await maxDevices(host);
  return group.map((member) => {
    if (member.minor !== undefined) return { ...member, minor: member.minor };
    let minor = 0;
    while (taken.has(minor)) minor++;
    taken.add(minor);
    if (minor < max) return { ...member, minor };
    throw new CommandError(
      'busy',
      'ENOENT',
      `there is no free minor for ${member.blockDevice}: the module's max_snap_devices is ${max}. Destroy a device, or load the module with more.`,
    );
  });
}

/** What is done for a member, and can be refused. */
interface Steps {
  readonly device: Step;
  /** With all that goes before. */
  readonly cowFile: Step;
}

function stepsOf(
  order: readonly NewDevice[],
  cowSize: bigint | undefined,
  host: Host,
): readonly Steps[] {
  return order.map((member, i) => {
    const plan = `${setupPlan(member, cowSize)}, nor any other of the group`;
    const checkDevice = async (status: DattoStatus) => {
      const place = await checkNewDevice(member, status, host);
      await checkOnce(member, order.slice(0, i), host);
      return place;
    };
    return {
      device: { plan, check: async (status) => void (await checkDevice(status)) },
      cowFile: {
        plan,
        check: async (status) => checkItsCowFile(member, cowSize, await checkDevice(status), host),
      },
    };
  });
}

async function checkOnce(
  { minor, blockDevice }: NewDevice,
  others: readonly NewDevice[],
  host: Host,
): Promise<void> {
  const numberOf = async (path: string) => (await host.file(path))?.rdev;
  const number = await numberOf(blockDevice);
  for (const other of others) {
    if (other.minor === minor) throw twice(`minor ${minor}`);
    if ((await numberOf(other.blockDevice)) === number) throw twice(blockDevice);
  }
}

function twice(what: string): CommandError {
  return new CommandError('failure', 'EINVAL', `${what} is in the group twice.`);
}

/** As the driver goes about it: first all devices, then all COW files. */
async function rehearseAll(steps: readonly Steps[], status: DattoStatus): Promise<void> {
  for (const { device } of steps) await rehearse(device, status);
  for (const { cowFile } of steps) await rehearse(cowFile, status);
}

/** The error in terms of the member that was refused. */
async function ofMember(error: unknown, steps: readonly Steps[], datto: Datto): Promise<unknown> {
  const step = isIoctlError(error) ? steps[error.member ?? -1] : undefined;
  return step === undefined ? error : explained(error, step.cowFile, datto);
}
