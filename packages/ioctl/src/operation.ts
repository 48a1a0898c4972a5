/** What this package can do; the names of {@link Datto}'s methods. */
export type Operation =
  | 'setupSnapshot'
  | 'setupGroup'
  | 'reloadSnapshot'
  | 'reloadIncremental'
  | 'destroy'
  | 'transitionToIncremental'
  | 'transitionToSnapshot'
  | 'reconfigure'
  | 'info'
  | 'status'
  | 'getFreeMinor'
  | 'expandCowFile'
  | 'reconfigureAutoExpand'
  | 'forceTransitionToIncremental'
  | 'failure'
  | 'deviceSize'
  | 'logicalBlockSize'
  | 'seekData'
  | 'seekHole'
  | 'fadvise';

/** Operations that ask the driver, through its control node. */
export const DRIVER_OPERATIONS: ReadonlySet<Operation> = new Set<Operation>([
  'setupSnapshot',
  'setupGroup',
  'reloadSnapshot',
  'reloadIncremental',
  'destroy',
  'transitionToIncremental',
  'transitionToSnapshot',
  'reconfigure',
  'info',
  'status',
  'getFreeMinor',
  'expandCowFile',
  'reconfigureAutoExpand',
  'forceTransitionToIncremental',
  'failure',
]);
