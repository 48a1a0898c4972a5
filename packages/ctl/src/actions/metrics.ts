import { rename, rm, writeFile } from 'node:fs/promises';
import { CommandError, systemErrorText } from '@dbd/cli-kit';
import { readDevices } from '../lib/devices.js';
import { metricsOf, metricsText } from '../lib/metrics.js';
import type { Context } from '../tools.js';

export async function metrics(context: Context<{ readonly output: string | undefined }>) {
  const { values, json, out } = context;
  const found = metricsOf(await driver(context));
  const text = metricsText(found);
  if (values.output !== undefined) await replace(values.output, text);
  if (json) {
    const plain = found.map((one) => ({ ...one, samples: one.samples.map((s) => ({ ...s })) }));
    out.document({ metrics: plain });
  } else if (values.output === undefined) out.print(text.trimEnd());
  return undefined;
}

/** That no driver is loaded is an answer here, and no failure. */
async function driver({ tools }: Context<unknown>) {
  try {
    const datto = await tools.datto();
    const { version } = await datto.status();
    return { version, devices: await readDevices(datto, tools) };
  } catch (error) {
    if ((error as { driverAbsent?: boolean }).driverAbsent) return undefined;
    throw error;
  }
}

/** A reader sees the file as it was, or as it is, and takes no other name for one of its own. */
async function replace(path: string, text: string): Promise<void> {
  const beside = `${path}.${process.pid}`;
  try {
    await writeFile(beside, text, { mode: 0o644 });
    await rename(beside, path);
  } catch (cause) {
    await rm(beside, { force: true });
    const { code = 'ERR_WRITE' } = cause as { code?: string };
    const message = `cannot write the metrics to ${path}: ${systemErrorText(cause)}.`;
    throw new CommandError('failure', code, message, cause);
  }
}
