/** `lint/inside-servers`: rows of inbound about packets that servers own, so that nobody asks them. */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { ANY } from '../model/match';
import type { Server } from '../model/ruleset';
import type { SectionRegions } from './decisions';
import { Territories } from './territories';

/** Servers that are named one by one. */
const NAMED_MAX = 3;

/** Reports every row of inbound that lies wholly inside servers. */
export function lintInsideServers(
  { rows }: Pick<SectionRegions, 'rows'>,
  servers: readonly Server[] = [],
): Diagnostic[] {
  if (servers.length === 0) return [];
  // Most edges have no such row, and servers by the thousand.
  let territories: Territories | undefined;
  return rows.flatMap(({ decider, region }): Diagnostic[] => {
    if (decider.kind !== 'rule') return [];
    const { rule, number } = decider;
    const { to } = rule.match;
    const owners = to === ANY ? null : (territories ??= new Territories(servers)).ownersOf(region, to);
    if (!owners) return [];
    const names = owners.map((index) => servers[index].name);
    return [
      {
        code: 'lint/inside-servers',
        severity: 'warning',
        message: `rule ${number} "${rule.text}" is never asked: all it matches belongs to ${listOf(names)}, by whose rows alone it is judged`,
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
