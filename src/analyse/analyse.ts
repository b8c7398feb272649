/** The lints: what can be said about a valid ruleset without a kernel, a clock or a network. */
import type { Diagnostic } from '../diagnostics/diagnostic';
import type { Ruleset } from '../model/ruleset';
import { sectionRegions } from './decisions';
import { guardLists } from './guard-lists';
import { lintExposure, lintKept, lintWayOut } from './exposure';
import { lintFamilies } from './families';
import { lintIcmpEssentials } from './icmp-essentials';
import { lintKeptServers } from './kept-servers';
import { lintNeverMatches } from './never-matches';
import { lintOwnerQuotas } from './owner-quotas';
import { lintReached } from './reached';
import { lintShadowed } from './shadow-lint';
import { lintInsideServers } from './inside-servers';
import { lintKnownServer } from './known-server-lint';
import { lintUdpSwitch } from './udp-switch';

/**
 * Lints a ruleset; findings come lint by lint, those about `expect` from `judgeExpectations`. An error means that
 * the ruleset must not be applied.
 */
export function analyse(ruleset: Ruleset): Diagnostic[] {
  const regions = sectionRegions(ruleset.inbound);
  const outbound = sectionRegions(ruleset.outbound, [], ruleset.inbound.rules.length + 1);
  const [kept, ...guards] = guardLists(ruleset.guard).map((section) => sectionRegions(section));
  return [
    ...[outbound, ...guards].flatMap((section) => [
      ...lintNeverMatches(section),
      ...lintReached(section),
      ...lintFamilies(section),
    ]),
    ...lintWayOut(outbound),
    ...lintNeverMatches(kept),
    ...lintShadowed(kept),
    ...lintKept(kept),
    ...lintKeptServers(ruleset),
    ...lintNeverMatches(regions),
    ...lintReached(regions),
    ...lintFamilies(regions),
    ...lintIcmpEssentials(ruleset, regions),
    ...lintUdpSwitch(ruleset.inbound),
    ...lintExposure(regions),
    ...lintInsideServers(regions, ruleset.servers),
    ...lintOwnerQuotas(ruleset),
    ...(ruleset.servers ?? []).flatMap((server) => lintKnownServer(ruleset, server)),
  ];
}
