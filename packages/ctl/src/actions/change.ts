/** Commands that change something: done, or only checked; in silence, as a number, or as JSON. */
import { CommandError, type ExitName } from '@dbd/cli-kit';
import type { Datto, DattoIoctlError, DattoStatus } from '@dbd/ioctl';
import { requireRoot } from '../lib/checks.js';
import { deviceJson, readDevices } from '../lib/devices.js';
import type { Context } from '../tools.js';

/** Options of every such command. */
export interface ChangeValues {
  readonly dryRun: boolean;
  /** Print the minor. */
  readonly show?: boolean;
}

/** What may be refused. */
export interface Step {
  /** What it does, after `would` and `cannot`. */
  readonly plan: string;
  /** Throws a CommandError that says why the driver would refuse. */
  readonly check: (status: DattoStatus) => Promise<void>;
}

/** One change. */
export interface Change extends Step {
  readonly command: string;
  readonly minor: number;
  readonly run: () => Promise<void>;
  /** When that is done; its errors are not of the driver's. */
  readonly after?: () => Promise<void>;
}

export async function perform(
  context: Context<ChangeValues>,
  datto: Datto,
  change: Change,
): Promise<ExitName | undefined> {
  const { values, json, out, tools } = context;
  const { minor, command, plan } = change;
  if (values.dryRun) {
    const status = await datto.status();
    requireRoot(tools.host);
    await rehearse(change, status);
  } else {
    await change.run().catch(async (error: unknown) => {
      throw await explained(error, change, datto);
    });
    await change.after?.();
  }
  if (json) {
    const device = (await readDevices(datto, tools)).find((one) => one.minor === minor);
    out.document({
      command,
      dryRun: values.dryRun,
      minor,
      plan,
      device: device === undefined ? null : deviceJson(device),
    });
  } else if (values.show) out.print(String(minor));
  else if (values.dryRun) out.print(`would ${plan}`);
  return undefined;
}

/** Throws what the change itself would be refused with. */
export async function rehearse({ plan, check }: Step, status: DattoStatus): Promise<void> {
  await check(status).catch((error: unknown) => {
    throw withPlan(plan, error);
  });
}

/** Errnos with more than one meaning. */
const VAGUE = new Set(['EINVAL', 'ENOENT', 'EBUSY', 'ENOSPC']);

/** A better error than the errno alone gives, where the checks find the cause. */
export async function explained(error: unknown, change: Step, datto: Datto): Promise<unknown> {
  if (!isIoctlError(error) || error.driverAbsent || !VAGUE.has(error.code)) return error;
  try {
    await change.check(await datto.status());
  } catch (found) {
    // What is the case now may not be what the driver met.
    if (found instanceof CommandError && found.code === error.code) {
      return withPlan(change.plan, found, error, driverWords(error));
    }
  }
  return error;
}

function withPlan(plan: string, error: unknown, cause: unknown = error, said = ''): unknown {
  if (!(error instanceof CommandError)) return error;
  const { exit, code } = error;
  const reason = error.message.replace(/\.$/, '');
  return new CommandError(exit, code, `cannot ${plan}: ${reason} (${code}).${said}`, cause);
}

/** Why the driver itself says it refused, where it says anything. */
function driverWords({ reason }: DattoIoctlError): string {
  return reason === undefined || reason === '' ? '' : ` The driver says: ${reason}.`;
}

export function isIoctlError(error: unknown): error is DattoIoctlError {
  return error instanceof Error && error.name === 'DattoIoctlError';
}
