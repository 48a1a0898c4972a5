/** The call is wrong as it was typed. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The name that is nearest to what was typed, as a hint; empty when none is near. */
export function didYouMean(typed: string, names: readonly string[]): string {
  let best: string | undefined;
  let least = Math.min(3, Math.ceil(typed.length / 3) + 1);
  for (const name of names) {
    const distance = editDistance(typed, name);
    if (distance < least) {
      least = distance;
      best = name;
    }
  }
  return best === undefined ? '' : `; did you mean ${best}?`;
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, change));
    }
    row = next;
  }
  return row[b.length] as number;
}
