/** An architecture, by the names that others have for it. */
export interface Arch {
  readonly node: string;
  readonly gnu: string;
  readonly debian: string;
  readonly rpm: string;
}

export const ARCHES: readonly Arch[] = [
  { node: 'x64', gnu: 'x86_64-linux-gnu', debian: 'amd64', rpm: 'x86_64' },
  { node: 'arm64', gnu: 'aarch64-linux-gnu', debian: 'arm64', rpm: 'aarch64' },
];
