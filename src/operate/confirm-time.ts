/** How long a change waits to be confirmed, and where it does so unasked. */
import { listInterfaces } from '../kernel/interfaces';
import type { Context } from './context';
import { callerConnectionOf } from './ssh-sessions';

/** Longer than a day nobody waits, and nobody remembers. */
export const MAX_CONFIRM_SECONDS = 86_400;

/** Where nobody said how long. */
export const DEFAULT_CONFIRM_SECONDS = 60;

export function isConfirmTime(seconds: number): boolean {
  return Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_CONFIRM_SECONDS;
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
