/** Servers for a ruleset: they share addresses, lie in each other's neighbourhood, and have rows about anything. */
import { ANY } from '../../../src/model/match';
import type { PortRange } from '../../../src/model/port-range';
import type { Prefix } from '../../../src/model/prefix';
import type { Rule, Ruleset, Server } from '../../../src/model/ruleset';
import { territoryOf } from '../../../src/model/server';
import { normalizeRanges } from '../../../src/parse/port';
import { findOverlaps } from '../../../src/parse/server-overlap';
import type { Random } from './random';

const SOURCE = { file: 'generated.yaml', line: 1, column: 1, offset: 0, length: 0 };
const SERVERS_MAX = 8;

/**
 * The ruleset with up to eight servers, whose rows are drawn from `rows`, with their ids: the same in several. What is
 * returned as `rows` has a row for each server's packets besides, to draw packets at their corners.
 */
export function withServers(random: Random, ruleset: Ruleset, rows: Ruleset): { ruleset: Ruleset; rows: Ruleset } {
  const places = rows.inbound.rules.flatMap(({ match }) =>
    [match.to, match.from].flatMap((list) => (list === ANY ? [] : list)),
  );
  const shared = Array.from({ length: 2 }, () => drawAddress(random, places));
  const servers: Server[] = [];
  for (let i = random.below(SERVERS_MAX + 1); i > 0; i--) {
    const server = drawServer(random, `s${i}`, { places, shared, rules: rows.inbound.rules });
    if (findOverlaps([...servers, server]).length === 0) servers.push(server);
  }
  const territories = servers.map((server, i): Rule => ({
    ...(rows.inbound.rules.at(0) ?? BARE),
    id: `territory${i}`,
    match: territoryOf(server),
  }));
  return {
    ruleset: servers.length > 0 ? { ...ruleset, servers } : ruleset,
    rows: { ...rows, inbound: { ...rows.inbound, rules: [...rows.inbound.rules, ...territories, ...territories] } },
  };
}

/** Another server in the place of one: the same packets, other rows, switch, SSH row and default. */
export function redrawServer(random: Random, server: Server, rules: readonly Rule[]): Server {
  const { name, addresses, ports } = server;
  const drawn = drawServer(random, name, { places: addresses, shared: addresses, rules });
  return { ...drawn, addresses, ports };
}

const BARE: Rule = {
  ...{ id: 'bare', idIsExplicit: true, action: 'deny', enabled: true, text: 'deny from any', source: SOURCE },
  match: territoryOf({ addresses: [] }),
  written: { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: false },
};

interface Pool {
  readonly places: readonly Prefix[];
  /** Addresses that several servers are to have. */
  readonly shared: readonly Prefix[];
  readonly rules: readonly Rule[];
}

function drawServer(random: Random, name: string, { places, shared, rules }: Pool): Server {
  const addresses = random.chance(0.7)
    ? [random.pick(shared)]
    : Array.from({ length: random.between(1, 3) }, () => drawAddress(random, places));
  const own = rules.filter(() => random.chance(0.3));
  return {
    name,
    addresses,
    ...(random.chance(0.7) && { ports: drawPorts(random, rules) }),
    ...(random.chance(0.6) && { udp: 'off' as const }),
    ...(random.chance(0.4) && {
      ssh: { ports: [random.pick([22, 14541, 8000])], from: random.pick(['anyone', 'rules'] as const), source: SOURCE },
    }),
    default: random.pick(['allow', 'deny'] as const),
    rules: random.chance(0.5) ? own : random.shuffle(own),
    source: SOURCE,
  };
}

function drawAddress(random: Random, places: readonly Prefix[]): Prefix {
  if (places.length === 0 || random.chance(0.2)) return { family: 4, words: [0xc6336407], length: 32 };
  return random.pick(places);
}

function drawPorts(random: Random, rules: readonly Rule[]): PortRange[] {
  const named = rules.flatMap(({ match }) => (match.toPorts === ANY ? [] : match.toPorts));
  const ranges = Array.from({ length: random.between(1, 3) }, (): PortRange => {
    if (named.length > 0 && random.chance(0.6)) return random.pick(named);
    const first = random.pick([22, 80, 8000, 14500, 14511, random.between(1, 60000)]);
    return { first, last: Math.min(65535, first + random.pick([0, 1, 99, 5000])) };
  });
  return normalizeRanges(ranges);
}
