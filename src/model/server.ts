/**
 * Which packets a server owns, and what is left of a match among them. A packet is judged by the rows of one section
 * only: those of the server that owns its destination, else those of `inbound` (SPEC §2).
 */
import { type AddressMatch, ANY, type Match, MATCH_ALL, type PortMatch } from './match';
import type { FlowKey } from './packet';
import { type PortRange, portInRanges } from './port-range';
import { type Prefix, prefixContains, prefixCovers } from './prefix';
import { PROTOCOL } from './protocol';
import type { Ruleset, Section, Server } from './ruleset';

/** The protocols of which a server with `ports` owns packets. */
const OWNED_PROTOCOLS: readonly number[] = [PROTOCOL.TCP, PROTOCOL.UDP];

/** The section by whose rows a packet that comes in is judged. */
export function ownerOf({ inbound, servers = [] }: Pick<Ruleset, 'inbound' | 'servers'>, packet: FlowKey): Section {
  return servers.find((server) => owns(server, packet)) ?? inbound;
}

/** Whether the packet goes to the server. */
export function owns({ addresses, ports }: Pick<Server, 'addresses' | 'ports'>, packet: FlowKey): boolean {
  const { family, destination, protocol, destinationPort } = packet;
  if (!addresses.some((prefix) => prefix.family === family && prefixContains(prefix, destination))) return false;
  return ports === undefined || (OWNED_PROTOCOLS.includes(protocol) && portInRanges(ports, destinationPort));
}

/** The match of all packets that the server owns. */
export function territoryOf({ addresses, ports }: Pick<Server, 'addresses' | 'ports'>): Match {
  const all = { ...MATCH_ALL, to: addresses };
  return ports ? { ...all, protocols: OWNED_PROTOCOLS, toPorts: ports } : all;
}

/** Narrows matches to the packets that one server owns; null where nothing is left. */
export type Narrowing = (match: Match) => Match | null;

/** The narrowing of a server. It remembers lists: rows that name the same set share one, which may be long. */
export function narrowingTo({ addresses, ports }: Pick<Server, 'addresses' | 'ports'>): Narrowing {
  const known = new Map<AddressMatch, readonly Prefix[]>();
  const destinationsOf = (to: AddressMatch): readonly Prefix[] => {
    if (to === ANY) return addresses;
    let common = known.get(to);
    if (!common) known.set(to, (common = commonPrefixes(to, addresses)));
    return common;
  };
  return (match) => {
    const to = destinationsOf(match.to);
    if (to.length === 0) return null;
    if (!ports) return { ...match, to };
    const { protocols: named, icmpTypes } = match;
    const protocols = named === ANY ? OWNED_PROTOCOLS : named.filter((number) => OWNED_PROTOCOLS.includes(number));
    const toPorts = commonPorts(match.toPorts, ports);
    if (icmpTypes !== ANY || protocols.length === 0 || toPorts.length === 0) return null;
    return { ...match, to, protocols, toPorts };
  };
}

/**
 * What of a match is still to be looked at in packets that the server owns, whose destinations and ports are known to be
 * its own; null where none of them matches.
 */
export function remainderIn(server: Pick<Server, 'addresses' | 'ports'>): Narrowing {
  const { addresses, ports } = server;
  const narrow = narrowingTo(server);
  return (match) => {
    const own = narrow(match);
    if (!own) return null;
    return { ...match, ...destinationsLeft(match, own, addresses), ...portsLeft(match, own, ports) };
  };
}

/** Where a family's addresses all lie in the match, packets of that family need no look. */
function destinationsLeft(match: Match, own: Match, addresses: readonly Prefix[]): Pick<Match, 'to' | 'family'> {
  const { to, family } = match;
  if (to === ANY || own.to === ANY) return { to, family };
  const touched = new Set(own.to.map((prefix) => prefix.family));
  const covers = (address: Prefix): boolean => to.some((prefix) => prefixCovers(prefix, address));
  if (addresses.some((address) => touched.has(address.family) && !covers(address))) return { to: own.to, family };
  const [one] = touched;
  if (touched.size > 1 || addresses.every((address) => address.family === one)) return { to: ANY, family };
  return family === ANY || family === one ? { to: ANY, family: one } : { to: own.to, family };
}

/** Where all ports of the server lie in the match, its packets need no look. */
function portsLeft(match: Match, own: Match, ports: readonly PortRange[] | undefined): Pick<Match, 'toPorts'> {
  if (match.toPorts === ANY || own.toPorts === ANY || !ports) return { toPorts: match.toPorts };
  const given = match.toPorts;
  const covers = ({ first, last }: PortRange): boolean =>
    given.some((range) => range.first <= first && last <= range.last);
  return { toPorts: ports.every(covers) ? ANY : own.toPorts };
}

/** The addresses that lie in both lists, as prefixes of either. */
function commonPrefixes(list: readonly Prefix[], own: readonly Prefix[]): readonly Prefix[] {
  return list.flatMap((prefix) =>
    own.flatMap((address) =>
      prefixCovers(address, prefix) ? [prefix] : prefixCovers(prefix, address) ? [address] : [],
    ),
  );
}

/** The ports that lie in both. */
function commonPorts(match: PortMatch, own: readonly PortRange[]): readonly PortRange[] {
  if (match === ANY) return own;
  return match.flatMap((range) =>
    own.flatMap(({ first, last }) => {
      const common = { first: Math.max(first, range.first), last: Math.min(last, range.last) };
      return common.first <= common.last ? [common] : [];
    }),
  );
}
