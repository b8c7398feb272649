/**
 * ALLOW ALL (SPEC §4): while a section is open, what its tiers 6 to 9 refuse passes. The rows are judged all the same, so
 * that the row which would have refused is known. `bpf/open.h` decides the same.
 */
import { MATCH_ALL } from './match';
import type { Rule, Ruleset, Section } from './ruleset';

/** What is under ALLOW ALL: the names of sections, or all of them. */
export type OpenSections = ReadonlySet<string> | 'everything';

/** Nothing is under ALLOW ALL. */
export const NONE_OPEN: OpenSections = new Set();

/**
 * A ruleset that lets in what this one does while sections are open: the first row of each of them allows everything. For
 * who reaches what; which row would have refused is not in it.
 */
export function withOpen<Set extends Pick<Ruleset, 'inbound' | 'servers'>>(ruleset: Set, open: OpenSections): Set {
  const opened = <Kind extends Section>(section: Kind): Kind => {
    if (open !== 'everything' && !open.has(section.name)) return section;
    const kept = Object.entries(section).filter(([key]) => key !== 'udp' && key !== 'ssh');
    return { ...(Object.fromEntries(kept) as unknown as Kind), rules: [ALLOW_ALL] };
  };
  const { inbound, servers } = ruleset;
  return { ...ruleset, inbound: opened(inbound), ...(servers && { servers: servers.map(opened) }) };
}

const ALLOW_ALL: Rule = {
  ...{ id: 'allow-all', idIsExplicit: true, action: 'allow', match: MATCH_ALL, enabled: true, text: 'ALLOW ALL' },
  source: { file: '', line: 1, column: 1, offset: 0, length: 0 },
  written: { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: false },
};
