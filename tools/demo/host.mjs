// The demo on this machine itself: two loop devices, the running kernel, the module built for it.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { release, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fail, heading, installPackages, root, run } from '../bootstrap.mjs';

/** Says why modules cannot be loaded here, before anything is built. */
function checkModules() {
  const switchFile = '/proc/sys/kernel/modules_disabled';
  if (!existsSync(switchFile)) {
    fail(
      'this kernel loads no modules (built without them): run the demo without --host, it boots a VM',
    );
  }
  if (readFileSync(switchFile, 'utf8').trim() !== '0') {
    fail(`loading modules is switched off until the next boot (${switchFile})`);
  }
  if (/^dattobd /m.test(readFileSync('/proc/modules', 'utf8'))) {
    fail('a dattobd module is loaded already: unload it first (rmmod dattobd)');
  }
}

export function runOnHost() {
  checkModules();
  const headers = `/lib/modules/${release()}/build`;
  installPackages([
    ['/usr/bin/gcc', 'gcc'],
    ['/usr/include/stdio.h', 'libc6-dev'],
    ['/usr/bin/make', 'make'],
    ['/sbin/mkfs.ext4', 'e2fsprogs'],
    ['/usr/bin/pkill', 'procps'],
    [join(headers, 'Makefile'), `linux-headers-${release()}`],
  ]);
  const work = mkdtempSync(join(tmpdir(), 'dbd-demo-'));
  const loops = [];
  let status = 1;
  // The script undoes its own; a signal goes to it as well, and this waits for it to end.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  try {
    heading(`building the module for ${release()}`);
    const kmod = join(work, 'kmod');
    cpSync(join(root, 'kmod'), kmod, { recursive: true });
    run('make', ['-s', '-C', kmod, `KDIR=${headers}`], { quiet: true });
    const bin = buildTools(work);
    for (const size of ['384M', '768M']) {
      const image = join(work, `disk${loops.length}.img`);
      run('truncate', ['-s', size, image]);
      loops.push(run('losetup', ['-f', '--show', image], { quiet: true }).stdout.trim());
    }
    const env = {
      ...process.env,
      PATH: `${bin}:${process.env.PATH}:/usr/sbin:/sbin`,
      GUEST: join(root, 'tools/vm/guest'),
      MODULE: join(kmod, 'dattobd.ko'),
      COLOUR: process.stdout.isTTY ? '1' : '0',
      DISK1: loops[0],
      DISK2: loops[1],
      DATA: join(work, 'data'),
      BACKUP: join(work, 'backup'),
      IMAGE_MOUNT: join(work, 'image'),
    };
    const script = join(root, 'tools/demo/cycle.sh');
    status = spawnSync('bash', [script], { stdio: 'inherit', env }).status ?? 1;
  } finally {
    for (const loop of loops) spawnSync('losetup', ['-d', loop]);
    rmSync(work, { recursive: true, force: true, maxRetries: 3 });
  }
  if (status !== 0) fail('the demo failed');
}

/** The proof's tools, and the two commands under the names that a user types. */
function buildTools(work) {
  const bin = join(work, 'bin');
  mkdirSync(bin);
  const guest = join(root, 'tools/vm/guest');
  for (const file of readdirSync(guest).filter((name) => name.endsWith('.c'))) {
    const options = ['-O2', '-std=gnu11', `-I${join(root, 'kmod/include')}`];
    run('gcc', [...options, '-o', join(bin, basename(file, '.c')), join(guest, file)]);
  }
  for (const [name, pkg] of [
    ['dbdctl', 'ctl'],
    ['update-img', 'update-img'],
  ]) {
    const command = `#!/bin/sh\nexec '${process.execPath}' '${root}/packages/${pkg}/bin/${name}.js' "$@"\n`;
    writeFileSync(join(bin, name), command, { mode: 0o755 });
  }
  return bin;
}
