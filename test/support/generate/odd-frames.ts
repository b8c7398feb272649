/**
 * Frames that are not plain: tags, options, extension chains, fragments, lengths that lie, headers cut short, ICMP
 * errors with every kind of quote, the link essentials. Each is made of a plain packet, so that what is left of it
 * still meets the rows. All are at least 14 bytes, the least a test run takes.
 */
import { PROTOCOL } from '../../../src/model/protocol';
import {
  ETHERNET_BYTES,
  PacketFields,
  putIpv4Checksum,
  transportBytes,
  writeEthernet,
  writeIpv4,
  writeIpv6,
  writePacket,
  writeTransport,
} from './frame-batch';
import type { Random } from './random';

/** Makes one kind of odd frame out of a packet. */
type Oddity = (random: Random, packet: PacketFields) => Uint8Array;

/** Frames by what is odd about them; a report names the kind. */
export const ODDITIES: Readonly<Record<string, Oddity>> = {
  'cut short': (random, packet) => {
    const frame = plain(packet);
    return frame.slice(0, random.between(14, frame.length));
  },
  'bytes behind the packet': (random, packet) => join(plain(packet), new Uint8Array(random.between(1, 60)).fill(0xa5)),
  'one byte changed': (random, packet) => {
    const frame = plain(packet);
    frame[random.between(12, frame.length - 1)] = random.chance(0.5) ? random.below(256) : random.pick([0, 1, 255]);
    return frame;
  },
  'vlan tags': (random, packet) => vlan(random, plain(packet)),
  'vlan tags, cut short': (random, packet) => {
    const frame = vlan(random, plain(packet));
    return frame.slice(0, random.between(14, Math.min(frame.length, 60)));
  },
  'another ethertype': (random) => {
    const types = [0x0806, 0x88cc, 0x8809, 0x888e, 0x8863, 0x88f7, 0x0600, 0x05dc, 0x0000, 0xffff, 0x86dc, 0x0801];
    const frame = new Uint8Array(random.between(14, 64));
    writeEthernet(frame, 0, random.chance(0.8) ? random.pick(types) : random.below(65536));
    return random.chance(0.2) ? vlan(random, frame) : frame;
  },
  'ethertype of the other family': (_random, packet) => {
    const frame = plain(packet);
    writeEthernet(frame, 0, packet.family === 4 ? 0x86dd : 0x0800);
    return frame;
  },
  'ipv4 options': (random, packet) => ipv4WithOptions(packet, random.between(6, 15)),
  'ipv4 header length': (random, packet) => {
    const frame = ipv4(packet, 0);
    frame[ETHERNET_BYTES] = (random.chance(0.9) ? 0x40 : random.below(256)) | random.below(16);
    return frame;
  },
  'ipv4 total length': (random, packet) => {
    const frame = ipv4(packet, 0);
    const least = 20;
    const most = frame.length - ETHERNET_BYTES + 2;
    new DataView(frame.buffer).setUint16(
      16,
      random.chance(0.9) ? random.between(least - 2, most) : random.below(65536),
    );
    return frame;
  },
  'ipv4 fragment': (random, packet) => {
    const offset = random.pick([0, 0, 0, 1, 2, 185, 0x1fff]);
    const flags = random.pick([0x2000, 0x2000, 0, 0x4000, 0x8000, 0x6000]);
    const frame = ipv4(packet, flags | offset);
    return random.chance(0.7) ? frame : cutIpv4(frame, random.between(20, frame.length - ETHERNET_BYTES));
  },
  'ipv6 payload length': (random, packet) => {
    const frame = ipv6(packet, []);
    const payload = frame.length - 54;
    const length = random.chance(0.9) ? random.between(0, payload + 2) : random.below(65536);
    new DataView(frame.buffer).setUint16(18, length);
    return frame;
  },
  'ipv6 extension chain': (random, packet) => ipv6(packet, drawChain(random, false)),
  'ipv6 extension chain, cut short': (random, packet) => {
    const frame = ipv6(packet, drawChain(random, false));
    const behind = random.between(ETHERNET_BYTES, frame.length);
    // Half of them cut the packet (its length agrees), half only the frame.
    if (behind >= 54 && random.chance(0.5)) new DataView(frame.buffer).setUint16(18, behind - 54);
    return frame.slice(0, behind);
  },
  'ipv6 fragment': (random, packet) => ipv6(packet, drawChain(random, true)),
  'transport cut short': (random, packet) => {
    const payload = random.below(transportBytes(packet) + 1);
    if (packet.family === 4) return cutIpv4(ipv4(packet, random.chance(0.3) ? 0x2000 : 0), 20 + payload);
    const frame = ipv6(packet, random.chance(0.3) ? drawChain(random, true) : []);
    const behind = frame.length - transportBytes(packet) + payload;
    new DataView(frame.buffer).setUint16(18, behind - 54);
    return frame.slice(0, behind);
  },
  'tcp header length': (random, packet) => {
    const own = as(packet, PROTOCOL.TCP);
    const frame = plain(own);
    frame[frame.length - 20 + 12] = random.below(256);
    const longer = join(frame, new Uint8Array(random.pick([0, 4, 20, 40])));
    setIpLength(longer, own, longer.length);
    return longer;
  },
  'udp length': (random, packet) => {
    const own = as(packet, random.chance(0.8) ? PROTOCOL.UDP : PROTOCOL.UDPLITE);
    const frame = plain(own);
    new DataView(frame.buffer).setUint16(frame.length - 8 + 4, random.pick([0, 7, 8, 9, 16, 65535, random.below(64)]));
    const longer = join(frame, new Uint8Array(random.pick([0, 1, 8])));
    setIpLength(longer, own, longer.length);
    return longer;
  },
  'port zero': (random, packet) => {
    const own = as(packet, random.pick([PROTOCOL.TCP, PROTOCOL.UDP, PROTOCOL.SCTP, PROTOCOL.DCCP, PROTOCOL.UDPLITE]));
    if (random.chance(0.6)) own.sourcePort = 0;
    if (random.chance(0.6)) own.destinationPort = 0;
    return plain(own);
  },
  'icmp error': (random, packet) => icmpError(random, packet),
  'icmp error, cut short': (random, packet) => {
    const frame = icmpError(random, packet);
    const least = ETHERNET_BYTES + (packet.family === 4 ? 20 : 40);
    const behind = random.between(least, frame.length);
    setIpLength(frame, packet, behind);
    return frame.slice(0, behind);
  },
  'icmp error, one byte of the quote changed': (random, packet) => {
    const frame = icmpError(random, packet);
    const quote = ETHERNET_BYTES + (packet.family === 4 ? 20 : 40) + 8;
    if (quote < frame.length) frame[random.between(quote, frame.length - 1)] = random.below(256);
    return frame;
  },
  'neighbour discovery': (random, packet) => {
    const own = as(packet, PROTOCOL.ICMPV6, 6);
    own.icmpType = random.between(132, 138);
    own.hopLimit = random.pick([255, 255, 254, 64, 0]);
    return ipv6(own, random.chance(0.2) ? drawChain(random, true) : []);
  },
  'multicast listener': (random, packet) => {
    const own = as(packet, PROTOCOL.ICMPV6, 6);
    own.icmpType = random.pick([129, 130, 131, 132, 133, 142, 143, 144]);
    own.source[0] = random.pick([0xfe800000, 0xfe800001, 0xfebfffff, 0xfec00000, 0xfe7fffff, 0, own.source[0]]);
    own.hopLimit = random.pick([1, 255]);
    // MLD comes with a hop-by-hop header (router alert).
    return ipv6(
      own,
      random.chance(0.6) ? [option(PROTOCOL.HOPOPT, 0)] : random.chance(0.3) ? drawChain(random, true) : [],
    );
  },
  "the other family's icmp": (random, packet) => {
    const own = as(packet, packet.family === 4 ? PROTOCOL.ICMPV6 : PROTOCOL.ICMP);
    const frame = plain(own);
    frame[frame.length - 8] = random.pick([0, 3, 8, 128, 135]);
    return frame;
  },
  noise: (random) => {
    const frame = Uint8Array.from({ length: random.between(14, 120) }, () => random.below(256));
    writeEthernet(frame, 0, random.pick([0x0800, 0x86dd, 0x8100]));
    if (frame.length > 14 && random.chance(0.7)) frame[14] = random.pick([0x45, 0x46, 0x60, 0x4f]);
    return frame;
  },
};

