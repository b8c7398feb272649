/** Generator of small rulesets with rows in every list, over the universe of `any-match.ts`. */
import * as fc from 'fast-check';
import type { GuardRule, Rule, Ruleset } from '../../src/model/ruleset';
import type { Action } from '../../src/model/verdict';
import { anyMatch } from './any-match';
import { at, rule, ruleset } from './findings';

/** Up to so many rows, some of them off, with these actions. */
const rowsOf = (actions: readonly Action[], most: number): fc.Arbitrary<Rule[]> =>
  fc
    .array(
      fc.record({
        action: fc.constantFrom(...actions),
        match: anyMatch,
        enabled: fc.constantFrom(true, true, true, false),
      }),
      { maxLength: most },
    )
    .map((list) =>
      list.map(({ action, match, enabled }, i) => ({
        ...rule(i + 1, action),
        match,
        enabled,
        ...(action === 'limit' && {
          limit: { count: 6, windowMs: 30_000, verdict: 'reject', prefix: { 4: 32, 6: 64 } } as const,
        }),
      })),
    );

/** Any ruleset of some rows; what is allowed at all is known to nobody. */
export const anyRuleset: fc.Arbitrary<Ruleset> = fc
  .record({
    kept: rowsOf(['allow'], 2),
    guard: fc.tuple(rowsOf(['allow', 'deny', 'reject'], 2), rowsOf(['allow', 'deny', 'reject'], 2)),
    rows: rowsOf(['allow', 'deny', 'reject', 'limit'], 6),
    icmp: fc.constantFrom('essentials' as const, 'rules' as const),
    fallback: fc.constantFrom('allow' as const, 'deny' as const),
    outbound: fc.tuple(
      fc.constantFrom('allow' as const, 'deny' as const, 'reject' as const),
      rowsOf(['allow', 'deny', 'reject'], 3),
    ),
    ssh: fc.constantFrom(
      undefined,
      ...(['anyone', 'rules'] as const).map((from) => ({ ports: [22], from, source: at(80) })),
    ),
    udp: fc.constantFrom(undefined, 'off' as const),
  })
  .map(({ kept, guard: [incoming, outgoing], rows, icmp, fallback, outbound: [otherwise, out], ssh, udp }): Ruleset => {
    const directed = (list: readonly Rule[], direction: 'in' | 'out'): GuardRule[] =>
      list.map((one) => ({ ...one, id: `${direction}-${one.id}`, direction }));
    return ruleset(rows, {
      icmp,
      guard: { keepReachable: kept, rules: [...directed(incoming, 'in'), ...directed(outgoing, 'out')] },
      outbound: { name: 'outbound', default: otherwise, rules: out },
      inbound: { default: fallback, ...(ssh && { ssh }), ...(udp && { udp }) },
    });
  });
