/**
 * What rows of the guard and of keep-reachable say about later fragments. Such a packet shows no ports and no ICMP type,
 * and over IPv6 no protocol either (the next header of a later fragment means nothing, RFC 8200 §4.5). So a row that
 * looks at one of these may match or not: the first fragment, which shows all of it, was judged by that row.
 */
import { ANY, type Match } from './match';
import type { Family } from './prefix';
import { PORT_PROTOCOLS, PROTOCOL } from './protocol';
import type { Rule } from './ruleset';

/** A match as far as later fragments of a family show what it looks at. */
export interface LaterMatch {
  /** Addresses, and over IPv4 protocols. */
  readonly match: Match;
  /** Whether it looks at nothing else: what fulfils it matches. */
  readonly isCertain: boolean;
}

/** Reduces a match to what later fragments of the family show; null where no packet of that family matches it. */
export function laterMatch(match: Match, family: Family): LaterMatch | null {
  if (match.family !== ANY && match.family !== family) return null;
  const protocols = protocolsOf(match, family);
  if (protocols !== ANY && protocols.length === 0) return null;
  const looksFurther = match.fromPorts !== ANY || match.toPorts !== ANY || match.icmpTypes !== ANY;
  return {
    match: {
      ...match,
      ...{ family, protocols: family === 4 ? protocols : ANY },
      ...{ fromPorts: ANY, toPorts: ANY, icmpTypes: ANY },
    },
    isCertain: !looksFurther && (family === 4 || protocols === ANY),
  };
}

/** Protocols of the packets that can match; none where a list is empty or contradicts another. */
function protocolsOf({ protocols, fromPorts, toPorts, icmpTypes }: Match, family: Family): Match['protocols'] {
  if ([fromPorts, toPorts, icmpTypes].some((list) => list !== ANY && list.length === 0)) return [];
  const carriers: (readonly number[])[] = [];
  if (fromPorts !== ANY || toPorts !== ANY) carriers.push([...PORT_PROTOCOLS.keys()]);
  if (icmpTypes !== ANY) carriers.push([family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6]);
  return carriers.reduce<Match['protocols']>(
    (left, right) => (left === ANY ? right : left.filter((protocol) => right.includes(protocol))),
    protocols,
  );
}

/**
 * The rows that decide about later fragments of a family, in their order, each with the match it has for them. A row that
 * may refuse one is left out: it has judged the first. One that may let the first go on lets later ones go on.
 */
export function laterRows<Row>(
  rows: readonly Row[],
  ruleOf: (row: Row) => Pick<Rule, 'action' | 'enabled' | 'match'>,
  family: Family,
): { row: Row; match: Match }[] {
  return rows.flatMap((row) => {
    const { action, enabled, match } = ruleOf(row);
    const later = enabled ? laterMatch(match, family) : null;
    return later && (later.isCertain || action === 'allow') ? [{ row, match: later.match }] : [];
  });
}

/** Whether later fragments are judged by the very matches of these rules. */
export function looksOnlyAtLater(rules: readonly Pick<Rule, 'enabled' | 'match'>[]): boolean {
  return rules.every(
    ({ enabled, match }) =>
      !enabled || ([4, 6] as const).every((family) => laterMatch(match, family)?.isCertain ?? true),
  );
}
