import type { AddressWords, Family } from './prefix';

/** `later` fragments carry no transport header; an atomic IPv6 fragment (RFC 6946) is `none`. */
export type FragmentKind = 'none' | 'first' | 'later';

/** What a fragment says of itself. */
export interface FragmentPart {
  /** Identification of the packet: 16 bits over IPv4, 32 over IPv6. */
  readonly id: number;
  /** Where its data belong in the packet's, in bytes. */
  readonly at: number;
  /**
   * Of a first one: bytes of its data that are judged and that no later one may replace (RFC 1858, RFC 3128): the
   * transport header, all of an ICMP message, since an error is judged by what it quotes. Over IPv6 all of it: fragments
   * that overlap are an attack (RFC 5722).
   */
  readonly judged: number;
}

/** The fields of an IP packet that rules can see. Ports are 0 where the protocol has none. */
export interface FlowKey {
  readonly family: Family;
  readonly source: AddressWords;
  readonly destination: AddressWords;
  /** IP protocol number after IPv6 extension headers. */
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Set for ICMP over IPv4 and ICMPv6 over IPv6 only. */
  readonly icmp?: {
    readonly type: number;
    readonly code: number;
    /** Of an echo (RFC 792, RFC 4443 §4.1): tells conversations apart, as ports do. No rule sees it. */
    readonly identifier?: number;
  };
}

/** What an ICMP error says about the packet it quotes. */
export type Quote =
  | { readonly kind: 'packet'; readonly key: FlowKey }
  | { readonly kind: 'bad'; readonly reason: 'icmp-unrelated' | 'icmp-quote-short' | 'icmp-quote-error' };

/** A decoded IP packet. */
export interface Packet extends FlowKey {
  /** IPv4 TTL or IPv6 hop limit. */
  readonly hopLimit: number;
  readonly fragment: FragmentKind;
  /** Present for fragments, first and later. */
  readonly part?: FragmentPart;
  /** Flag byte of a TCP header. */
  readonly tcpFlags?: number;
  /** Present for ICMP errors (IPv4 types 3, 11, 12; IPv6 types 1–4). */
  readonly quote?: Quote;
}

/** ICMP types that answer one another, both directions. */
const ECHO_PAIRS: Record<Family, readonly (readonly [number, number])[]> = {
  4: [
    [8, 0],
    [13, 14],
    [15, 16],
    [17, 18],
  ],
  6: [[128, 129]],
};

/** The type that answers `type`, or `type` itself where none does. */
export function mirroredIcmpType(family: Family, type: number): number {
  for (const [request, reply] of ECHO_PAIRS[family]) {
    if (type === request) return reply;
    if (type === reply) return request;
  }
  return type;
}

/** The packet that would travel the other way: addresses, ports, ICMP request and reply types exchanged. */
export function mirror(key: FlowKey): FlowKey {
  return {
    family: key.family,
    source: key.destination,
    destination: key.source,
    protocol: key.protocol,
    sourcePort: key.destinationPort,
    destinationPort: key.sourcePort,
    ...(key.icmp && { icmp: { ...key.icmp, type: mirroredIcmpType(key.family, key.icmp.type) } }),
  };
}

const ECHO_TYPES: ReadonlySet<number> = new Set([0, 8, 128, 129]);

/** The ICMP fields of a message, its identifier only where it is an echo. */
export function icmpFields(type: number, code: number, identifier: number): NonNullable<FlowKey['icmp']> {
  return ECHO_TYPES.has(type) ? { type, code, identifier } : { type, code };
}

/** Echo-request of the family: what tier 5 answers for. */
export function isEchoRequest(packet: FlowKey): boolean {
  return packet.icmp?.type === (packet.family === 4 ? 8 : 128);
}

/** ICMP errors that tier 5 judges by their quote. */
export function isIcmpError(family: Family, type: number): boolean {
  return family === 4 ? type === 3 || type === 11 || type === 12 : type >= 1 && type <= 4;
}
