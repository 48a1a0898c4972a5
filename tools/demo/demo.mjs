// npm run demo [-- --host]: the whole backup cycle, twice over, shown and proved. Does all set-up itself.
import { bootstrap, fail, heading, run, runVm } from '../bootstrap.mjs';
import { runOnHost } from './host.mjs';

const options = process.argv.slice(2);
const unknown = options.filter((option) => option !== '--host');
if (unknown.length > 0) fail(`unknown option ${unknown[0]}\nusage: npm run demo [-- --host]`);
if (process.getuid() !== 0)
  fail('the demo needs root: it makes file systems and loads a kernel module');

bootstrap();
heading('building the commands');
run('npm', ['run', '--silent', 'build'], { quiet: true });

if (options.includes('--host')) {
  runOnHost();
} else {
  heading('booting a VM with Debian 12, Linux 6.1 (the first time, its root file system is made)');
  const result = runVm([
    'run',
    '--kernel=bookworm-6.1',
    '--script=tools/demo/cycle.sh',
    '--disk=384M',
    '--disk=768M',
    '--timeout=900',
    '--quiet',
    `--env=COLOUR=${process.stdout.isTTY ? 1 : 0}`,
  ]);
  if (result.status !== 0) fail('the demo failed');
  heading('the kernel logged nothing amiss');
}
