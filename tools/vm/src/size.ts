const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
};

/** `512M`, `64G`, `67111424`: bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+)([KMGT]?)$/.exec(text);
  const unit = UNITS[match?.[2] ?? '-'];
  if (match === null || unit === undefined)
    throw new Error(`not a size: "${text}" (512M, 64G, ...)`);
  const bytes = Number(match[1]) * unit;
  if (bytes === 0 || bytes % 512 !== 0)
    throw new Error(`a disk is whole sectors of 512 bytes: "${text}"`);
  return bytes;
}
