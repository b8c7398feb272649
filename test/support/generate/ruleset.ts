/**
 * Rulesets that overlap wherever they can: prefixes nested around a few bases in hostile orders, port ranges that
 * touch at their ends, lists, both families, neighbouring protocol numbers. Everything `parse` could hand on, nothing
 * that it could not.
 */
import { DEFAULT_ECHO_RATES } from '../../../src/model/echo';
import type { Ruleset, Rule, Section } from '../../../src/model/ruleset';
import { DEFAULT_ETHERTYPES, NO_GUARD, OPEN_OUTBOUND } from '../../../src/model/ruleset';
import { ANY, type IcmpType, type Match, type PortMatch } from '../../../src/model/match';
import { PORT_DEFAULT_PROTOCOLS, PORT_PROTOCOLS, PROTOCOL } from '../../../src/model/protocol';
import type { IcmpMode } from '../../../src/model/ruleset';
import type { Random } from './random';
import { AddressPool } from './address-pool';
import { PortPool } from './port-pool';
import { ruleText } from './print';

export interface RulesetOptions {
  /** Number of written rows. */
  readonly rules: number;
  readonly icmp?: IcmpMode;
  /** Wide prefixes and long port ranges that cross everywhere: what a compiler can split least. By chance unless told. */
  readonly crowd?: boolean;
}

/** How often a ruleset does what, drawn anew for each so that every one has a character of its own. */
interface Shape {
  readonly addresses: AddressPool;
  readonly ports: PortPool;
  readonly order: 'as-drawn' | 'wide-first' | 'narrow-first';
  readonly anyAddress: number;
  readonly lists: number;
  readonly noPort: number;
  readonly fromPort: number;
  readonly oddProtocol: number;
  readonly icmp: number;
  readonly disabled: number;
  readonly family: number;
  readonly allow: number;
}

/** A ruleset of exactly `options.rules` rows. */
export function generateRuleset(random: Random, options: RulesetOptions): Ruleset {
  const shape = drawShape(random, options.crowd ?? random.chance(0.1));
  const matches = Array.from({ length: options.rules }, () => drawMatch(random, shape));
  if (shape.order !== 'as-drawn') {
    const sign = shape.order === 'wide-first' ? 1 : -1;
    matches.sort((a, b) => sign * (narrowness(a) - narrowness(b)));
  }
  const rules = matches.map((match, index) => asRule(random, shape, match, index));
  return {
    version: 1,
    interfaces: ['eth0'],
    mode: 'auto',
    icmp: options.icmp ?? (random.chance(0.5) ? 'essentials' : 'rules'),
    echo: random.chance(0.5) ? DEFAULT_ECHO_RATES : { inAll: random.between(1, 60), perSource: random.between(1, 15) },
    fragments: random.chance(0.8) ? 'track' : 'drop',
    logging: 'low',
    ethertypes: random.chance(0.8) ? DEFAULT_ETHERTYPES : drawEthertypes(random),
    sets: [],
    guard: NO_GUARD,
    outbound: OPEN_OUTBOUND,
    inbound: {
      ...{ name: 'inbound', default: random.pick(['allow', 'deny']), ...drawSshRow(random, shape), rules },
      ...(random.chance(0.2) && { udp: 'off' }),
    },
    expect: [],
  };
}

/** A size in 1 … `most`, small ones more often: half of all are at most the square root. */
export function drawSize(random: Random, most: number): number {
  return Math.max(1, Math.round(Math.exp((random.word() / 0xffffffff) * Math.log(most))));
}

function drawShape(random: Random, crowd: boolean): Shape {
  return {
    addresses: new AddressPool(random, crowd),
    ports: new PortPool(random, crowd),
    order: random.pick(['as-drawn', 'as-drawn', 'wide-first', 'narrow-first']),
    anyAddress: crowd ? 0 : random.pick([0.1, 0.4, 0.8]),
    lists: random.pick([0, 0.1, 0.4]),
    noPort: crowd ? 0 : random.pick([0.05, 0.3, 0.7]),
    fromPort: crowd ? 0.9 : random.pick([0, 0.05, 0.4]),
    oddProtocol: random.pick([0.02, 0.15, 0.5]),
    icmp: random.pick([0, 0.1, 0.4]),
    disabled: random.pick([0, 0.05, 0.3]),
    family: random.pick([0, 0.1, 0.4]),
    allow: random.pick([0.3, 0.5, 0.7]),
  };
}

function asRule(random: Random, shape: Shape, match: Match, index: number): Rule {
  const id = `r${index + 1}`;
  const action = random.chance(shape.allow) ? 'allow' : 'deny';
  const enabled = !random.chance(shape.disabled);
  // By the index, so that no other draw depends on it.
  const log = index % 7 === 3 ? ({ log: index % 2 === 0 ? 'new' : 'all' } as const) : {};
  const bare = { id, action, match, enabled, ...log } as const;
  return {
    ...bare,
    idIsExplicit: true,
    text: ruleText(bare),
    source: { file: 'generated.yaml', line: index + 1, column: 1, offset: 0, length: 0 },
    written: { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: false },
  };
}

