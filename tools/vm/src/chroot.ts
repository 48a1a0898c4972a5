/**
 * Runs a command inside a root file system. All mounts live in a mount namespace of their own
 * and vanish with the command, however it ends.
 */
import { type RunOptions, type RunResult, run } from './exec.js';

export interface Bind {
  readonly from: string;
  readonly to: string;
  readonly readOnly?: boolean;
}

export function chrootRun(
  root: string,
  binds: readonly Bind[],
  command: string,
  options: RunOptions = {},
): Promise<RunResult> {
  const script = [
    'set -e',
    // The root itself is shared between runs and VMs: it must not be written.
    'mount --bind "$1" "$1"',
    'mount -o remount,bind,ro "$1"',
    'mount -t tmpfs tmpfs "$1/tmp"',
    'mount -t proc proc "$1/proc"',
    'mount --rbind /dev "$1/dev"',
    'mount -t tmpfs tmpfs "$1/mnt"',
    ...binds.flatMap((bind) => [
      `mkdir -p "$1${bind.to}"`,
      `mount --bind '${bind.from}' "$1${bind.to}"`,
      ...(bind.readOnly ? [`mount -o remount,bind,ro "$1${bind.to}"`] : []),
    ]),
    'exec chroot "$1" /bin/sh -c "$2"',
  ].join('\n');
  return run(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', root, command],
    options,
  );
}
