import { type ExitName, printable, wrap } from '@dbd/cli-kit';
import { type Finding, note } from '../doctor/finding.js';
import { checkKernel } from '../doctor/kernel.js';
import { checkModule } from '../doctor/module.js';
import { checkStorage } from '../doctor/storage.js';
import { checkTracked } from '../doctor/tracked.js';
import type { Context } from '../tools.js';

export async function doctor(
  context: Context<{ readonly devices: readonly string[] }>,
): Promise<ExitName | undefined> {
  const { values, json, out, tools } = context;
  const { host } = tools;
  const findings = [
    ...(await checkKernel(host)),
    ...(await checkModule(host)),
    ...(host.uid === 0
      ? []
      : [note('user', 'not root, so not all can be seen', 'Run this as root: changes need it')]),
    ...(await tracked(context)),
    ...(await checkStorage(host, values.devices)),
  ];
  const problems = findings.filter(({ level }) => level === 'problem').length;
  if (json)
    out.document({ healthy: problems === 0, findings: findings.map((one) => ({ ...one })) });
  else out.print(findings.map((one) => textOf(one, context)).join('\n'));
  return problems === 0 ? undefined : 'failure';
}

/** Without a driver there are none; that it is not there is said already. */
async function tracked({ tools }: Context<unknown>): Promise<Finding[]> {
  try {
    return await checkTracked(await tools.datto(), tools);
  } catch (error) {
    if ((error as { driverAbsent?: boolean }).driverAbsent) return [];
    throw error;
  }
}

const MARKS = {
  ok: ['green', 'ok     '],
  note: ['yellow', 'note   '],
  problem: ['red', 'PROBLEM'],
} as const;

function textOf({ name, level, text, advice }: Finding, { out }: Context<unknown>): string {
  const [colour, mark] = MARKS[level];
  const indent = ' '.repeat(mark.length + 1);
  const line = wrap(`${printable(name)}: ${text}`, out.width, indent).slice(indent.length);
  const more =
    advice === undefined
      ? ''
      : `\n${indent}-> ${wrap(`${advice}.`, out.width, `${indent}   `).trimStart()}`;
  return `${out.paint(colour, mark)} ${line}${more}`;
}
