/** dbdctl in memory: a driver, a machine and a clock that tests move. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { capture, type Result, type World } from '@dbd/cli-kit/testing';
import { Datto } from '@dbd/ioctl';
import { MemoryDriver } from '@dbd/ioctl/testing';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Files } from '../src/lib/files.js';
import type { Host, HostFile } from '../src/lib/host.js';
import { main } from '../src/main.js';

/** A machine of a few files. */
export class MemoryHost implements Host {
  readonly files = new Map<string, HostFile>();
  readonly texts = new Map<string, string>();
  readonly links = new Map<string, string>();
  readonly free = new Map<string, number>();
  uid = 0;
  arch = 'x64';

  text = async (path: string) => this.texts.get(path);
  names = async (path: string) => {
    const below = [...this.texts.keys()].filter((name) => name.startsWith(`${path}/`));
    return [...new Set(below.map((name) => name.slice(path.length + 1).split('/')[0] as string))];
  };
  file = async (path: string) => this.files.get(await this.resolve(path));
  resolve = async (path: string) => this.links.get(path) ?? path;
  freeBytes = async (path: string) => this.free.get(path);
}

/** What is written there. Texts are those of the machine. */
export class MemoryFiles implements Files {
  readonly links = new Map<string, string>();
  readonly devices = new Map<string, Uint8Array>();
  readonly #texts: Map<string, string>;

  constructor(texts: Map<string, string>) {
    this.#texts = texts;
  }

  bytes = async (path: string, offset: number, length: number) => {
    const part = this.devices.get(path)?.subarray(offset, offset + length);
    return part?.length === length ? part : undefined;
  };
  readLink = async (path: string) => this.links.get(path);
  link = async (path: string, target: string) => {
    this.links.set(path, target);
  };
  write = async (path: string, text: string) => {
    this.#texts.set(path, text);
  };
  rename = async (from: string, to: string) => {
    const text = this.#texts.get(from);
    if (text === undefined) throw new Error(`${from} is not there`);
    this.#texts.delete(from);
    this.#texts.set(to, text);
  };
  remove = async (path: string) => {
    this.links.delete(path);
    this.#texts.delete(path);
  };
  /** Which were to be removed if they are empty. */
  readonly emptied: string[] = [];
  removeEmpty = async (path: string) => {
    this.emptied.push(path);
  };
}

export class Machine {
  readonly driver = new MemoryDriver();
  readonly host = new MemoryHost();
  readonly files = new MemoryFiles(this.host.texts);
  /** How often the addon was asked for. */
  loads = 0;
  now = Date.UTC(2026, 10, 23);
  #sleeps = 0;
  /** Called at each sleep of `watch`. */
  onSleep: () => void = () => {};

  /** One disk of 1 GiB, mounted at /mnt with 500 MiB free. */
  constructor() {
    this.driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30, mountPoint: '/mnt', freeMib: 500 });
    this.driver.directories.add('/mnt/directory');
    this.addDisk('/dev/sdb1', '8:17', 2 ** 30);
    this.addDirectory('/mnt', '8:17');
    this.addDirectory('/mnt/directory', '8:17');
    this.addDirectory('/srv', '8:1');
    this.host.free.set('/mnt', 500 * 2 ** 20);
    this.host.links.set('/dev/disk/by-label/data', '/dev/sdb1');
    this.mount('8:17', '/mnt', 'rw,relatime', 'ext4', '/dev/sdb1', 'rw');
  }

  addDisk(path: string, number: string, bytes: number): void {
    this.host.files.set(path, { kind: 'block', dev: '0:5', rdev: number });
    this.host.texts.set(`/sys/dev/block/${number}/size`, `${bytes / 512}\n`);
  }

  addDirectory(path: string, dev: string): void {
    this.host.files.set(path, { kind: 'directory', dev, rdev: '0:0' });
  }

  /** One more disk, mounted at a directory of its own. */
  addMounted(path: string, number: string, at: string, standsOn?: string): void {
    const device = { bytes: 2 ** 30, mountPoint: at, freeMib: 500 };
    this.driver.blockDevices.set(path, standsOn === undefined ? device : { ...device, standsOn });
    this.addDisk(path, number, 2 ** 30);
    this.addDirectory(at, number);
    this.host.free.set(at, 500 * 2 ** 20);
    const line = `40 25 ${number} / ${at} rw shared:1 - ext4 ${path} rw\n`;
    const before = this.host.texts.get('/proc/self/mountinfo') ?? '';
    this.host.texts.set('/proc/self/mountinfo', before + line);
  }

  /** Instead of what was mounted before. */
  mount(dev: string, at: string, options: string, type: string, source: string, more: string) {
    const line = `36 25 ${dev} / ${at} ${options} shared:1 - ${type} ${source} ${more}\n`;
    this.host.texts.set('/proc/self/mountinfo', line);
  }

  dbdctl(...args: string[]): Promise<Result> {
    return this.run(args);
  }

  run(args: readonly string[], world?: World): Promise<Result> {
    return capture(
      (io) =>
        main(args, io, {
          datto: async () => {
            this.loads++;
            return new Datto(this.driver);
          },
          host: this.host,
          files: this.files,
          clock: {
            now: () => this.now,
            sleep: async (ms) => {
              if (this.#sleeps++ > 100) throw new Error('it does not end');
              this.now += ms;
              this.onSleep();
            },
          },
        }),
      world,
    );
  }

  /** What `--json` prints, found to be what the schema of that name says. */
  async json(schema: string, ...args: string[]): Promise<Record<string, unknown>> {
    const { stdout } = await this.run([...args, '--json']);
    return checked(schema, JSON.parse(stdout));
  }
}

/** Throws unless the document is of the published schema. */
export function checked<T>(schema: string, document: T): T {
  const path = fileURLToPath(new URL(`../schema/${schema}.json`, import.meta.url));
  // `oneOf` beside `type` in nullable ones.
  const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(
    JSON.parse(readFileSync(path, 'utf8')),
  );
  if (validate(document)) return document;
  throw new Error(`not of ${schema}: ${JSON.stringify(validate.errors, undefined, 2)}`);
}
