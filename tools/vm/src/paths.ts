import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const toolRoot = dirname(dirname(fileURLToPath(import.meta.url)));
export const repoRoot = dirname(dirname(toolRoot));

/** Outside the checkout, so that `git clean` and a fresh clone keep what took minutes to make. */
export const cacheRoot = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'dbd', 'vm');

export const resultsRoot = join(cacheRoot, 'results');
export const runRoot = join(cacheRoot, 'run');
