/** The shells and the linter that generated files are for; they are installed with apt. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What mandoc has to say about a manual, but for manuals it names that are not installed here. */
export function lintManual(text: string): string[] {
  const { stdout, stderr } = run('mandoc', ['-Tlint', '-Wstyle'], { input: text });
  return `${stdout}${stderr}`
    .split('\n')
    .filter((line) => line !== '' && !/referenced manual not found|mandoc\.db/.test(line));
}

/** What bash offers for a command line whose last word is being typed. */
export function completeInBash(script: string, words: readonly string[], cwd = '/'): string[] {
  const driver = `
    source "$SCRIPT"
    function=$(complete -p "$1" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    "$function" "$1" "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  return inDirectory({ script }, (directory) => {
    const args = ['--norc', '--noprofile', '-c', driver, 'bash', ...words];
    const env = { ...process.env, SCRIPT: join(directory, 'script') };
    return lines(run('bash', args, { cwd, env }).stdout);
  });
}

/** What fish offers for a command line, without descriptions. */
export function completeInFish(script: string, words: readonly string[], cwd = '/'): string[] {
  return inDirectory({ script }, (directory) => {
    const code = 'source $argv[1]; complete -C $argv[2]';
    const args = ['--no-config', '-c', code, join(directory, 'script'), words.join(' ')];
    const { stdout } = run('fish', args, { cwd, env: { ...process.env, HOME: directory } });
    return lines(stdout).map((line) => line.split('\t')[0] as string);
  });
}

/**
 * What zsh makes of a command line when TAB is pressed in it: the text that an interactive zsh on a
 * pseudo-terminal writes.
 * @param name of the file that zsh's autoload looks for: `_dbdctl`
 */
export function completeInZsh(name: string, script: string, line: string, cwd = '/'): string {
  const rc = `
    PS1= PS2= RPS1=
    fpath=($ZDOTDIR $fpath)
    autoload -Uz compinit
    compinit -u -D
    setopt no_beep
    bindkey -e
  `;
  return inDirectory({ [name]: script, '.zshrc': rc, typed: `${line}\t` }, (directory) => {
    const driver = `
      zmodload zsh/zpty
      zpty shell 'stty columns 100 rows 50; zsh -i'
      zpty -w shell 'print REA""DY'
      zpty -r shell seen '*READY*' || exit 1
      zpty -w -n shell "$(<$1; print x)"
      sleep 0.1
      zpty -w -n shell $'\\C-e\\C-u'
      zpty -w shell 'print DO""NE'
      zpty -r shell seen '*DONE*'
      print -r -- $seen
    `;
    const env = { ...process.env, HOME: directory, ZDOTDIR: directory, TERM: 'xterm' };
    const args = ['-f', '-c', driver, 'zsh', join(directory, 'typed')];
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
    return run('zsh', args, { cwd, env }).stdout.replace(/\x1b[[?0-9;]*[a-zA-Z=>]|[\r\x07]/g, '');
  });
}

function run(
  command: string,
  args: readonly string[],
  options: { input?: string; cwd?: string; env?: NodeJS.ProcessEnv },
): SpawnSyncReturns<string> {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 30_000, ...options });
  if (result.error === undefined) return result;
  throw new Error(`cannot run ${command}. On Debian: apt-get install mandoc zsh fish`, {
    cause: result.error,
  });
}

function inDirectory<T>(
  files: Readonly<Record<string, string>>,
  body: (directory: string) => T,
): T {
  const directory = mkdtempSync(join(tmpdir(), 'cli-kit-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    return body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
