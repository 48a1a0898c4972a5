/** What one file under kernels/ says; adding a kernel is adding such a file. */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { toolRoot } from './paths.js';

export interface KernelDefinition {
  /** Debian suite that the root file system is made from. */
  readonly suite: string;
  /** Packages that bring the kernel and its headers; the common ones are in rootfs.ts. */
  readonly packages: readonly string[];
  /** Which directory of /lib/modules is meant, should the suite bring more than one. */
  readonly version: RegExp;
  /** Built from sources that one of the packages brings, instead of being in one. */
  readonly source?: KernelSource;
  /** More for its command line. */
  readonly append?: string;
  /** So many times a case's time limit may be needed. */
  readonly slowdown?: number;
}

export interface KernelSource {
  readonly tarball: string;
  /** make targets, one after the other. */
  readonly configs: readonly string[];
  /** Lines of a .config; each must hold in the end, or the build fails. */
  readonly options: readonly string[];
}

export interface Kernel extends KernelDefinition {
  readonly name: string;
}

export function defineKernel(definition: KernelDefinition): KernelDefinition {
  return definition;
}

export function kernelNames(): string[] {
  return readdirSync(join(toolRoot, 'kernels'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => basename(file, '.ts'))
    .sort();
}

/** Those that come as packages: the others take an hour to build and are slow. */
export function packagedKernelNames(): string[] {
  return kernelNames().filter((name) => !name.startsWith('debug-'));
}

export async function loadKernel(name: string): Promise<Kernel> {
  if (!kernelNames().includes(name)) {
    throw new Error(`no kernel "${name}"; there are: ${kernelNames().join(', ')}`);
  }
  const module = (await import(`../kernels/${name}.ts`)) as { default: KernelDefinition };
  return { ...module.default, name };
}
