import { commandFactory } from '@dbd/cli-kit';
import type { Datto } from '@dbd/ioctl';

/** What dbdctl's commands work with. */
export interface Tools {
  /** Loads the addon; only then is it needed. */
  readonly datto: () => Promise<Datto>;
}

export const defineCommand = commandFactory<Tools>();
