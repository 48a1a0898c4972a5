import type { Program } from '@dbd/cli-kit';
import manifest from '../package.json' with { type: 'json' };
import { changed, inspect } from './commands/cow-file.js';
import { doctor } from './commands/doctor.js';
import { destroy, reloadIncremental, reloadSnapshot, setupSnapshot } from './commands/life.js';
import { persist } from './commands/persist.js';
import { getFreeMinor, info, list, metrics, watch } from './commands/query.js';
import { transitionToIncremental, transitionToSnapshot } from './commands/transition.js';
import { expandCowFile, reconfigure, reconfigureAutoExpand } from './commands/tune.js';
import type { Tools } from './tools.js';

/** dbdctl as data; `npm run gen` makes manual, completions, reference and schemas of it. */
export const program: Program<Tools> = {
  name: 'dbdctl',
  version: manifest.version,
  summary: 'Drives the dattobd driver: snapshots and incremental backup of block devices',
  description: [
    'The driver takes a snapshot of a mounted block device at an instant, and keeps the old content of blocks in a COW file on that same file system. When the copy is made, it only tracks which blocks change, so that the next backup copies just those.',
    'Options may stand before, between or after the arguments. A bare number keeps the unit of the usage line; a size may have a unit of its own: `512MiB`, `2G`, `1.5TiB`, `500MB`. A value that does not fit is refused, never wrapped.',
    'A command that succeeds says nothing, unless it was asked a question.',
  ],
  commands: [
    setupSnapshot,
    reloadSnapshot,
    reloadIncremental,
    destroy,
    persist,
    transitionToIncremental,
    transitionToSnapshot,
    reconfigure,
    expandCowFile,
    reconfigureAutoExpand,
    list,
    info,
    watch,
    metrics,
    getFreeMinor,
    changed,
    inspect,
    doctor,
  ],
  revised: 'November 23, 2026',
  files: [
    ['/dev/datto-ctl', 'Control node of the driver.'],
    ['/dev/dattoN', 'Snapshot with minor N, read-only; there in snapshot mode.'],
    ['/etc/dbd/devices', 'What is tracked again after a reboot.'],
    ['/proc/datto-info', 'State of all devices as JSON; anybody may read it.'],
  ],
  environment: [['NO_COLOR', 'When set and not empty, there are no colours.']],
  seeAlso: [
    ['update-img', '8'],
    ['losetup', '8'],
  ],
};
