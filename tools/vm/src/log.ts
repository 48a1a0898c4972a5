const start = Date.now();

/** Progress goes to stderr: stdout belongs to results and to a script's own output. */
export function note(text: string): void {
  const seconds = ((Date.now() - start) / 1000).toFixed(0).padStart(4);
  process.stderr.write(`[${seconds}s] ${text}\n`);
}
