/** Interfaces come and go: those that a ruleset names are filtered as soon as they are there. */
import { compile } from '../compile/compile';
import { type Interface, listInterfaces } from '../kernel/interfaces';
import { attachMore, type AttachRequest } from '../load/apply';
import type { Context } from './context';
import { type Enforcement, readEnforcement } from './enforcement';
import { keepRefusals } from './native-refusals';
import { InterfacesMeant } from './interfaces-meant';

/** Interfaces that are meant to be filtered, are there, and lack a gate. */
export async function unfilteredInterfaces(
  { kernel, netns, folder }: Context,
  enforcement: Enforcement,
): Promise<Interface[]> {
  const { attachments } = enforcement;
  const whole = new Set(attachments.filter(({ egress }) => egress !== null).map(({ name }) => name));
  const meant = await new InterfacesMeant(folder).read(enforcement);
  const lacking = meant.filter((name) => !whole.has(name));
  if (lacking.length === 0) return [];
  return (await listInterfaces(kernel, netns)).filter(({ name }) => lacking.includes(name));
}

/** What became of interfaces that lacked a gate. */
export interface KeptUp {
  /** Names of those that are filtered now. */
  readonly attached: readonly string[];
  /** Those that still are not, with the reason. */
  readonly refused: readonly { readonly name: string; readonly error: Error }[];
}

/**
 * Attaches the gates where they lack, to each interface by itself: one that cannot be filtered keeps no other from it.
 * The caller holds the lock.
 */
export async function keepUpWithInterfaces(context: Context): Promise<KeptUp> {
  const enforcement = await readEnforcement(context);
  if (!enforcement?.record) return { attached: [], refused: [] };
  const interfaces = await unfilteredInterfaces(context, enforcement);
  if (interfaces.length === 0) return { attached: [], refused: [] };
  const { ruleset, generation, trials } = enforcement.record;
  // With both states of what waits: so is the image that judges, and either may need the way out.
  return attachEach(context, interfaces, {
    mode: ruleset.mode,
    generation,
    image: compile(ruleset, undefined, trials),
  });
}

/** Attaches the gates of what judges to each of the interfaces by itself. The caller holds the lock. */
export async function attachEach(
  { kernel, pins, netns, folder }: Context,
  interfaces: readonly Interface[],
  judging: Pick<AttachRequest, 'mode' | 'generation' | 'image'>,
): Promise<KeptUp> {
  const attached: string[] = [];
  const refused: { name: string; error: Error }[] = [];
  for (const device of interfaces) {
    try {
      const request = { ...judging, interfaces: [device], ...(netns !== undefined && { netns }) };
      keepRefusals(folder, await attachMore(kernel, pins, request));
      attached.push(device.name);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      refused.push({ name: device.name, error });
    }
  }
  return { attached, refused };
}
