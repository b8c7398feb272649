/**
 * An Ethernet frame → the packet rules see, or the reason it is not understood (SPEC §3, tiers 1 and 2).
 * The datapath's `bpf/parse.h` makes the same checks in the same order; the differential tests hold the two together.
 */
import type { AddressWords, Family } from './prefix';
import type { FlowKey, FragmentKind, FragmentPart, Packet, Quote } from './packet';
import { icmpFields, isIcmpError } from './packet';
import { icmpOf, PORT_PROTOCOLS, PROTOCOL } from './protocol';
import type { Reason } from './reason';

/** What a frame turned out to be. */
export type Decoded =
  | { readonly kind: 'malformed'; readonly reason: Reason }
  | { readonly kind: 'non-ip'; readonly ethertype: number }
  | { readonly kind: 'ip'; readonly packet: Packet };

export const ETHERTYPE = { ARP: 0x0806, IPV4: 0x0800, IPV6: 0x86dd, VLAN: 0x8100, QINQ: 0x88a8 } as const;

/** Longest chain of IPv6 extension headers that is walked. */
export const IPV6_CHAIN_MAX = 8;

const ETHERNET_BYTES = 14;
const MAX_VLAN_TAGS = 2;
/** RFC 792/1122: messages about which no error is ever sent. For ICMPv6 it is every type below 128 (RFC 4443). */
const ICMPV4_ERRORS = new Set([3, 4, 5, 11, 12]);

const malformed = (reason: Reason): Decoded => ({ kind: 'malformed', reason });

/** Decodes one frame, beginning with the destination MAC address. */
export function decode(frame: Uint8Array): Decoded {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < ETHERNET_BYTES) return malformed('too-short');
  let ethertype = view.getUint16(12);
  let offset = ETHERNET_BYTES;
  for (let tags = 0; ethertype === ETHERTYPE.VLAN || ethertype === ETHERTYPE.QINQ; tags++) {
    if (tags === MAX_VLAN_TAGS) return malformed('vlan-depth');
    if (frame.length < offset + 4) return malformed('vlan-truncated');
    ethertype = view.getUint16(offset + 2);
    offset += 4;
  }
  if (ethertype === ETHERTYPE.IPV4) return decodeIpv4(view, offset);
  if (ethertype === ETHERTYPE.IPV6) return decodeIpv6(view, offset);
  return { kind: 'non-ip', ethertype };
}

function decodeIpv4(view: DataView, offset: number): Decoded {
  const available = view.byteLength - offset;
  if (available < 20) return malformed('ip-truncated');
  const version = view.getUint8(offset) >> 4;
  const headerBytes = (view.getUint8(offset) & 0xf) * 4;
  if (version !== 4) return malformed('ip-version');
  if (headerBytes < 20) return malformed('ipv4-ihl');
  if (headerBytes > available) return malformed('ip-truncated');
  const total = view.getUint16(offset + 2);
  if (total < headerBytes || total > available) return malformed('ip-length');
  const fragmentField = view.getUint16(offset + 6);
  const later = (fragmentField & 0x1fff) !== 0;
  const more = (fragmentField & 0x2000) !== 0;
  const fragment: FragmentKind = later ? 'later' : more ? 'first' : 'none';
  const header: FragmentHeader = {
    id: view.getUint16(offset + 4),
    at: (fragmentField & 0x1fff) * 8,
    more,
    start: offset + headerBytes,
  };
  if (fragment !== 'none' && !isFragmentLength(header, headerBytes, offset + total))
    return malformed('fragment-length');
  return decodeTransport(view, {
    family: 4,
    source: readWords(view, offset + 12, 4),
    destination: readWords(view, offset + 16, 4),
    hopLimit: view.getUint8(offset + 8),
    protocol: view.getUint8(offset + 9),
    fragment,
    offset: offset + headerBytes,
    end: offset + total,
    ...(fragment !== 'none' && { fragmentHeader: header }),
  });
}

/** What a fragment's header says; `start` is the offset of its data in the frame. */
interface FragmentHeader {
  readonly id: number;
  readonly at: number;
  readonly more: boolean;
  readonly start: number;
}

/**
 * What holds for every fragment (RFC 791 §3.2, RFC 8200 §4.5): it holds something, all but the last are a multiple of 8
 * bytes long, and the whole packet, of which `other` bytes are no fragment's data, is no longer than its length field
 * can say.
 */
function isFragmentLength({ at, more, start }: FragmentHeader, other: number, end: number): boolean {
  const bytes = end - start;
  return bytes > 0 && !(more && bytes % 8 !== 0) && other + at + bytes <= 0xffff;
}

