import type { ExitName } from '@dbd/cli-kit';
import type { UpdateError } from './error.js';

/** Exit codes of this program's own errors; undefined: judged by the cause. By name, to load nothing. */
export function classify(error: unknown): ExitName | undefined {
  if (!(error instanceof Error) || error.name !== 'UpdateError') return undefined;
  const { code, partial, cause } = error as UpdateError;
  switch (code) {
    case 'ERR_UPDATE_INTERRUPTED':
      return 'interrupted';
    case 'ERR_UPDATE_HALFWAY':
    case 'ERR_UPDATE_VERIFY':
      return 'partial copy';
    case 'ERR_UPDATE_NO_SNAPSHOT':
      return 'no such device';
    case 'ERR_UPDATE_BUSY':
      return 'busy';
    case 'ERR_UPDATE_GAP':
      return 'COW mismatch';
    case 'ERR_UPDATE_MANIFEST':
      return partial ? 'partial copy' : 'corrupt';
    default:
      if (partial) return 'partial copy';
      return (cause as { code?: unknown } | undefined)?.code === 'EROFS' ? 'permission' : undefined;
  }
}
