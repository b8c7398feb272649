/**
 * The part of a match that is no address, as services: products of a destination port range, a source port range and
 * a range of protocol lanes (`SLC_LANE` of the shared header). ICMP type and code ride in the destination port's place.
 */
import { ANY, type Match, type PortMatch } from '../model/match';
import type { PortRange } from '../model/port-range';
import type { Family } from '../model/prefix';
import { PORT_PROTOCOLS, PROTOCOL } from '../model/protocol';
import { CapacityError, MAX_IMAGE_RULES, MAX_SERVICES } from './capacity';
import { mergeRanges } from './merge';

/** One service; all bounds are inclusive. */
export interface Service {
  readonly destinationPorts: PortRange;
  readonly sourcePorts: PortRange;
  readonly lanes: PortRange;
}

export const ALL_PORTS: PortRange = { first: 0, last: 0xffff };
/** The first and the last destination port, or ICMP type and code, of all of them. */
export function portsOf(services: readonly Service[]): PortRange {
  return services.reduce(
    ({ first, last }, { destinationPorts: ports }) => ({
      first: Math.min(first, ports.first),
      last: Math.max(last, ports.last),
    }),
    services[0]?.destinationPorts ?? ALL_PORTS,
  );
}

export const ALL_LANES: PortRange = { first: 0, last: 0xff };

/** `SLC_LANE`: protocols 7 and 17 change places, so that TCP and UDP are neighbours. Its own inverse. */
export function protocolLane(protocol: number): number {
  if (protocol === PROTOCOL.UDP) return 7;
  return protocol === 7 ? PROTOCOL.UDP : protocol;
}

/**
 * The services whose union is what the match says of ports, protocols and ICMP types in one family. Throws
 * `CapacityError`, naming the rule, where lists of ports multiply beyond what an image takes.
 */
export function servicesOf(match: Match, family: Family, ruleId?: string): Service[] {
  const wantsPorts = match.fromPorts !== ANY || match.toPorts !== ANY;
  if (match.icmpTypes !== ANY) {
    const icmp = family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6;
    if (wantsPorts || (match.protocols !== ANY && !match.protocols.includes(icmp))) return [];
    const types = match.icmpTypes.map(({ type, code }) => ({
      first: (type << 8) | (code ?? 0),
      last: (type << 8) | (code ?? 0xff),
    }));
    return product(mergeRanges(types), [ALL_PORTS], lanesOf([icmp]));
  }
  if (!wantsPorts)
    return product([ALL_PORTS], [ALL_PORTS], match.protocols === ANY ? [ALL_LANES] : lanesOf(match.protocols));
  const carriers = [...PORT_PROTOCOLS.keys()];
  const { protocols } = match;
  const named = protocols === ANY ? carriers : carriers.filter((protocol) => protocols.includes(protocol));
  const lists = [rangesOf(match.toPorts), rangesOf(match.fromPorts), lanesOf(named)] as const;
  const count = lists.reduce((sum, list) => sum * list.length, 1);
  if (count > MAX_IMAGE_RULES) throw new CapacityError('image rules', count, MAX_IMAGE_RULES, ruleId);
  return product(...lists);
}

/** Whether every packet of a family has the service. */
export function isEveryService({ destinationPorts, sourcePorts, lanes }: Service): boolean {
  const every = (range: PortRange, all: PortRange): boolean => range.first === all.first && range.last === all.last;
  return every(destinationPorts, ALL_PORTS) && every(sourcePorts, ALL_PORTS) && every(lanes, ALL_LANES);
}

/** By what a match says of ports, protocols and ICMP types, a map a family. */
type ByMatch<Value> = Readonly<Record<Family, Map<number | string, Value>>>;

/** Services of what matches say: the same in every section. */
export class ServiceMemory {
  private readonly known: ByMatch<readonly Service[]> = { 4: new Map(), 6: new Map() };