function decodeIpv6(view: DataView, offset: number): Decoded {
  const available = view.byteLength - offset;
  if (available < 40) return malformed('ip-truncated');
  if (view.getUint8(offset) >> 4 !== 6) return malformed('ip-version');
  const end = offset + 40 + view.getUint16(offset + 4);
  if (end > view.byteLength) return malformed('ip-length');
  const chain = walkChain(view, view.getUint8(offset + 6), offset + 40, end);
  if ('reason' in chain) return malformed(chain.reason);
  const header = chain.fragment === 'none' ? undefined : chain.fragmentHeader;
  // Of the headers in front of the fragment's data only other extension headers count.
  if (header && !isFragmentLength(header, header.start - 8 - (offset + 40), end)) return malformed('fragment-length');
  return decodeTransport(view, {
    family: 6,
    source: readWords(view, offset + 8, 6),
    destination: readWords(view, offset + 24, 6),
    hopLimit: view.getUint8(offset + 7),
    ...chain,
    end,
  });
}

interface Chain {
  protocol: number;
  fragment: FragmentKind;
  offset: number;
  /** Of the fragment header in the chain, atomic ones included. */
  fragmentHeader?: FragmentHeader;
}

/** Walks IPv6 extension headers (RFC 8200 §4; AH RFC 4302, mobility RFC 6275) up to the first header that is none. */
function walkChain(view: DataView, first: number, start: number, end: number): Chain | { reason: Reason } {
  let protocol = first;
  let offset = start;
  let fragment: FragmentKind = 'none';
  let fragmentHeader: FragmentHeader | undefined;
  for (let headers = 0; isExtension(protocol); headers++) {
    if (headers === IPV6_CHAIN_MAX) return { reason: 'ipv6-chain-long' };
    if (protocol === PROTOCOL.HOPOPT && headers !== 0) return { reason: 'ipv6-chain' };
    if (end - offset < 8) return { reason: 'ipv6-chain' };
    const next = view.getUint8(offset);
    const lengthField = view.getUint8(offset + 1);
    let bytes = (lengthField + 1) * 8;
    if (protocol === PROTOCOL.AH) bytes = (lengthField + 2) * 4;
    if (protocol === PROTOCOL.FRAGMENT) {
      if (fragmentHeader) return { reason: 'ipv6-chain' };
      bytes = 8;
      const field = view.getUint16(offset + 2);
      const more = (field & 1) !== 0;
      fragmentHeader = { id: view.getUint32(offset + 4), at: field & ~7, more, start: offset + 8 };
      if (field >> 3 !== 0) return { protocol: next, fragment: 'later', offset: offset + 8, fragmentHeader };
      if (more) fragment = 'first';
    }
    if (protocol === PROTOCOL.ROUTING && view.getUint8(offset + 2) === 0) return { reason: 'ipv6-routing-0' };
    if (bytes > end - offset) return { reason: 'ipv6-chain' };
    offset += bytes;
    protocol = next;
  }
  return { protocol, fragment, offset, ...(fragmentHeader && { fragmentHeader }) };
}

function isExtension(protocol: number): boolean {
  return (
    protocol === PROTOCOL.HOPOPT ||
    protocol === PROTOCOL.ROUTING ||
    protocol === PROTOCOL.FRAGMENT ||
    protocol === PROTOCOL.AH ||
    protocol === PROTOCOL.DESTINATION_OPTIONS ||
    protocol === PROTOCOL.MOBILITY
  );
}

interface Network extends Chain {
  family: Family;
  source: AddressWords;
  destination: AddressWords;
  hopLimit: number;
  /** First byte behind the IP payload. */
  end: number;
}

