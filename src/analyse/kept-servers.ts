/** `lint/kept-servers`: entries of keep-reachable that open servers, whose rows could not take that back (SPEC §3.1). */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { ANY } from '../model/match';
import { formatAddressMatch } from '../model/format-match';
import { narrowingTo } from '../model/server';
import type { Rule, Ruleset, Server } from '../model/ruleset';

/** An error for each entry that names no destination, so means the machine sluice runs on, and reaches a server too. */
export function lintKeptServers({ guard, servers = [] }: Pick<Ruleset, 'guard' | 'servers'>): Diagnostic[] {
  if (servers.length === 0) return [];
  return guard.keepReachable.flatMap((rule): Diagnostic[] => {
    if (!rule.enabled || rule.match.to !== ANY) return [];
    const opened = servers.find((server) => opens(rule, server));
    if (!opened) return [];
    const message = `keep-reachable "${rule.text}" names no destination, and would open server "${opened.name}" (${formatAddressMatch(opened.addresses)}) too, whatever its rows say`;
    const hint = 'add "to" with the addresses of this machine; with those of a server where that is meant';
    return [{ code: 'lint/kept-servers', severity: 'error', message, source: rule.source, notes: [], hint }];
  });
}

/** Whether the entry lets in packets that the server owns. */
function opens({ match }: Rule, server: Server): boolean {
  const owned = narrowingTo(server)(match);
  if (owned === null || owned.to === ANY) return owned !== null;
  const families = owned.to.map(({ family }) => family);
  const senders = match.from === ANY ? families : match.from.map(({ family }) => family);
  return families.some((family) => senders.includes(family) && (match.family === ANY || match.family === family));
}
