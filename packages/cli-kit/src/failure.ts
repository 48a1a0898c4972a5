/** What an error means to the caller of a command. */
import type { CowErrorCode } from '@dbd/cow-format';
import type { DattoIoctlError } from '@dbd/ioctl';
import { EXIT, EXIT_CODES, type ExitName } from './exit-code.js';
import { type Json, record } from './json.js';

/** An error of a command itself; the message names object, cause and next step. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exit: ExitName;
  /** For programs: `EBUSY`, `ERR_COW_SERIES`, ... */
  readonly code: string;

  constructor(exit: ExitName, code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exit = exit;
    this.code = code;
  }
}

/** The error as the user sees it. */
export interface Failure {
  readonly exit: ExitName;
  readonly code: string;
  readonly message: string;
}

/** How a program judges errors of its own; undefined leaves them to {@link describeFailure}. */
export type Classify = (error: unknown) => ExitName | undefined;

/**
 * Judges any error. Errors of the libraries are known by their names, as importing the classes would
 * load the libraries; an error of no known kind is judged by its cause.
 */
export function describeFailure(error: unknown, classify?: Classify): Failure {
  return {
    exit: classify?.(error) ?? exitOf(error),
    code: codeOf(error) ?? 'ERR_UNKNOWN',
    message: error instanceof Error ? error.message : String(error),
  };
}

/** What every command's `--json` writes when it fails. */
export const FAILURE_OUTPUT = {
  schema: 'dbd.error.v1',
  json: record({
    error: record({
      exit: { enum: EXIT_CODES.slice(1).map(({ name }) => name) },
      exitCode: { enum: EXIT_CODES.slice(1).map(({ code }) => code) },
      code: { type: 'string', description: 'for programs: an errno such as EBUSY, or ERR_...' },
      message: { type: 'string', description: 'for people: object, cause and next step' },
    }),
  }),
} as const;

/** A failure as {@link FAILURE_OUTPUT} has it. */
export function failureJson({ exit, code, message }: Failure): Json {
  return {
    schema: FAILURE_OUTPUT.schema,
    error: { exit, exitCode: EXIT[exit], code, message },
  };
}

function exitOf(error: unknown): ExitName {
  if (!(error instanceof Error)) return 'failure';
  if (error instanceof CommandError) return error.exit;
  switch (error.name) {
    case 'UsageError':
    case 'DattoArgumentError':
      return 'usage';
    case 'AbortError':
      return 'interrupted';
    case 'DattoIoctlError':
      return driverExit(error as DattoIoctlError);
    case 'CowFormatError':
      return cowExit((error as Error & { code: CowErrorCode }).code) ?? exitOf(error.cause);
  }
  const own = SYSTEM[codeOf(error) ?? ''];
  return own ?? (error.cause === undefined ? 'failure' : exitOf(error.cause));
}

const SYSTEM: Readonly<Record<string, ExitName>> = {
  EPERM: 'permission',
  EACCES: 'permission',
  EBUSY: 'busy',
};

const DEVICE: Readonly<Record<string, ExitName>> = {
  ...SYSTEM,
  ENOENT: 'no such device',
  ENXIO: 'no such device',
  ENODEV: 'no such device',
  ENOTBLK: 'no such device',
  ENOTTY: 'no such device',
};

function driverExit({ code, driverAbsent, operation }: DattoIoctlError): ExitName {
  if (driverAbsent) return 'driver absent';
  // ENOTTY of the control node: a command the driver does not know.
  if (code === 'ENOTTY' && !operation.startsWith('device') && !operation.startsWith('logical')) {
    return 'failure';
  }
  if (operation === 'getFreeMinor' && code === 'ENOENT') return 'busy';
  return DEVICE[code] ?? 'failure';
}

function cowExit(code: CowErrorCode): ExitName | undefined {
  switch (code) {
    case 'ERR_COW_SERIES':
    case 'ERR_COW_SEQID':
    case 'ERR_COW_NOT_INCREMENTAL':
    case 'ERR_COW_VERSION':
      return 'COW mismatch';
    case 'ERR_COW_TRUNCATED':
    case 'ERR_COW_MAGIC':
    case 'ERR_COW_NOT_CLEAN':
    case 'ERR_COW_COUNT':
      return 'corrupt';
    case 'ERR_COW_RANGE':
      return 'usage';
    default:
      return undefined;
  }
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error.name === 'UsageError') return 'ERR_USAGE';
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
