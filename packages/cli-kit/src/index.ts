export type { Context } from './context.js';
export {
  type Argument,
  type Command,
  commandFactory,
  commandsOf,
  type DeviceRef,
  type Example,
  type JsonOutput,
  type Kind,
  type NewDeviceRef,
  type Option,
  type Program,
  singleCommand,
  usagesOf,
  type Values,
} from './definition.js';
export { EXIT, EXIT_CODES, type ExitName } from './exit-code.js';
export { type Classify, CommandError, describeFailure, type Failure } from './failure.js';
export { type Json, type JsonSchema, record, toJson } from './json.js';
export { LiveLines } from './live.js';
export { Output } from './output.js';
export { runInProcess } from './process.js';
export { type Io, runProgram } from './run.js';
export { systemErrorText } from './system-error.js';
export { type Column, cut, formatTable } from './table.js';
export {
  type Environment,
  hasColor,
  type Paint,
  painter,
  printable,
  stripStyles,
  type TextStream,
  widthOf,
  wrap,
} from './terminal.js';
export { formatBytes, formatDuration, formatRate, plural } from './units.js';
export { UsageError } from './usage-error.js';
