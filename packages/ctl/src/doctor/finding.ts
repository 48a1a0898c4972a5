/** What one look at the machine found. */
export interface Finding {
  /** What was looked at: `kernel`, `file system of /dev/sdb1`. */
  readonly name: string;
  readonly level: 'ok' | 'note' | 'problem';
  /** What is the case. */
  readonly text: string;
  /** What to do about it. */
  readonly advice?: string;
}

export function ok(name: string, text: string): Finding {
  return { name, level: 'ok', text };
}

/** It works, but somebody should know. */
export function note(name: string, text: string, advice: string): Finding {
  return { name, level: 'note', text, advice };
}

/** It does not work as it is. */
export function problem(name: string, text: string, advice: string): Finding {
  return { name, level: 'problem', text, advice };
}
