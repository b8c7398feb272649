/**
 * Raw Ethernet frames back to back in one buffer, as `testRunBatch` takes them. Written for speed: no object and no
 * closure per frame, fields come from one reused `PacketFields`.
 */
import { isIcmpError } from '../../../src/model/packet';
import { PROTOCOL } from '../../../src/model/protocol';
import type { Family } from '../../../src/model/prefix';

/** What one plain frame says. Reused and overwritten between frames. */
export class PacketFields {
  family: Family = 4;
  /** One word for IPv4, four for IPv6, most significant first. */
  readonly source = new Uint32Array(4);
  readonly destination = new Uint32Array(4);
  protocol: number = PROTOCOL.TCP;
  sourcePort = 40000;
  destinationPort = 80;
  icmpType = 0;
  icmpCode = 0;
  hopLimit = 64;
  /** The packet an ICMP error quotes: its header and 8 bytes. */
  quote: PacketFields | null = null;

  /** Whether the protocol is the family's own ICMP. */
  get isIcmp(): boolean {
    return this.protocol === (this.family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6);
  }

  get isEchoRequest(): boolean {
    return this.isIcmp && this.icmpType === (this.family === 4 ? 8 : 128);
  }

  get isIcmpError(): boolean {
    return this.isIcmp && isIcmpError(this.family, this.icmpType);
  }

  copy(other: PacketFields): void {
    this.family = other.family;
    this.source.set(other.source);
    this.destination.set(other.destination);
    this.protocol = other.protocol;
    this.sourcePort = other.sourcePort;
    this.destinationPort = other.destinationPort;
    this.icmpType = other.icmpType;
    this.icmpCode = other.icmpCode;
    this.hopLimit = other.hopLimit;
    this.quote = other.quote;
  }
}

export const ETHERNET_BYTES = 14;
/** Largest frame `writePacket` makes: IPv6 and ICMPv6 about an IPv6 packet and 8 bytes of it. */
const PLAIN_BYTES_MAX = ETHERNET_BYTES + 40 + 8 + 40 + 8;

