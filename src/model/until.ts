/** Rules with an end: what a ruleset is at a moment. Moments are milliseconds since 1970. */
import { rowsOf } from './moved';
import { type Rule, type Ruleset, type Section, type Server, writtenSections } from './ruleset';

/** Lists of rows none of which has an end: those of thousands of servers are looked at once. */
const ENDLESS = new WeakSet<readonly Rule[]>();

/** The same of whole lists of servers. */
const ENDLESS_SERVERS = new WeakSet<readonly Server[]>();

/** Sections with a row that has an end, in the order in which `status` shows them. */
export function sectionsWithEnds(ruleset: Ruleset): ReturnType<typeof writtenSections> {
  const { servers = [], guard, inbound, outbound } = ruleset;
  const isEndless = ENDLESS_SERVERS.has(servers);
  const found = writtenSections({ guard, inbound, outbound, ...(!isEndless && { servers }) }).filter(hasEnds);
  if (!isEndless && !servers.some((server) => found.includes(server))) ENDLESS_SERVERS.add(servers);
  return found;
}

function hasEnds(section: Pick<Section, 'rules'>): boolean {
  const rows = rowsOf(section);
  if (ENDLESS.has(rows)) return false;
  if (rows.some(({ untilMs }) => untilMs !== undefined)) return true;
  ENDLESS.add(rows);
  return false;
}

/** Whether the rule's end has come. */
export function hasEnded({ untilMs }: Pick<Rule, 'untilMs'>, nowMs: number): boolean {
  return untilMs !== undefined && untilMs <= nowMs;
}

/** The ruleset as it is at a moment: rules that have ended are off, and so keep place, number and counters. */
export function rulesetAt(ruleset: Ruleset, nowMs: number): Ruleset {
  if (endedRules(ruleset, nowMs).length === 0) return ruleset;
  return switched(ruleset, (rule) => rule.enabled && !hasEnded(rule, nowMs));
}

/** The ruleset as if no rule with an end had ended, or been turned off before it. */
export function rulesetWithoutEnds(ruleset: Ruleset): Ruleset {
  if (sectionsWithEnds(ruleset).length === 0) return ruleset;
  return switched(ruleset, ({ enabled, untilMs }) => enabled || untilMs !== undefined);
}

/** The ruleset with these rules on; entries of keep-reachable have no end. Servers without any rule to switch are the same objects. */
function switched(ruleset: Ruleset, isOn: (rule: Rule) => boolean): Ruleset {
  const within = <S extends { readonly rules: readonly Rule[] }>(section: S): S =>
    section.rules.every((rule) => rule.enabled === isOn(rule))
      ? section
      : { ...section, rules: section.rules.map((rule) => ({ ...rule, enabled: isOn(rule) })) };
  const { guard, inbound, outbound, servers } = ruleset;
  return {
    ...ruleset,
    ...{ guard: within(guard), inbound: within(inbound), outbound: within(outbound) },
    ...(servers && { servers: servers.map(within) }),
  };
}

/** A rule and what it is called outside its section: `inbound/web`. */
export interface NamedRule {
  readonly name: string;
  readonly rule: Rule;
}

/** Rules that are still on although their end has come. */
export function endedRules(ruleset: Ruleset, nowMs: number): NamedRule[] {
  return rulesWithEnd(ruleset).filter(({ rule }) => hasEnded(rule, nowMs));
}

/** Rules that are on and have an end. */
export function rulesWithEnd(ruleset: Ruleset): NamedRule[] {
  return sectionsWithEnds(ruleset).flatMap(({ name, rules }) =>
    rules
      .filter(({ enabled, untilMs }) => enabled && untilMs !== undefined)
      .map((rule) => ({ name: `${name}/${rule.id}`, rule })),
  );
}

/** The first moment at which `rulesetAt` gives another ruleset than this one; null where no rule has an end. */
export function nextEnd(ruleset: Ruleset): number | null {
  const ends = rulesWithEnd(ruleset).map(({ rule }) => rule.untilMs!);
  return ends.length === 0 ? null : ends.reduce((first, end) => Math.min(first, end));
}
