/**
 * Servers that wait to be confirmed, each by itself: what a ruleset is while some of them are in time and the time of
 * others is over. Everything else in it is the same for all of them, whenever it changes.
 */
import type { Ruleset, Server } from './ruleset';

/** A server on trial: its rows in the ruleset judge until its deadline, then those before, unless somebody confirms it. */
export interface Trial {
  /** What judges again; it owns the same packets. */
  readonly previous: Server;
  /** Which deadline is its own: an index into `slc_confirm`, from 1. */
  readonly word: number;
}

/** The ruleset in which the servers named are again what they were before. */
export function rulesetReturned(
  ruleset: Ruleset,
  trials: readonly Pick<Trial, 'previous'>[],
  isReturned: (server: string) => boolean,
): Ruleset {
  const returned = trials.map(({ previous }) => previous).filter(({ name }) => isReturned(name));
  if (returned.length === 0 || !ruleset.servers) return ruleset;
  const before = new Map(returned.map((previous) => [previous.name, previous]));
  return { ...ruleset, servers: ruleset.servers.map((server) => before.get(server.name) ?? server) };
}
