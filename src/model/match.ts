import type { Family, Prefix } from './prefix';
import type { PortRange } from './port-range';

/**
 * "Nobody wrote a list" and "the list became empty" are different types on purpose: `ANY` matches
 * everything, an empty list matches nothing, and no stage can mistake one for the other.
 */
export const ANY = 'any';
/** The type of `ANY`. */
export type Any = typeof ANY;

/** Addresses of one or both families. An empty list matches nothing. */
export type AddressMatch = Any | readonly Prefix[];

/** Ports. An empty list matches nothing. Anything but `ANY` matches only protocols that carry ports. */
export type PortMatch = Any | readonly PortRange[];

/** One ICMP or ICMPv6 type; `code` left out means every code. */
export interface IcmpType {
  readonly type: number;
  readonly code?: number;
}

/** What a rule looks at. Every field must match (conjunction); a field that was not written is `ANY`. */
export interface Match {
  /** `ANY` is both families; else packets of the other family never match. */
  readonly family: Any | Family;
  /** IP protocol numbers, ascending, without duplicates. */
  readonly protocols: Any | readonly number[];
  readonly from: AddressMatch;
  readonly to: AddressMatch;
  /** Source ports. */
  readonly fromPorts: PortMatch;
  /** Destination ports. */
  readonly toPorts: PortMatch;
  /** Only together with `protocols` naming ICMP (1) or ICMPv6 (58), exactly one of them. */
  readonly icmpTypes: Any | readonly IcmpType[];
}

/** The match that every packet fulfils. */
export const MATCH_ALL: Match = {
  family: ANY,
  protocols: ANY,
  from: ANY,
  to: ANY,
  fromPorts: ANY,
  toPorts: ANY,
  icmpTypes: ANY,
};
