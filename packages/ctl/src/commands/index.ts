import type { Command } from '../command.js';
import { destroy, reloadIncremental, reloadSnapshot, setupSnapshot } from './life.js';
import { getFreeMinor, info } from './query.js';
import { transitionToIncremental, transitionToSnapshot } from './transition.js';
import { expandCowFile, reconfigure, reconfigureAutoExpand } from './tune.js';

/** All verbs, in the order of the help. */
export const commands: readonly Command[] = [
  setupSnapshot,
  reloadSnapshot,
  reloadIncremental,
  destroy,
  transitionToIncremental,
  transitionToSnapshot,
  reconfigure,
  expandCowFile,
  reconfigureAutoExpand,
  getFreeMinor,
  info,
];
