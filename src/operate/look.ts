/** What a change must know of the machine beside the ruleset: other threads ask for it, while this one does something else. */
import { isDeepStrictEqual } from 'node:util';
import type { LiveConnection } from '../analyse/lockout';
import { listInterfaces, type Interface } from '../kernel/interfaces';
import { chooseInterfaces } from '../load/attach';
import type { Ruleset } from '../model/ruleset';
import type { Context } from './context';
import { sshConnections } from './ssh-sessions';

/** A look that has begun; whoever awaits it is told what is wrong. */
export interface Look {
  /** Those that are meant. */
  readonly interfaces: Promise<Interface[]>;
  /** SSH connections that may pass them. */
  readonly connections: Promise<LiveConnection[]>;
  readonly wanted: Ruleset['interfaces'];
  /** By `performance.now()`. */
  readonly begunMs: number;
}

/** What was seen longer ago is looked for again: somebody may have come in since. */
const FRESH_MS = 500;

/** Begins to look at the interfaces that a ruleset wants, and who is there. */
export function beginLook({ kernel, netns }: Pick<Context, 'kernel' | 'netns'>, wanted: Ruleset['interfaces']): Look {
  const begunMs = performance.now();
  const all = listInterfaces(kernel, netns);
  const interfaces = all.then((found) => chooseInterfaces(found, wanted));
  const connections = sshConnections(kernel, { filtered: interfaces, all }, netns);
  // Something else may be wrong before anybody awaits them.
  for (const one of [interfaces, connections]) one.catch(() => undefined);
  return { interfaces, connections, wanted, begunMs };
}

/** The look, where it is of these interfaces and of now; else another one. */
export function freshLook(
  context: Pick<Context, 'kernel' | 'netns'>,
  wanted: Ruleset['interfaces'],
  begun: Look | undefined,
): Look {
  const isFresh = begun && performance.now() - begun.begunMs < FRESH_MS && isDeepStrictEqual(begun.wanted, wanted);
  return isFresh ? begun : beginLook(context, wanted);
}
