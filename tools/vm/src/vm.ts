/**
 * One QEMU process. Its second serial port is our stdin and stdout: a line a job, see guest/agent.
 * The console goes to a file, which is what is left when the kernel panics.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onCleanup } from './cleanup.js';
import { tail } from './exec.js';
import type { RootFs } from './rootfs.js';

const BOOT_SECONDS = 120;
/** How long the guest may take, after a job's own limit, to say that it was over. */
const GRACE_SECONDS = 45;
const MEMORY = '2G';
const BOOT_TRIES = 3;

export interface VmOptions {
  readonly rootFs: RootFs;
  /** Directory of this VM alone: share/, disks, console. */
  readonly dir: string;
  /** Sizes in bytes of /dev/vda, /dev/vdb, ... */
  readonly disks: readonly number[];
  /** Host directories that the guest sees read-only, by 9p tag. */
  readonly mounts: Readonly<Record<string, string>>;
  /** One processor, and the guest's clock goes on by a nanosecond with each of its instructions, whatever the host does meanwhile. */
  readonly countInstructions?: boolean;
}

export type JobResult =
  | { readonly kind: 'done'; readonly status: number }
  /** The guest panicked, powered off or froze; this VM is of no more use. */
  | { readonly kind: 'lost'; readonly down: boolean; readonly why: string };

/** Whether a guest's clock can be right that says it is up for so many seconds, when its VM began so many ago. */
export function isClockSane(uptime: number, elapsed: number): boolean {
  return uptime < 1.5 * elapsed;
}

export class Vm {
  readonly dir: string;
  readonly console: string;
  readonly share: string;
  readonly #options: VmOptions;
  #child: ChildProcess | undefined;
  #buffer = '';
  #waiting: ((line: string | undefined) => void) | undefined;
  #raw: ((text: string) => void) | undefined;
  #forget: () => void = () => {};

  constructor(options: VmOptions) {
    this.#options = options;
    this.dir = options.dir;
    this.share = join(options.dir, 'share');
    this.console = join(options.dir, 'console.log');
    mkdirSync(this.share, { recursive: true });
  }

