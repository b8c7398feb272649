/** How long a change waits to be confirmed, and where it does so unasked. */
import { listInterfaces } from '../kernel/interfaces';
import { parseDuration } from '../parse/time';
import type { Context } from './context';
import { callerConnectionOf } from './ssh-sessions';
import { UsageError } from './usage-error';

/** Longer than a day nobody waits, and nobody remembers. */
export const MAX_CONFIRM_SECONDS = 86_400;

/** Where nobody said how long. */
export const DEFAULT_CONFIRM_SECONDS = 60;

/** Whether a change can wait so long. */
export function isConfirmTime(seconds: number): boolean {
  return Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_CONFIRM_SECONDS;
}

/** Seconds of `60s`, `5m`, at most so many. Throws `UsageError`. */
export function readConfirmTime(text: string, most = MAX_CONFIRM_SECONDS): number {
  const reading = parseDuration(text);
  if (reading.kind === 'refused') throw new UsageError(reading.problem.message, reading.problem.hint);
  const seconds = reading.ms / 1000;
  if (isConfirmTime(seconds) && seconds <= most) return seconds;
  throw new UsageError(`--confirm "${text}" is more than ${most / 3600} h`, '--confirm 60s');
}

/**
 * Whether the caller's own SSH connection comes through an interface that the ruleset filters: then he could cut himself
 * off. An address that no interface has (a virtual one) counts as filtered.
 */
export async function comesThroughFilter(
  { kernel, netns }: Context,
  filtered: 'auto' | readonly string[],
): Promise<boolean> {
  const caller = await callerConnectionOf(kernel, netns);
  if (!caller) return false;
  const holder = (await listInterfaces(kernel, netns)).find(({ addresses }) =>
    addresses.some(({ family, words }) => family === caller.family && words.join() === caller.destination.join()),
  );
  if (!holder) return true;
  return filtered === 'auto' ? holder.defaultRoute : filtered.includes(holder.name);
}
