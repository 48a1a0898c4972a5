/** A lock between processes of this machine: an abstract socket's name, which ends with its process. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Runs `body` while holding the lock of `path`, where nothing is created; waits for another holder. */
export async function withLock<T>(
  path: string,
  body: () => Promise<T>,
  onWait?: () => void,
  pollMs = 500,
): Promise<T> {
  const name = `\0dbd-${createHash('sha256').update(resolve(path)).digest('hex')}`;
  let server = await tryListen(name);
  if (!server) onWait?.();
  while (!server) {
    await sleep(pollMs);
    server = await tryListen(name);
  }
  try {
    return await body();
  } finally {
    await new Promise((closed) => server.close(closed));
  }
}

async function tryListen(name: string): Promise<Server | undefined> {
  const server = createServer();
  try {
    await once(server.listen(name), 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}
