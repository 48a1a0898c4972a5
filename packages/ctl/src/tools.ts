import { commandFactory, type Context as KitContext } from '@dbd/cli-kit';
import type { Datto } from '@dbd/ioctl';
import type { Clock } from './lib/clock.js';
import type { Files } from './lib/files.js';
import type { Host } from './lib/host.js';

/** What dbdctl's commands work with. */
export interface Tools {
  /** Loads the addon; only then is it needed. */
  readonly datto: () => Promise<Datto>;
  readonly host: Host;
  readonly files: Files;
  readonly clock: Clock;
}

export type Context<V> = KitContext<V, Tools>;

export const defineCommand = commandFactory<Tools>();
