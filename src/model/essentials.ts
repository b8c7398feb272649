/** The packets that never reach the rows of a section, as matches: tiers 2 and 5 of SPEC §3. */
import { ANY, type IcmpType, type Match, MATCH_ALL } from './match';
import { isEchoRequest, isIcmpError } from './packet';
import type { Family, Prefix } from './prefix';
import { icmpOf, PROTOCOL } from './protocol';

const LINK_LOCAL: Prefix = { family: 6, words: [0xfe800000, 0, 0, 0], length: 10 };

/** ICMP of the family with these types, or with any. */
export function icmpMatch(family: Family, types: readonly IcmpType[] | typeof ANY, from?: Prefix): Match {
  const protocols = [icmpOf(family)];
  return { ...MATCH_ALL, family, protocols, icmpTypes: types, ...(from && { from: [from] }) };
}

function typesWhere(test: (type: number) => boolean): IcmpType[] {
  return Array.from({ length: 256 }, (_, type) => ({ type })).filter(({ type }) => test(type));
}

/** Echo-requests: tier 5 passes them. */
export const ECHO_REQUESTS: readonly Match[] = ([4, 6] as const).map((family) => {
  const key = { family, source: [], destination: [], protocol: icmpOf(family), sourcePort: 0, destinationPort: 0 };
  return icmpMatch(
    family,
    typesWhere((type) => isEchoRequest({ ...key, icmp: { type, code: 0 } })),
  );
});

/** ICMP errors: tier 5 judges them by the packet they quote. */
export const ICMP_ERRORS: readonly Match[] = ([4, 6] as const).map((family) =>
  icmpMatch(
    family,
    typesWhere((type) => isIcmpError(family, type)),
  ),
);

/** IPv6 multicast listener messages from a link-local source: tier 2 passes them. */
export const LISTENER_MESSAGES: Match = icmpMatch(
  6,
  [130, 131, 132, 143].map((type) => ({ type })),
  LINK_LOCAL,
);

/** IPv6 neighbour discovery: tier 2 passes it with hop limit 255 only, which rules cannot see. */
export const NEIGHBOUR_DISCOVERY: Match = icmpMatch(
  6,
  [133, 134, 135, 136].map((type) => ({ type })),
);

const between = (family: Family, from: number, to: number, addresses: Partial<Match> = {}): Match => ({
  ...MATCH_ALL,
  ...{ family, protocols: [PROTOCOL.UDP], ...addresses },
  fromPorts: [{ first: from, last: from }],
  toPorts: [{ first: to, last: to }],
});

/**
 * What DHCP servers send to clients (RFC 2131 §4.1, RFC 8415 §7.2): over IPv6 from and to link-local addresses. Tier 5
 * passes what is no fragment.
 */
export const DHCP_ANSWERS: readonly Match[] = [
  between(4, 67, 68),
  between(6, 547, 546, { from: [LINK_LOCAL], to: [LINK_LOCAL] }),
];
