import { runInProcess } from '@dbd/cli-kit';
import { main } from './main.js';

await runInProcess((args, io) =>
  main(args, io, {
    // Late, so that help needs neither addon nor driver.
    datto: async () => new (await import('@dbd/ioctl')).Datto(),
  }),
);
