/** Interfaces come and go: those that a ruleset names are filtered as soon as they are there. */
import { compile } from '../compile/compile';
import { type Interface, listInterfaces } from '../kernel/interfaces';
import { attachMore } from '../load/apply';
import type { Context } from './context';
import { type Enforcement, readEnforcement } from './enforcement';

/** Interfaces that are meant to be filtered, are there, and lack a gate. */
export async function unfilteredInterfaces(
  { kernel, netns }: Context,
  { enforced, attachments }: Enforcement,
): Promise<Interface[]> {
  if (!enforced) return [];
  const whole = new Set(attachments.filter(({ egress }) => egress !== null).map(({ name }) => name));
  const lacking = enforced.interfaces.filter((name) => !whole.has(name));
  if (lacking.length === 0) return [];
  return (await listInterfaces(kernel, netns)).filter(({ name }) => lacking.includes(name));
}

/**
 * Attaches the gates where they lack; returns the names of interfaces that are filtered now and were not. The caller
 * holds the lock.
 */
export async function keepUpWithInterfaces(context: Context): Promise<string[]> {
  const enforcement = await readEnforcement(context);
  if (!enforcement?.record) return [];
  const interfaces = await unfilteredInterfaces(context, enforcement);
  if (interfaces.length === 0) return [];
  const { ruleset } = enforcement.record;
  const { kernel, pins, netns } = context;
  const attachments = await attachMore(kernel, pins, {
    interfaces,
    mode: ruleset.mode,
    generation: enforcement.generation,
    image: compile(ruleset),
    ...(netns !== undefined && { netns }),
  });
  return attachments.map(({ name }) => name);
}