function drawSshRow(random: Random, shape: Shape): Pick<Section, 'ssh'> {
  if (random.chance(0.4)) return {};
  const source = { file: 'generated.yaml', line: 1, column: 1, offset: 0, length: 0 };
  const ports = [22, ...(random.chance(0.3) ? [shape.ports.port(random)] : [])];
  return { ssh: { ports: [...new Set(ports)], from: random.chance(0.8) ? 'anyone' : 'rules', source } };
}

function drawEthertypes(random: Random): number[] {
  const known = [0x88cc, 0x8809, 0x888e, 0x8863, 0x8864, 0x88f7, 0x9000, 0x0600];
  return random.shuffle(known).slice(0, random.below(known.length + 1));
}

function drawMatch(random: Random, shape: Shape): Match {
  const family = random.chance(shape.family) ? random.pick([4, 6] as const) : ANY;
  const from = shape.addresses.match(random, shape.anyAddress, shape.lists);
  // Of both ends at most one is usually narrow, so that rows are not lonely points that nothing else meets.
  const to = shape.addresses.match(random, from === ANY ? shape.anyAddress : 0.7, shape.lists);
  return { family, from, to, ...drawService(random, shape) };
}

type Service = Pick<Match, 'protocols' | 'fromPorts' | 'toPorts' | 'icmpTypes'>;

function drawService(random: Random, shape: Shape): Service {
  const none = { fromPorts: ANY, toPorts: ANY, icmpTypes: ANY } as const;
  if (random.chance(shape.icmp)) return drawIcmp(random);
  if (random.chance(shape.oddProtocol)) {
    const protocols = drawProtocols(random);
    const carriesPorts = protocols.every((protocol) => PORT_PROTOCOLS.has(protocol));
    if (!carriesPorts || random.chance(shape.noPort)) return { ...none, protocols };
    return { ...none, ...drawPorts(random, shape), protocols };
  }
  if (random.chance(shape.noPort)) {
    const protocols = random.pick([ANY, ANY, [PROTOCOL.TCP], [PROTOCOL.UDP], PORT_DEFAULT_PROTOCOLS] as const);
    return { ...none, protocols };
  }
  const protocols = random.pick([PORT_DEFAULT_PROTOCOLS, PORT_DEFAULT_PROTOCOLS, [PROTOCOL.TCP], [PROTOCOL.UDP]]);
  return { ...none, ...drawPorts(random, shape), protocols };
}

function drawPorts(random: Random, shape: Shape): { toPorts: PortMatch; fromPorts: PortMatch } {
  const withSource = random.chance(shape.fromPort);
  const toPorts = withSource && random.chance(0.5) ? ANY : shape.ports.match(random, shape.lists);
  return { toPorts, fromPorts: withSource ? shape.ports.match(random, shape.lists) : ANY };
}

/** TCP and UDP with their neighbours in the protocol lane, the other protocols with ports, and any number. */
const NEAR_PROTOCOLS = [5, 6, 7, 8, 16, 17, 18, 33, 132, 136, 0, 1, 2, 47, 50, 58, 59, 89, 253, 254, 255];

function drawProtocols(random: Random): number[] {
  const count = random.chance(0.6) ? 1 : random.between(2, 5);
  const drawn = Array.from({ length: count }, () =>
    random.chance(0.85) ? random.pick(NEAR_PROTOCOLS) : random.below(256),
  );
  return [...new Set(drawn)].sort((a, b) => a - b);
}

/** Types that tier 5 or tier 2 takes, their neighbours, and 0, which looks like "no port". */
export const NEAR_ICMP_TYPES: Readonly<Record<4 | 6, readonly number[]>> = {
  4: [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 17, 18, 255],
  6: [0, 1, 2, 3, 4, 5, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 143, 144, 255],
};

function drawIcmp(random: Random): Service {
  const family = random.pick([4, 6] as const);
  const protocols = [family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6];
  if (random.chance(0.2)) return { protocols, fromPorts: ANY, toPorts: ANY, icmpTypes: ANY };
  const icmpTypes = Array.from({ length: random.chance(0.6) ? 1 : random.between(2, 4) }, (): IcmpType => {
    const type = random.pick(NEAR_ICMP_TYPES[family]);
    return random.chance(0.6) ? { type } : { type, code: random.pick([0, 1, 3, 4, 13, 255]) };
  });
  return { protocols, fromPorts: ANY, toPorts: ANY, icmpTypes };
}

/** A rough measure, for orders only: longer prefixes and shorter port ranges count more. */
function narrowness(match: Match): number {
  const side = (addresses: Match['from']): number =>
    addresses === ANY
      ? 0
      : 1 + Math.min(...addresses.map(({ length, family }) => (family === 4 ? 4 : 1) * length), 999);
  const ports = (list: PortMatch): number => (list === ANY ? 0 : 17 - Math.log2(list[0].last - list[0].first + 1));
  return side(match.from) + side(match.to) + ports(match.toPorts) + ports(match.fromPorts);
}