  /** `servicesOf`, by a key of the match. */
  of(key: number | string, match: Match, family: Family, ruleId: string): readonly Service[] {
    const known = this.known[family];
    let services = known.get(key);
    if (!services) {
      services = servicesOf(match, family, ruleId);
      if (known.size >= REMEMBERED_MAX) known.clear();
      known.set(key, services);
    }
    return services;
  }
}

/** What matches say that is remembered, a family. */
const REMEMBERED_MAX = 1 << 14;

/** Numbers services in the order in which they first appear. */
export class ServiceTable {
  readonly services: Service[] = [];
  private readonly numbers = new Map<number | string, number>();
  private readonly known: ByMatch<readonly number[]> = { 4: new Map(), 6: new Map() };

  constructor(private readonly memory: ServiceMemory) {}

  /** The numbers of `servicesOf`. Throws `CapacityError` where a rule has no room for a number any more. */
  numbersOf(match: Match, family: Family, ruleId: string): readonly number[] {
    const key = plainKey(match) ?? textOf(match);
    const known = this.known[family];
    let numbers = known.get(key);
    if (!numbers) {
      numbers = this.memory.of(key, match, family, ruleId).map((service) => this.number(service, ruleId));
      known.set(key, numbers);
    }
    return numbers;
  }

  private number(service: Service, ruleId: string): number {
    const key = serviceKey(service);
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    const number = this.services.length;
    if (number === MAX_SERVICES) throw new CapacityError('distinct services', number + 1, MAX_SERVICES, ruleId);
    this.services.push(service);
    this.numbers.set(key, number);
    return number;
  }
}

/** A number for a service with any source port, which most are, else a text; equal for equal services. */
function serviceKey({ destinationPorts, sourcePorts, lanes }: Service): number | string {
  const range = ({ first, last }: PortRange): number => first * 0x10000 + last;
  if (sourcePorts.first === ALL_PORTS.first && sourcePorts.last === ALL_PORTS.last)
    return (lanes.first * 0x100 + lanes.last) * 2 ** 32 + range(destinationPorts);
  return `${range(destinationPorts)},${range(sourcePorts)},${range(lanes)}`;
}

/**
 * A number for what most matches say: one protocol or any, one range of destination ports or any; null for the others. A
 * text for each of many thousand rows takes longer than all else that is done with a row.
 */
function plainKey({ protocols, fromPorts, toPorts, icmpTypes }: Match): number | null {
  if (fromPorts !== ANY || icmpTypes !== ANY) return null;
  if (protocols !== ANY && protocols.length !== 1) return null;
  if (toPorts !== ANY && toPorts.length !== 1) return null;
  const protocol = protocols === ANY ? 0 : protocols[0] + 1;
  const ports = toPorts === ANY ? 0 : toPorts[0].first * 0x10000 + toPorts[0].last + 1;
  return protocol * 2 ** 33 + ports;
}

/** Equal for matches that say the same of ports, protocols and ICMP types. */
function textOf({ protocols, fromPorts, toPorts, icmpTypes }: Match): string {
  const ports = (list: PortMatch): string => {
    if (list === ANY) return ANY;
    let text = '';
    for (const { first, last } of list) text += `${first}-${last},`;
    return text;
  };
  const types = icmpTypes === ANY ? ANY : icmpTypes.map(({ type, code }) => `${type}/${code}`).join();
  return `${protocols === ANY ? ANY : protocols.join()} ${ports(fromPorts)} ${ports(toPorts)} ${types}`;
}

function rangesOf(match: PortMatch): PortRange[] {
  return match === ANY ? [ALL_PORTS] : mergeRanges(match);
}

function lanesOf(protocols: readonly number[]): PortRange[] {
  return mergeRanges(protocols.map((protocol) => ({ first: protocolLane(protocol), last: protocolLane(protocol) })));
}

function product(
  destination: readonly PortRange[],
  source: readonly PortRange[],
  lanes: readonly PortRange[],
): Service[] {
  return destination.flatMap((destinationPorts) =>
    source.flatMap((sourcePorts) => lanes.map((lane) => ({ destinationPorts, sourcePorts, lanes: lane }))),
  );
}
