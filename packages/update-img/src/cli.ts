import { main } from './main.js';

process.exitCode = await main(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: process.stderr,
  // Late, so that help needs neither addon nor driver.
  datto: async () => new (await import('@dbd/ioctl')).Datto(),
});
