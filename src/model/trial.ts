/**
 * Sections that wait to be confirmed, each by itself: what a ruleset is while some of them are in time and the time of
 * others is over. Everything else in it is the same for all of them, whenever it changes.
 */
import type { Guard, Ruleset, Section, Server } from './ruleset';

/** What the guard was, under its name as a section. */
export type GuardBefore = Guard & { readonly name: 'guard' };

/** What judges again in a section: `inbound`, `outbound`, the guard, or a server, which owns the same packets. */
export type SectionBefore = Section | Server | GuardBefore;

/** A section on trial: its rows in the ruleset judge until its deadline, then those before, unless somebody confirms it. */
export interface Trial {
  readonly previous: SectionBefore;
  /** Which deadline is its own: an index into `slc_confirm`, from 1. Sections of one change have the same. */
  readonly word: number;
}

/** Sections that every ruleset has: no server has such a name. */
export const FIXED_SECTIONS = ['inbound', 'outbound', 'guard'] as const;

export type FixedSection = (typeof FIXED_SECTIONS)[number];

/** Whether every ruleset has the section. */
export function isFixedSection(name: string): name is FixedSection {
  return (FIXED_SECTIONS as readonly string[]).includes(name);
}

/** The section as a trial keeps it; undefined where the ruleset has none of that name. */
export function sectionNow(ruleset: Ruleset, name: string): SectionBefore | undefined {
  if (name === 'guard') return { ...ruleset.guard, name };
  if (name === 'inbound' || name === 'outbound') return ruleset[name];
  return ruleset.servers?.find((server) => server.name === name);
}

/** Whether what was before is a server's. */
export function isServerBefore(previous: SectionBefore): previous is Server {
  return !isFixedSection(previous.name);
}

/** The ruleset in which the sections named are again what they were before. */
export function rulesetReturned(
  ruleset: Ruleset,
  trials: readonly Pick<Trial, 'previous'>[],
  isReturned: (section: string) => boolean,
): Ruleset {
  const returned = trials.map(({ previous }) => previous).filter(({ name }) => isReturned(name));
  if (returned.length === 0) return ruleset;
  const before = new Map(returned.filter(isServerBefore).map((previous) => [previous.name, previous]));
  const fixed: { inbound?: Section; outbound?: Section; guard?: Guard } = {};
  for (const previous of returned) {
    if ('keepReachable' in previous) fixed.guard = { keepReachable: previous.keepReachable, rules: previous.rules };
    else if (previous.name === 'inbound' || previous.name === 'outbound') fixed[previous.name] = previous;
  }
  const servers = before.size > 0 && ruleset.servers?.map((server) => before.get(server.name) ?? server);
  return { ...ruleset, ...fixed, ...(servers && { servers }) };
}
