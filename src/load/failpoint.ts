/**
 * Named places of the apply path at which a test can end the process or make the step fail:
 * `SLUICE_FAILPOINT=after-pin:kill`, `after-pin:exit` or `after-load:error`. Without the variable nothing happens.
 */
import { SluiceError } from '../kernel/errors';

/** In the order in which an `apply` that filters anew passes them; `after-exchange`: the gate has changed, and can go back. */
export const FAILPOINTS = [
  'before-state',
  'after-state',
  'after-image',
  'after-load',
  'after-pin',
  'after-record',
  'after-slot',
  'after-exchange',
  'after-gate',
  'after-qdisc',
  'after-egress',
  'after-attach',
  'after-fold',
  'after-retire',
  'before-revision',
  'after-enforced',
] as const;

/** In the order in which `confirm` and `rollback` of a pending change, and the end of one whose time is over, pass them. */
export const CONFIRM_FAILPOINTS = ['before-confirm', 'after-confirm', 'before-return', 'after-return'] as const;

/**
 * In the order in which a server begins to wait by itself (the first), and is confirmed or taken back, and the files are
 * made to say so.
 */
export const TRIAL_FAILPOINTS = [
  'after-words',
  'before-confirm-words',
  'after-confirm-words',
  'after-trial-file',
  'after-trial-outcome',
  'after-trial-settled',
] as const;

/** In the order in which a spare is made, and then adopted by an apply. */
export const SPARE_FAILPOINTS = ['spare-loaded', 'spare-pinned', 'spare-named', 'spare-adopted'] as const;

/** In the order in which what an older version pinned is replaced. */
export const REPLACE_FAILPOINTS = [
  'beside-made',
  'beside-recorded',
  'beside-ready',
  'replaced-aside',
  'replaced-by',
  'one-link-moved',
  'links-moved',
  'replaced-gone',
] as const;

/**
 * `during-write`: in each file that is written, when it is on the disk under another name; `during-link`: the same of one that
 * gets a second name; `between-files`: after each of a ruleset.
 */
export type Failpoint =
  | (typeof FAILPOINTS)[number]
  | (typeof CONFIRM_FAILPOINTS)[number]
  | (typeof TRIAL_FAILPOINTS)[number]
  | (typeof SPARE_FAILPOINTS)[number]
  | (typeof REPLACE_FAILPOINTS)[number]
  | 'during-write'
  | 'during-link'
  | 'between-files';

/** Ends the process or the thread, or throws, when the environment asks for it here. */
export function failpoint(name: Failpoint): void {
  const wanted = process.env.SLUICE_FAILPOINT;
  if (wanted === undefined) return;
  if (wanted === `${name}:kill`) process.kill(process.pid, 'SIGKILL');
  // Of another thread than the first it ends that alone.
  if (wanted === `${name}:exit`) process.exit(1);
  if (wanted === `${name}:error`) throw new SluiceError('load/failpoint', `failpoint "${name}" was asked to fail`);
}
