import { runInProcess } from '@dbd/cli-kit';
import { systemClock } from './lib/clock.js';
import { systemFiles } from './lib/files.js';
import { systemHost } from './lib/host.js';
import { main } from './main.js';

await runInProcess((args, io) =>
  main(args, io, {
    // Late, so that help needs neither addon nor driver.
    datto: async () => new (await import('@dbd/ioctl')).Datto(),
    host: systemHost(),
    files: systemFiles(),
    clock: systemClock,
  }),
);
