/** `lint/never-matches`: a rule whose fields contradict each other, or that names an empty list. */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { ANY, type Match } from '../model/match';
import { deletionOf, rowNoun, type SectionRegions } from './decisions';

/** Reports every enabled rule that matches no packet at all, whatever stands above it. */
export function lintNeverMatches({ rows, section }: SectionRegions): Diagnostic[] {
  return rows.flatMap(({ decider, region }) => {
    if (decider.kind !== 'rule' || region.length > 0) return [];
    const { rule, number } = decider;
    return [
      {
        code: 'lint/never-matches',
        severity: 'warning',
        message: `${rowNoun(section)} ${number} "${rule.text}" can never match: ${whyEmpty(rule.match)}`,
        source: rule.source,
        notes: [],
        hint: deletionOf(section, number),
      } as const,
    ];
  });
}

function whyEmpty(match: Match): string {
  const { family, from, to, fromPorts, toPorts, icmpTypes, protocols } = match;
  for (const [name, list] of Object.entries({ from, to, port: toPorts, 'from-port': fromPorts, proto: protocols })) {
    if (list !== ANY && list.length === 0) return `its "${name}" is an empty list, and an empty list is nobody`;
  }
  if (icmpTypes !== ANY && icmpTypes.length === 0) return 'its "icmp-type" is an empty list';
  const has = (side: Match['from'], wanted: 4 | 6): boolean =>
    (family === ANY || family === wanted) && (side === ANY || side.some((prefix) => prefix.family === wanted));
  if (![4, 6].some((wanted) => has(from, wanted as 4 | 6) && has(to, wanted as 4 | 6))) {
    return 'its source, destination and family leave no packet that is IPv4 or IPv6 throughout';
  }
  return 'its protocol has no such ports or types in that family';
}