function decodeTransport(view: DataView, network: Network): Decoded {
  const { family, source, destination, hopLimit, protocol, fragment, fragmentHeader, offset, end } = network;
  const part: { part?: FragmentPart } =
    fragment === 'none' || !fragmentHeader
      ? {}
      : { part: { id: fragmentHeader.id, at: fragmentHeader.at, judged: judgedBytes(view, network, fragmentHeader) } };
  const base = {
    family,
    source,
    destination,
    hopLimit,
    protocol,
    fragment,
    sourcePort: 0,
    destinationPort: 0,
    ...part,
  };
  if (fragment === 'later') return { kind: 'ip', packet: base };

  const tooShort = malformed(fragment === 'first' ? 'tiny-fragment' : 'l4-truncated');
  const remaining = end - offset;
  const carrier = PORT_PROTOCOLS.get(protocol);
  if (carrier) {
    if (remaining < carrier.headerBytes) return tooShort;
    let flags = {};
    if (protocol === PROTOCOL.TCP) {
      flags = { tcpFlags: view.getUint8(offset + 13) };
      const headerBytes = (view.getUint8(offset + 12) >> 4) * 4;
      if (headerBytes < 20) return malformed('l4-length');
      if (headerBytes > remaining) return fragment === 'first' ? tooShort : malformed('l4-length');
    }
    if (protocol === PROTOCOL.UDP) {
      const length = view.getUint16(offset + 4);
      if (length < 8 || (fragment === 'none' && length > remaining)) return malformed('l4-length');
    }
    const sourcePort = view.getUint16(offset);
    const destinationPort = view.getUint16(offset + 2);
    if (sourcePort === 0 || destinationPort === 0) return malformed('port-zero');
    return { kind: 'ip', packet: { ...base, sourcePort, destinationPort, ...flags } };
  }
  if (protocol === icmpOf(family)) {
    if (remaining < 8) return tooShort;
    const icmp = icmpFields(view.getUint8(offset), view.getUint8(offset + 1), view.getUint16(offset + 4));
    const quote = isIcmpError(family, icmp.type) ? { quote: decodeQuote(view, family, offset + 8, end) } : {};
    return { kind: 'ip', packet: { ...base, icmp, ...quote } };
  }
  return { kind: 'ip', packet: base };
}

/** Bytes of a first fragment's data that are judged, see `FragmentPart`; 0 of a later one. */
function judgedBytes(view: DataView, network: Network, { start }: FragmentHeader): number {
  const { family, protocol, fragment, offset, end } = network;
  if (fragment === 'later') return 0;
  if (family === 6 || protocol === icmpOf(family)) return end - start;
  if (protocol === PROTOCOL.TCP && end - offset > 12) return (view.getUint8(offset + 12) >> 4) * 4;
  return PORT_PROTOCOLS.get(protocol)?.headerBytes ?? 0;
}

/** The packet an ICMP error quotes, from its IP header at `offset` to the end of the message. */
function decodeQuote(view: DataView, family: Family, offset: number, end: number): Quote {
  const bad = (reason: 'icmp-unrelated' | 'icmp-quote-short' | 'icmp-quote-error'): Quote => ({ kind: 'bad', reason });
  const ipBytes = family === 4 ? 20 : 40;
  if (end - offset < ipBytes) return bad('icmp-quote-short');
  if (view.getUint8(offset) >> 4 !== family) return bad('icmp-unrelated');
  let chain: Chain;
  if (family === 4) {
    const headerBytes = (view.getUint8(offset) & 0xf) * 4;
    if (headerBytes < 20) return bad('icmp-unrelated');
    const later = (view.getUint16(offset + 6) & 0x1fff) !== 0;
    chain = { protocol: view.getUint8(offset + 9), fragment: later ? 'later' : 'none', offset: offset + headerBytes };
  } else {
    const walked = walkChain(view, view.getUint8(offset + 6), offset + 40, end);
    if ('reason' in walked) return bad('icmp-unrelated');
    chain = walked;
  }
  if (chain.fragment === 'later') return bad('icmp-unrelated');
  if (end - chain.offset < 8) return bad('icmp-quote-short');

  const key: FlowKey = {
    family,
    source: readWords(view, offset + (family === 4 ? 12 : 8), family),
    destination: readWords(view, offset + (family === 4 ? 16 : 24), family),
    protocol: chain.protocol,
    sourcePort: 0,
    destinationPort: 0,
  };
  if (PORT_PROTOCOLS.has(chain.protocol)) {
    const sourcePort = view.getUint16(chain.offset);
    const destinationPort = view.getUint16(chain.offset + 2);
    return { kind: 'packet', key: { ...key, sourcePort, destinationPort } };
  }
  if (chain.protocol === icmpOf(family)) {
    const at = chain.offset;
    const icmp = icmpFields(view.getUint8(at), view.getUint8(at + 1), view.getUint16(at + 4));
    if (family === 4 ? ICMPV4_ERRORS.has(icmp.type) : icmp.type < 128) return bad('icmp-quote-error');
    return { kind: 'packet', key: { ...key, icmp } };
  }
  return { kind: 'packet', key };
}

function readWords(view: DataView, offset: number, family: Family): AddressWords {
  const count = family === 4 ? 1 : 4;
  return Array.from({ length: count }, (_, i) => view.getUint32(offset + 4 * i));
}
