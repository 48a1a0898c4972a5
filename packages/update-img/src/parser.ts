/** The one place that knows yargs. */
import yargs from 'yargs';
import manifest from '../package.json' with { type: 'json' };
import type { UpdateRequest } from './update.js';

/** The call is wrong as it was typed. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Reads a command line.
 * @returns what to do, or a text to print
 * @throws UsageError
 */
export async function parse(args: readonly string[]): Promise<UpdateRequest | string> {
  let request: UpdateRequest | undefined;
  let text = '';
  let failure: Error | null | undefined;
  await yargs()
    .scriptName('update-img')
    .locale('en')
    .command(
      '$0 <snapshot-device> <cow-file> <image-file>',
      'Bring a full copy of a block device up to date with its latest snapshot',
      (builder) =>
        builder
          .positional('snapshot-device', { type: 'string', describe: '/dev/datto<minor>' })
          .positional('cow-file', {
            type: 'string',
            describe: 'COW file that transition-to-snapshot left: the map of what changed',
          })
          .positional('image-file', {
            type: 'string',
            describe: 'copy of the snapshot before, a file or block device',
          })
          .example('$0 /dev/datto0 /mnt/.datto1 /backup/sdb1.img', 'copies what changed'),
      (argv) => {
        request = {
          snapshotDevice: String(argv['snapshot-device']),
          cowFile: String(argv['cow-file']),
          imageFile: String(argv['image-file']),
        };
      },
    )
    .version(manifest.version)
    .help()
    .alias({ h: 'help' })
    .strict()
    .exitProcess(false)
    .wrap(100)
    .fail((message, error) => {
      // yargs calls its own errors YError, and exports no class for them.
      if (error && error.name !== 'YError') throw error;
      const reason = message || error.message;
      throw new UsageError(reason.charAt(0).toLowerCase() + reason.slice(1));
    })
    .parserConfiguration({
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'camel-case-expansion': false,
      'dot-notation': false,
    })
    .parseAsync([...args], {}, (error, _argv, output) => {
      failure = error;
      text = output;
    });
  if (failure) throw failure;
  if (request === undefined) return text;
  if (Object.values(request).includes('')) throw new UsageError('a path must not be empty');
  return request;
}
