import type { Header } from './header.js';

/** The header as a TypeScript module. */
export function toTypeScript(header: Header): string {
  const lines = [
    '// Generated from kmod/include/uapi/dattobd.h by `npm run gen`. Do not edit.',
    '',
  ];
  for (const [name, value] of header.constants) {
    lines.push(`export const ${name} = ${literal(value)};`);
  }
  lines.push('', '/** Numbers of the ioctls. */', 'export const IOCTL = {');
  for (const [name, number] of header.ioctls) {
    lines.push(`  ${name.replace(/^IOCTL_/, '')}: 0x${number.toString(16)},`);
  }
  lines.push('} as const;', '');
  lines.push(
    "/** Sizes of the ioctls' structs and of their fields, and the fields' offsets, in bytes. */",
  );
  lines.push('export const STRUCTS = {');
  for (const [name, struct] of header.structs) {
    lines.push(`  ${name}: {`, `    size: ${struct.size},`, '    fields: {');
    for (const field of struct.fields) {
      lines.push(`      ${field.name}: { offset: ${field.offset}, size: ${field.size} },`);
    }
    lines.push('    },', '  },');
  }
  lines.push('} as const;', '');
  return lines.join('\n');
}

function literal(value: number | string): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}
