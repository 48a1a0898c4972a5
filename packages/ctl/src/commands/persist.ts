import { record } from '@dbd/cli-kit';
import { DEVICE, DRY_RUN } from '../parameters.js';
import { text } from '../schemas.js';
import { defineCommand } from '../tools.js';

export const persist = defineCommand({
  name: 'persist',
  summary: 'Have a device tracked again after a reboot, without being told',
  description: [
    'What is needed at boot is installed by the package dattobd-utils (`boot/` of the sources): a small program, a rule for udev, units for systemd, and what puts it into an initramfs. It has the driver track the device before its file system is checked or mounted. The COW file is found by `.dbd/live`, a link in the root of that file system, which each transition with this program keeps true.',
    'After the boot the device is incremental, whatever it was before: a snapshot ends with the machine, and what changed since it was taken is kept. That is so after a power cut as well.',
    'A device stays persistent when it is destroyed and set up again, until `--off`. Who asks the driver for a transition without this program calls this command again after it.',
  ],
  arguments: [DEVICE],
  options: [{ name: 'off', kind: 'flag', summary: 'leave it alone after a reboot' }, DRY_RUN],
  examples: [
    { args: '0', summary: 'the device at /dev/datto0, or incremental with minor 0' },
    { args: '--off /dev/sdb1', summary: 'no longer' },
  ],
  output: {
    schema: 'dbdctl.persist.v1',
    json: record({
      dryRun: { type: 'boolean', description: 'true: nothing was done' },
      blockDevice: text('the tracked device'),
      persistent: { type: 'boolean', description: 'false with --off' },
      plan: text('what is done, in words'),
    }),
  },
  run: async (context) => (await import('../actions/persist.js')).persist(context),
});
