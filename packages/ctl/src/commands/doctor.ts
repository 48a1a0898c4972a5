import { record } from '@dbd/cli-kit';
import { text } from '../schemas.js';
import { defineCommand } from '../tools.js';

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Look for what is wrong with the machine, and say what to do',
  description: [
    'It looks at the kernel, the module and what loading it takes, the tracked devices, and the file systems: mount, kind, free space. It changes nothing. The exit code is 1 when there is a problem.',
  ],
  arguments: [
    {
      name: 'devices',
      label: 'block device',
      kind: 'block-device',
      optional: true,
      repeated: true,
      summary: 'devices to be tracked; all that are mounted when left out',
    },
  ],
  options: [],
  examples: [
    { args: '', summary: 'everything' },
    { args: '/dev/sdb1', summary: 'can /dev/sdb1 be tracked?' },
  ],
  output: {
    schema: 'dbdctl.doctor.v1',
    json: record({
      healthy: { type: 'boolean', description: 'there is no problem' },
      findings: {
        type: 'array',
        items: record(
          {
            name: text('what was looked at'),
            level: { enum: ['ok', 'note', 'problem'] },
            text: text('what is the case'),
            advice: text('what to do about it; not there where all is well'),
          },
          ['advice'],
        ),
      },
    }),
  },
  run: async (context) => (await import('../actions/doctor.js')).doctor(context),
});
