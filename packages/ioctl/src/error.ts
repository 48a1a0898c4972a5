import { explain } from './advice.js';
import { errnoName } from './errno.js';
import type { Operation } from './operation.js';

/** What a call was about; the parts that it has. */
export interface Subject {
  readonly minor?: number;
  readonly blockDevice?: string;
  readonly cowFile?: string;
  readonly fd?: number;
}

/** How a binding's promise is rejected. */
export interface SyscallFailure {
  /** Positive errno value. */
  readonly errno: number;
  /** Name of the system call that failed. */
  readonly syscall: string;
  /** What the driver says of it. */
  readonly reason?: string | undefined;
  /** Index of the member of a group that was refused. */
  readonly member?: number | undefined;
}

/** A system call of this package failed. The message names object, cause and next step. */
export class DattoIoctlError extends Error {
  override readonly name = 'DattoIoctlError';
  /** Name of the errno, such as `EBUSY`. */
  readonly code: string;
  /** Positive errno value. */
  readonly errno: number;
  /** `open`, `ioctl`, `lseek` or `posix_fadvise`. */
  readonly syscall: string;
  /** What the driver says of it; undefined when it says nothing. */
  readonly reason: string | undefined;
  readonly operation: Operation;
  /** Of a group: the member that was refused; empty when it was none of them. */
  readonly subject: Subject;
  /** Index of that member among those given. */
  readonly member: number | undefined;
  /** The control node is missing or nobody answers it: the driver is not loaded. */
  readonly driverAbsent: boolean;

  constructor(operation: Operation, subject: Subject, failure: SyscallFailure, cause?: unknown) {
    const code = errnoName(failure.errno);
    const { message, driverAbsent } = explain(operation, code, failure, subject);
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.errno = failure.errno;
    this.syscall = failure.syscall;
    this.reason = failure.reason;
    this.operation = operation;
    this.subject = subject;
    this.member = failure.member;
    this.driverAbsent = driverAbsent;
  }
}

/** An argument that does not fit its field. Thrown before any system call. */
export class DattoArgumentError extends RangeError {
  override readonly name = 'DattoArgumentError';
  readonly code = 'ERR_DATTO_ARGUMENT';
  /** Name of the argument. */
  readonly argument: string;
  readonly value: unknown;

  constructor(argument: string, expected: string, value: unknown) {
    super(`${argument} must be ${expected}, not ${describe(value)}`);
    this.argument = argument;
    this.value = value;
  }
}

function describe(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
