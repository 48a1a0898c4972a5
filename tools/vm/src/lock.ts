/** A lock between processes: a directory that names its holder. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onCleanup } from './cleanup.js';

/** Runs `body` while holding the lock at `path`; waits for another live holder. */
export async function withLock<T>(
  path: string,
  body: () => Promise<T>,
  onWait?: () => void,
): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  let told = false;
  while (!tryLock(path)) {
    if (!told) onWait?.();
    told = true;
    await sleep(500);
  }
  const unlock = () => rmSync(path, { recursive: true, force: true });
  const forget = onCleanup(unlock);
  try {
    return await body();
  } finally {
    forget();
    unlock();
  }
}

/** The directory appears with its holder inside by one rename, so it is never without one. */
function tryLock(path: string): boolean {
  const mine = `${path}.${process.pid}`;
  mkdirSync(mine, { recursive: true });
  writeFileSync(join(mine, 'holder'), holderId(process.pid));
  try {
    renameSync(mine, path);
    return true;
  } catch {
    rmSync(mine, { recursive: true, force: true });
  }
  if (!holderAlive(path)) rmSync(path, { recursive: true, force: true });
  return false;
}

function holderAlive(path: string): boolean {
  try {
    const holder = readFileSync(join(path, 'holder'), 'utf8');
    return holderId(Number(holder.split(' ')[0])) === holder;
  } catch {
    // Just released, or a pid that is gone.
    return false;
  }
}

/** Pid and start time, so that a recycled pid is not taken for the holder. */
export function holderId(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z') throw new Error(`process ${pid} has ended`);
  return `${pid} ${fields[19]}`;
}
