/** `lint/inside-servers`: rows of inbound about packets that servers own, so that nobody asks them. */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { ANY } from '../model/match';
import { prefixCovers } from '../model/prefix';
import type { Ruleset } from '../model/ruleset';
import { territoryOf } from '../model/server';
import { PIECES_MAX } from './budget';
import { intersectRegions, subtractRegion } from './cube';
import { Space } from './space';

/** Servers that are named one by one. */
const NAMED_MAX = 3;

/** Reports every row of inbound that lies wholly inside servers. */
export function lintInsideServers({ inbound, servers = [] }: Pick<Ruleset, 'inbound' | 'servers'>): Diagnostic[] {
  return inbound.rules.flatMap((rule, i): Diagnostic[] => {
    const { to } = rule.match;
    if (!rule.enabled || to === ANY) return [];
    const near = servers.filter(({ addresses }) =>
      to.some((prefix) => addresses.some((own) => prefixCovers(own, prefix) || prefixCovers(prefix, own))),
    );
    if (near.length === 0) return [];
    const space = new Space([rule.match, ...near.map(territoryOf)]);
    const region = space.regionOf(rule.match);
    const owners = near.flatMap((server) => {
      const owned = space.regionOf(territoryOf(server));
      return intersectRegions(region, owned).length > 0 ? [{ server, owned }] : [];
    });
    const all = owners.flatMap(({ owned }) => owned);
    if (owners.length === 0 || subtractRegion(region, all, PIECES_MAX)?.length !== 0) return [];
    const names = owners.map(({ server }) => server.name);
    return [
      {
        code: 'lint/inside-servers',
        severity: 'warning',
        message: `rule ${i + 1} "${rule.text}" is never asked: all it matches belongs to ${listOf(names)}, by whose rows alone it is judged`,
        source: rule.source,
        notes: [],
        hint: `write it under servers: { ${names[0]}: { rules: [...] } }, or for everybody under guard: { rules: [...] }`,
      },
    ];
  });
}

function listOf(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  const shown = names.slice(0, NAMED_MAX).join(', ');
  return `${names.length === 1 ? 'server' : 'servers'} ${shown}${more > 0 ? ` and ${more} more` : ''}`;
}
