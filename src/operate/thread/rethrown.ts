/** What was thrown in another thread, as if it had been here. */
import {
  KernelError,
  PrivilegeError,
  RefusedError,
  SluiceError,
  UnsupportedError,
  VerifierError,
} from '../../kernel/errors';
import { KeepReachableError, LockoutError, RevisionError } from '../apply';
import { UnfinishedError } from '../enforce';
import { NothingPendingError, PendingError } from '../pending';
import { RulesetChangedError } from '../seen';
import { SectionChangedError } from '../section-history';
import { NotAloneError, SectionOverError, SectionPendingError } from '../trials';
import { UsageError } from '../usage-error';
import type { Thrown } from './thrown';

/** Classes by which errors are told apart; of any other the nearest of these is what comes out. */
const CLASSES: ReadonlyMap<string, { readonly prototype: Error }> = new Map(
  [
    ...[Error, TypeError, RangeError, SyntaxError],
    ...[SluiceError, KernelError, VerifierError, UnsupportedError, RefusedError, PrivilegeError],
    ...[LockoutError, KeepReachableError, RevisionError, RulesetChangedError, SectionChangedError, UnfinishedError],
    ...[NothingPendingError, PendingError, NotAloneError, SectionOverError, SectionPendingError, UsageError],
  ].map((one) => [one.name, one]),
);

/** The error again, as if it had been thrown here. */
export function unpackThrown({ classes, message, stack, fields, cause }: Thrown): Error {
  const type = CLASSES.get(classes.find((name) => CLASSES.has(name)) ?? 'Error')!;
  const error = new Error(message, cause ? { cause: unpackThrown(cause) } : {});
  Object.setPrototypeOf(error, type.prototype);
  if (stack !== undefined) error.stack = stack;
  return Object.assign(error, fields);
}