const KINDS = Object.keys(ODDITIES);

/** One odd frame made of the packet, and the name of what is odd. */
export function drawOddFrame(random: Random, packet: PacketFields): { kind: string; frame: Uint8Array } {
  const kind = random.pick(KINDS);
  return { kind, frame: ODDITIES[kind](random, packet) };
}

/** The plain frame of a packet. */
export function plain(packet: PacketFields): Uint8Array {
  const bytes = new Uint8Array(160);
  return bytes.slice(0, writePacket(bytes, 0, packet));
}

/** A copy with another protocol (and family: address words are kept as they are). */
function as(packet: PacketFields, protocol: number, family = packet.family): PacketFields {
  const copy = new PacketFields();
  copy.copy(packet);
  copy.quote = null;
  copy.protocol = protocol;
  copy.family = family;
  return copy;
}

function join(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Between the MAC addresses and the ethertype: one to four tags, one or two mostly. */
function vlan(random: Random, frame: Uint8Array): Uint8Array {
  const tags = Array.from({ length: random.pick([1, 1, 2, 2, 3, 4]) }, () => {
    const kind = random.pick([0x8100, 0x88a8]);
    const id = random.below(65536);
    return Uint8Array.of(kind >> 8, kind & 0xff, id >> 8, id & 0xff);
  });
  return join(frame.subarray(0, 12), ...tags, frame.subarray(12));
}

function transport(packet: PacketFields): Uint8Array {
  const bytes = new Uint8Array(transportBytes(packet));
  writeTransport(bytes, 0, packet);
  return bytes;
}

/** The packet over IPv4 (its own addresses, or the first words of its IPv6 ones). */
function ipv4(packet: PacketFields, fragmentField: number): Uint8Array {
  const own = as(packet, packet.family === 6 && packet.isIcmp ? PROTOCOL.ICMP : packet.protocol, 4);
  const payload = transport(own);
  const head = new Uint8Array(ETHERNET_BYTES + 20);
  writeEthernet(head, 0, 0x0800);
  writeIpv4(head, ETHERNET_BYTES, own, payload.length);
  new DataView(head.buffer).setUint16(ETHERNET_BYTES + 6, fragmentField);
  putIpv4Checksum(head, ETHERNET_BYTES, 20);
  return join(head, payload);
}

function ipv4WithOptions(packet: PacketFields, headerWords: number): Uint8Array {
  const bare = ipv4(packet, 0);
  const options = new Uint8Array(headerWords * 4 - 20).fill(1); // no-operation
  const frame = join(bare.subarray(0, 34), options, bare.subarray(34));
  frame[ETHERNET_BYTES] = 0x40 | headerWords;
  new DataView(frame.buffer).setUint16(16, frame.length - ETHERNET_BYTES);
  putIpv4Checksum(frame, ETHERNET_BYTES, headerWords * 4);
  return frame;
}

/** Cuts the packet, its length field included, to `length` bytes from the IP header on. */
function cutIpv4(frame: Uint8Array, length: number): Uint8Array {
  const shorter = frame.slice(0, ETHERNET_BYTES + length);
  new DataView(shorter.buffer).setUint16(16, length);
  return shorter;
}

/** Writes the IP length field so that the packet ends at frame offset `behind`. */
function setIpLength(frame: Uint8Array, { family }: PacketFields, behind: number): void {
  const view = new DataView(frame.buffer);
  if (family === 4) view.setUint16(16, behind - ETHERNET_BYTES);
  else view.setUint16(18, behind - ETHERNET_BYTES - 40);
}

/** An extension header: its protocol number and its bytes, of which the first is the next header. */
interface Extension {
  readonly protocol: number;
  readonly bytes: Uint8Array;
}

/** The packet over IPv6 behind a chain of extension headers. */
function ipv6(packet: PacketFields, chain: readonly Extension[]): Uint8Array {
  const own = as(packet, packet.family === 4 && packet.isIcmp ? PROTOCOL.ICMPV6 : packet.protocol, 6);
  const payload = transport(own);
  const linked = chain.map(({ bytes }, i) => {
    const copy = bytes.slice();
    copy[0] = chain.at(i + 1)?.protocol ?? own.protocol;
    return copy;
  });
  const length = linked.reduce((sum, header) => sum + header.length, payload.length);
  const head = new Uint8Array(ETHERNET_BYTES + 40);
  writeEthernet(head, 0, 0x86dd);
  writeIpv6(head, ETHERNET_BYTES, own, chain.at(0)?.protocol ?? own.protocol, length);
  return join(head, ...linked, payload);
}

/** An options header (hop-by-hop, destination, mobility) of (`units` + 1) × 8 bytes. */
function option(protocol: number, units: number): Extension {
  const bytes = new Uint8Array((units + 1) * 8);
  bytes[1] = units;
  bytes.fill(0, 2); // Pad1
  return { protocol, bytes };
}

function routing(type: number, units: number): Extension {
  const extension = option(PROTOCOL.ROUTING, units);
  extension.bytes[2] = type;
  return extension;
}

/** AH counts in words of 4 bytes, less 2. */
function authentication(words: number): Extension {
  const bytes = new Uint8Array((words + 2) * 4);
  bytes[1] = words;
  return { protocol: PROTOCOL.AH, bytes };
}

function fragment(offsetUnits: number, more: boolean): Extension {
  const bytes = new Uint8Array(8);
  bytes[1] = 0xff; // reserved, must not be read as a length
  new DataView(bytes.buffer).setUint16(2, (offsetUnits << 3) | (more ? 1 : 0));
  return { protocol: PROTOCOL.FRAGMENT, bytes };
}

/** Up to ten headers (eight are walked); `fragmented` chains hold a fragment header, atomic, first or later. */
function drawChain(random: Random, fragmented: boolean): Extension[] {
  const count = fragmented ? random.below(3) : random.pick([1, 1, 2, 3, 7, 8, 9, 10]);
  const chain = Array.from({ length: count }, (_, i): Extension => {
    if (i === 0 && random.chance(0.4)) return option(PROTOCOL.HOPOPT, random.below(3));
    switch (random.below(16)) {
      case 0:
        return routing(random.pick([0, 0, 2, 3, 4, 253]), random.below(3));
      case 1:
        return option(PROTOCOL.HOPOPT, 0);
      case 2:
        return fragment(random.pick([0, 0, 1]), random.chance(0.5));
      case 3:
        return { protocol: PROTOCOL.DESTINATION_OPTIONS, bytes: Uint8Array.of(0, random.below(256), 0, 0, 0, 0, 0, 0) };
      case 4:
      case 5:
        return authentication(random.below(6));
      case 6:
        return option(PROTOCOL.MOBILITY, random.below(3));
      case 7:
      case 8:
        return routing(random.pick([2, 3, 4]), random.below(3));
      default:
        return option(PROTOCOL.DESTINATION_OPTIONS, random.pick([0, 0, 1, 2]));
    }
  });
  if (fragmented) {
    const at = random.below(chain.length + 1);
    chain.splice(at, 0, fragment(random.pick([0, 0, 0, 1, 0x1fff]), random.chance(0.6)));
    if (random.chance(0.1)) chain.splice(random.below(chain.length + 1), 0, fragment(0, false));
  }
  return chain;
}

/** An ICMP error about the packet turned round in some frame of its own: plain, with options, fragments, a chain. */
function icmpError(random: Random, packet: PacketFields): Uint8Array {
  const { family } = packet;
  const outer = as(packet, family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6);
  outer.icmpType = random.pick(family === 4 ? [3, 3, 4, 5, 11, 12] : [1, 1, 2, 3, 4, 5, 127]);
  outer.icmpCode = random.below(5);
  const quoted = quotedBytes(random, packet);
  // Quotes of 8 bytes of transport, of all of it, of more than the frame that was, and of less.
  const whole = random.chance(0.5) ? quoted : quoted.slice(0, Math.max(0, quoted.length - random.below(20)));
  const head = plain(outer);
  const frame = join(head, whole);
  setIpLength(frame, packet, frame.length);
  return frame;
}

/** The quoted packet from its IP header on. */
function quotedBytes(random: Random, packet: PacketFields): Uint8Array {
  const inner = as(packet, packet.protocol);
  inner.source.set(packet.destination);
  inner.destination.set(packet.source);
  inner.sourcePort = packet.destinationPort;
  inner.destinationPort = packet.sourcePort;
  if (random.chance(0.2)) {
    inner.protocol = packet.family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6;
    inner.icmpType = random.pick(packet.family === 4 ? [0, 3, 4, 5, 8, 11, 12, 13, 14] : [1, 4, 127, 128, 129, 135]);
  }
  const other = random.below(12);
  if (packet.family === 4) {
    if (other === 0) return ipv4WithOptions(inner, random.between(6, 15)).subarray(ETHERNET_BYTES);
    if (other === 1) return ipv4(inner, random.pick([0x2000, 1, 0x2001, 0x4000])).subarray(ETHERNET_BYTES);
    if (other === 2) return ipv6(inner, []).subarray(ETHERNET_BYTES);
  } else {
    if (other === 0) return ipv6(inner, drawChain(random, false)).subarray(ETHERNET_BYTES);
    if (other === 1) return ipv6(inner, drawChain(random, true)).subarray(ETHERNET_BYTES);
    if (other === 2) return ipv4(inner, 0).subarray(ETHERNET_BYTES);
  }
  return plain(inner).subarray(ETHERNET_BYTES);
}