  get alive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && !this.#child.signalCode;
  }

  /** Boots; again after stop(), with the same disks and share. */
  async start(): Promise<void> {
    for (let tries = 1; !(await this.#boot()); tries++) {
      await this.cut();
      if (tries === BOOT_TRIES) throw new Error(`the VM's clock ran fast ${tries} times`);
    }
  }

  /** False: its clock runs fast, as the machine was elsewhere while the guest's kernel measured it. */
  async #boot(): Promise<boolean> {
    const begin = performance.now();
    // A SIGKILL of ours must not leave QEMU running: it gets the parent-death signal.
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', 'qemu-system-x86_64', ...this.#arguments()],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    this.#child = child;
    this.#forget = onCleanup(() => child.kill('SIGKILL'));
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#receive(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.stdin.on('error', () => {});
    child.on('error', (error) => {
      errors += error.message;
      this.#deliver(undefined);
    });
    child.on('exit', () => {
      this.#forget();
      this.#deliver(undefined);
    });
    const line = await this.#line(BOOT_SECONDS * (this.#options.rootFs.kernel.slowdown ?? 1));
    if (!line?.startsWith('ready ')) {
      this.kill();
      throw new Error(`the VM did not boot: ${errors}\n${tail(this.readConsole(), 40)}`);
    }
    return isClockSane(Number(line.split(' ')[1]), (performance.now() - begin) / 1000);
  }

  /** Runs `run` in this directory of the share; `seconds` is enforced in the guest and here. */
  async job(directory: string, seconds: number): Promise<JobResult> {
    if (!this.alive) return { kind: 'lost', down: false, why: 'the VM is not running' };
    this.#send(`run ${directory} ${seconds}`);
    const line = await this.#line(seconds + GRACE_SECONDS);
    const status = line?.startsWith(`done ${directory} `) ? Number(line.split(' ')[2]) : undefined;
    if (status !== undefined) return { kind: 'done', status };
    const down = !this.alive;
    const why = down ? 'the kernel went down' : `no answer within ${seconds + GRACE_SECONDS} s`;
    this.kill();
    return { kind: 'lost', down, why };
  }

  /** Connects this process's terminal to a shell in the guest until that ends. */
  async shell(): Promise<void> {
    this.#raw = (text) => process.stdout.write(text);
    process.stdin.setRawMode?.(true);
    const forward = (data: Buffer) => this.#child?.stdin?.write(data);
    process.stdin.on('data', forward).resume();
    this.#send('shell');
    await this.#line(24 * 3600);
    process.stdin.off('data', forward).pause();
    process.stdin.setRawMode?.(false);
    this.#raw = undefined;
  }

  async stop(): Promise<void> {
    if (!this.alive) return;
    this.#send('off');
    const timer = setTimeout(() => this.kill(), 20_000);
    await this.#ended();
    clearTimeout(timer);
  }

  /** As a power cut: whatever the disks were told is there, nothing else. */
  async cut(): Promise<void> {
    this.kill();
    await this.#ended();
  }

  async #ended(): Promise<void> {
    const child = this.#child;
    if (!this.alive || child === undefined) return;
    await new Promise<void>((resolve) => child.once('exit', () => resolve()));
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  readConsole(): string {
    return existsSync(this.console) ? readFileSync(this.console, 'utf8') : '';
  }

  #send(line: string): void {
    this.#child?.stdin?.write(`${line}\n`);
  }

  #receive(text: string): void {
    this.#raw?.(text);
    this.#buffer += text;
    for (let end = this.#buffer.indexOf('\n'); end >= 0; end = this.#buffer.indexOf('\n')) {
      const line = this.#buffer.slice(0, end).trim();
      this.#buffer = this.#buffer.slice(end + 1);
      if (line.startsWith('ready ') || line.startsWith('done ')) this.#deliver(line);
    }
  }

  #deliver(line: string | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(line);
  }

  #line(seconds: number): Promise<string | undefined> {
    if (!this.alive) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#deliver(undefined), seconds * 1000);
      this.#waiting = (line) => {
        clearTimeout(timer);
        resolve(line);
      };
    });
  }

  #arguments(): string[] {
    const { rootFs, dir, disks, mounts, countInstructions } = this.#options;
    const append = [
      'console=ttyS0 panic=-1 quiet mitigations=off log_buf_len=4M random.trust_cpu=on',
      // What is translated serves again where programs lie at the same addresses. A timer that is late because the
      // machine was elsewhere is taken for broken, and that for the end.
      'norandmaps tsc=reliable clocksource=tsc no_timer_check',
      // Before the root is there nothing of use is printed, and each line costs.
      'loglevel=4',
      rootFs.kernel.append ?? '',
    ].join(' ');
    const shares: [string, string, string][] = [
      ['root', rootFs.root, 'readonly=on'],
      ['share', this.share, 'readonly=off'],
      ...Object.entries(mounts).map(([tag, path]): [string, string, string] => [
        tag,
        path,
        'readonly=on',
      ]),
    ];
    return [
      // thread=multi reports false oopses when the guest patches its own text. A string instruction is
      // emulated step by step: not one for each byte. KASAN takes addresses of five levels of page tables for wild.
      ...[
        '-accel',
        'tcg,thread=single',
        '-cpu',
        'max,-erms,-fsrm,-la57',
        '-smp',
        // Counting, a processor that spins until the other has moved would have the whole of its time slice.
        countInstructions ? '1' : '2',
        '-m',
        MEMORY,
      ],
      ...(countInstructions ? ['-icount', 'shift=0'] : []),
      ...['-display', 'none', '-monitor', 'none', '-no-reboot', '-net', 'none'],
      ...[
        '-serial',
        `file:${this.console}`,
        '-chardev',
        'stdio,id=agent,signal=off',
        '-serial',
        'chardev:agent',
      ],
      ...['-kernel', rootFs.image, '-initrd', rootFs.initramfs, '-append', append],
      ...['-device', 'virtio-rng-pci'],
      ...shares.flatMap(([tag, path, mode]) => [
        '-fsdev',
        `local,id=${tag},path=${path},security_model=none,multidevs=remap,${mode}`,
        '-device',
        `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`,
      ]),
      ...disks.flatMap((bytes, index) => [
        '-drive',
        `if=none,id=disk${index},format=raw,cache=unsafe,discard=unmap,file=${sparseFile(dir, index, bytes)}`,
        '-device',
        `virtio-blk-pci,drive=disk${index},addr=${diskAddress(index)},multifunction=on`,
      ]),
    ];
  }
}

function sparseFile(dir: string, index: number, bytes: number): string {
  const path = join(dir, `disk${index}.img`);
  // A VM that was started before finds its disks as it left them.
  const fd = openSync(path, 'a');
  ftruncateSync(fd, bytes);
  closeSync(fd);
  return path;
}

/** Slot and function on the PCI bus, eight to a slot, in the order that the guest names them by. */
export function diskAddress(index: number): string {
  const slot = 0x10 + (index >> 3);
  if (slot > 0x1f) throw new Error(`a VM has room for 128 disks, not for ${index + 1}`);
  return `0x${slot.toString(16)}.${index & 7}`;
}

/** Name of the guest's nth virtio disk. */
export function diskName(index: number): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  const before = Math.floor(index / letters.length);
  return `/dev/vd${before ? letters[before - 1] : ''}${letters[index % letters.length]}`;
}
