/** Types of the part of bootstrap.mjs that TypeScript uses. */
export function installPackages(
  packages?: readonly (readonly [file: string, name: string])[],
): void;
