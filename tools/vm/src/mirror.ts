/** Finds the machine's own Debian mirror, so that none has to be named here. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Source {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
}

/** URI of the mirror that serves the machine's own suite; other suites come from it too. */
export function debianMirror(): string {
  const codename = /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  const sources = readSources('/etc/apt');
  const own = sources.find((source) => codename !== undefined && source.suites.includes(codename));
  const uri = own?.uris[0];
  if (uri === undefined) {
    throw new Error(
      `no apt source for the suite "${codename}" in /etc/apt: the harness takes Debian's mirror from there`,
    );
  }
  return uri;
}

function readSources(etc: string): Source[] {
  const files = [join(etc, 'sources.list')];
  const parts = join(etc, 'sources.list.d');
  if (existsSync(parts)) files.push(...readdirSync(parts).map((name) => join(parts, name)));
  return files
    .filter((file) => existsSync(file))
    .flatMap((file) => {
      const text = readFileSync(file, 'utf8');
      if (file.endsWith('.sources')) return parseDeb822(text);
      return file.endsWith('.list') ? parseOneLine(text) : [];
    });
}

/** `deb [options] URI SUITE component...` */
export function parseOneLine(text: string): Source[] {
  return [...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/gm)].map((match) => ({
    uris: [match[1] as string],
    suites: [match[2] as string],
  }));
}

export function parseDeb822(text: string): Source[] {
  return text
    .split(/\n\s*\n/)
    .map((stanza) => ({
      types: field(stanza, 'Types'),
      uris: field(stanza, 'URIs'),
      suites: field(stanza, 'Suites'),
      enabled: field(stanza, 'Enabled')[0] !== 'no',
    }))
    .filter((source) => source.enabled && source.types.includes('deb'));
}

function field(stanza: string, name: string): string[] {
  const value = new RegExp(`^${name}:(.*(?:\\n[ \\t].*)*)`, 'mi').exec(stanza)?.[1] ?? '';
  return value.split(/\s+/).filter((word) => word !== '');
}