/** Bytes of transport header that `writeTransport` writes. */
export function transportBytes(fields: PacketFields): number {
  switch (fields.protocol) {
    case PROTOCOL.TCP:
      return 20;
    case PROTOCOL.SCTP:
    case PROTOCOL.DCCP:
      return 12;
    default:
      return 8;
  }
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

function put32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** MAC addresses (02:00:5e:00:53:01 → :02) and the ethertype. */
export function writeEthernet(bytes: Uint8Array, at: number, ethertype: number): void {
  put32(bytes, at, 0x02005e00);
  put32(bytes, at + 4, 0x53020200);
  put32(bytes, at + 8, 0x5e005301);
  put16(bytes, at + 12, ethertype);
}

/** An IPv4 header without options, checksum included; `payload` bytes follow it. */
export function writeIpv4(bytes: Uint8Array, at: number, fields: PacketFields, payload: number): void {
  put16(bytes, at, 0x4500);
  put16(bytes, at + 2, 20 + payload);
  put16(bytes, at + 4, 0x1234);
  put16(bytes, at + 6, 0);
  bytes[at + 8] = fields.hopLimit;
  bytes[at + 9] = fields.protocol;
  put16(bytes, at + 10, 0);
  put32(bytes, at + 12, fields.source[0]);
  put32(bytes, at + 16, fields.destination[0]);
  putIpv4Checksum(bytes, at, 20);
}

/** Header checksum of RFC 791 over `length` bytes. */
export function putIpv4Checksum(bytes: Uint8Array, at: number, length: number): void {
  put16(bytes, at + 10, 0);
  let sum = 0;
  for (let i = at; i < at + length; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  put16(bytes, at + 10, ~sum & 0xffff);
}

/** An IPv6 header whose next header is `next`; `payload` bytes follow it. */
export function writeIpv6(bytes: Uint8Array, at: number, fields: PacketFields, next: number, payload: number): void {
  put32(bytes, at, 0x60000000);
  put16(bytes, at + 4, payload);
  bytes[at + 6] = next;
  bytes[at + 7] = fields.hopLimit;
  for (let i = 0; i < 4; i++) {
    put32(bytes, at + 8 + 4 * i, fields.source[i]);
    put32(bytes, at + 24 + 4 * i, fields.destination[i]);
  }
}

/** The transport header, `transportBytes` long; the checksum stays 0 (no datapath looks at it). */
export function writeTransport(bytes: Uint8Array, at: number, fields: PacketFields): void {
  bytes.fill(0, at, at + transportBytes(fields));
  if (fields.isIcmp) {
    bytes[at] = fields.icmpType;
    bytes[at + 1] = fields.icmpCode;
    return;
  }
  switch (fields.protocol) {
    case PROTOCOL.TCP:
      bytes[at + 12] = 0x50; // five words
      bytes[at + 13] = 0x02; // SYN
      break;
    case PROTOCOL.UDP:
    case PROTOCOL.UDPLITE:
      put16(bytes, at + 4, 8);
      break;
    case PROTOCOL.SCTP:
    case PROTOCOL.DCCP:
      break;
    default:
      return;
  }
  put16(bytes, at, fields.sourcePort);
  put16(bytes, at + 2, fields.destinationPort);
}

/** The IP header of `fields` with `payload` bytes behind it; returns where they begin. */
function writeIp(bytes: Uint8Array, at: number, fields: PacketFields, payload: number): number {
  if (fields.family === 4) {
    writeIpv4(bytes, at, fields, payload);
    return at + 20;
  }
  writeIpv6(bytes, at, fields, fields.protocol, payload);
  return at + 40;
}

/** One plain frame at `at`; returns the offset behind it. An ICMP error quotes `fields.quote` where that is set. */
export function writePacket(bytes: Uint8Array, at: number, fields: PacketFields): number {
  const quoted = fields.quote !== null && fields.isIcmpError ? fields.quote : null;
  const own = transportBytes(fields);
  const quoteBytes = quoted === null ? 0 : (quoted.family === 4 ? 20 : 40) + 8;
  writeEthernet(bytes, at, fields.family === 4 ? 0x0800 : 0x86dd);
  const transport = writeIp(bytes, at + ETHERNET_BYTES, fields, own + quoteBytes);
  writeTransport(bytes, transport, fields);
  if (quoted === null) return transport + own;
  // The quoted header tells its full length, though only 8 bytes of it follow; what is written beyond is cut off.
  const inner = writeIp(bytes, transport + own, quoted, transportBytes(quoted));
  const behind = inner + 8;
  writeTransport(bytes, inner, quoted);
  return behind;
}

/** Bytes that `writeTransport` may write beyond the end `writePacket` returns. */
const OVERHANG = 12;

/** A growing row of frames. */
export class FrameBatch {
  count = 0;
  private bytes: Uint8Array;
  private offsets: Uint32Array;

  constructor(capacity = 4096) {
    this.bytes = new Uint8Array(capacity * 80);
    this.offsets = new Uint32Array(capacity + 1);
  }

  /** Forgets all frames and keeps the memory: frames handed out before are overwritten. */
  clear(): void {
    this.count = 0;
  }

  /** Appends a plain frame. */
  addPacket(fields: PacketFields): void {
    this.reserve(PLAIN_BYTES_MAX + OVERHANG);
    this.offsets[this.count + 1] = writePacket(this.bytes, this.offsets[this.count], fields);
    this.count++;
  }

  /** Appends a copy of any frame. */
  addFrame(frame: Uint8Array): void {
    this.reserve(frame.length);
    const at = this.offsets[this.count];
    this.bytes.set(frame, at);
    this.offsets[++this.count] = at + frame.length;
  }

  /** The `index`-th frame, a view. */
  frame(index: number): Uint8Array {
    return this.bytes.subarray(this.offsets[index], this.offsets[index + 1]);
  }

  /** All frames back to back, a view. */
  get frames(): Uint8Array {
    return this.bytes.subarray(0, this.offsets[this.count]);
  }

  /** Length of each frame. */
  lengths(): Uint32Array {
    return Uint32Array.from({ length: this.count }, (_, i) => this.offsets[i + 1] - this.offsets[i]);
  }

  private reserve(more: number): void {
    if (this.count + 2 > this.offsets.length) {
      const larger = new Uint32Array(this.offsets.length * 2);
      larger.set(this.offsets);
      this.offsets = larger;
    }
    const needed = this.offsets[this.count] + more;
    if (needed > this.bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
      larger.set(this.bytes);
      this.bytes = larger;
    }
  }
}
