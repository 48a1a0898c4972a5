/**
 * Writes what is derived from the driver's uapi header and from the definitions of the commands; with
 * --check, says whether it is up to date and writes nothing.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatedFiles } from '@dbd/cli-kit/gen';
import { program as dbdctl } from '../../../packages/ctl/src/program.js';
import { program as updateImg } from '../../../packages/update-img/src/program.js';
import { parseHeader } from './header.js';
import { toTypeScript } from './typescript.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const uapi = readFileSync(`${root}kmod/include/uapi/dattobd.h`, 'utf8');

const outputs: Readonly<Record<string, string>> = {
  'packages/ioctl/src/uapi.ts': toTypeScript(parseHeader(uapi)),
  // The addon compiles against this copy, so that the npm package is whole without the driver.
  'packages/ioctl/native/uapi/dattobd.h': uapi,
  ...within('packages/ctl', generatedFiles(dbdctl)),
  ...within('packages/update-img', generatedFiles(updateImg)),
};

function within(directory: string, files: Readonly<Record<string, string>>) {
  return Object.fromEntries(
    Object.entries(files).map(([path, text]) => [`${directory}/${path}`, text]),
  );
}

const check = process.argv.includes('--check');
for (const [path, text] of Object.entries(outputs)) {
  const file = root + path;
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
  if (check) {
    console.error(`${path} is not what its source says. Run: npm run gen`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    console.log(`wrote ${path}`);
  }
}
