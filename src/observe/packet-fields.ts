/**
 * The first bytes of a frame as netfilter's LOG target prints them: `IN=eth0 OUT= MAC=… SRC=… DST=… LEN=… PROTO=TCP …`.
 * Readers of ufw's and iptables' logs find every key where they expect it.
 */
import { PROTOCOL } from '../model/protocol';

/** A word of a line: `KEY=value`, or a flag that stands alone (`DF`, `SYN`, `[quoted packet]`). */
export interface Field {
  readonly key: string;
  readonly value?: string;
}

const ETHERNET = 14;
const VLAN_TYPES = new Set([0x8100, 0x88a8]);
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const TCP_FLAGS: readonly (readonly [number, string])[] = [
  [0x80, 'CWR'],
  [0x40, 'ECE'],
  [0x20, 'URG'],
  [0x10, 'ACK'],
  [0x08, 'PSH'],
  [0x04, 'RST'],
  [0x02, 'SYN'],
  [0x01, 'FIN'],
];
const EXTENSIONS = new Set([0, 43, 44, 51, 60, 135]);
const FRAGMENT = 44;
const AUTHENTICATION = 51;
/** ICMP types of which a quoted packet follows, of IPv4 and of IPv6. */
const ERRORS = { 4: new Set([3, 4, 11, 12]), 6: new Set([1, 2, 3, 4]) };

/** Fields of a frame; what it was too short for, or what was not captured, is `TRUNCATED`. */
export function packetFields(frame: Uint8Array, way: { readonly in: string; readonly out: string }): readonly Field[] {
  const fields = new Fields(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength));
  fields.put('IN', way.in);
  fields.put('OUT', way.out);
  fields.frame(way.in !== '');
  return fields.list;
}

/** Writes fields while it reads bytes. */
class Fields {
  readonly list: Field[] = [];

  /** `quoted`: inside an ICMP error; what that quotes in turn is left out, as netfilter does. */
  constructor(
    private readonly bytes: Buffer,
    private readonly quoted = false,
  ) {}

  put(key: string, value: string | number): void {
    this.list.push({ key, value: String(value) });
  }

  flag(key: string): void {
    this.list.push({ key });
  }

  frame(withMac: boolean): void {
    const { bytes } = this;
    if (bytes.length < ETHERNET) {
      this.flag('TRUNCATED');
      return;
    }
    if (withMac) this.put('MAC', bytes.toString('hex', 0, ETHERNET).replace(/..(?!$)/g, '$&:'));
    let type = bytes.readUInt16BE(12);
    let at = ETHERNET;
    while (VLAN_TYPES.has(type) && at + 4 <= bytes.length) {
      this.put('VPROTO', type.toString(16).padStart(4, '0'));
      this.put('VID', bytes.readUInt16BE(at) & 0xfff);
      type = bytes.readUInt16BE(at + 2);
      at += 4;
    }
    if (type === IPV4) this.ipv4(at);
    else if (type === IPV6) this.ipv6(at);
    else this.put('ETHERTYPE', `0x${type.toString(16).padStart(4, '0')}`);
  }

  private ipv4(at: number): void {
    const { bytes } = this;
    if (at + 20 > bytes.length) {
      this.flag('TRUNCATED');
      return;
    }
    const [tos, flags] = [bytes[at + 1], bytes.readUInt16BE(at + 6)];
    this.put('SRC', [...bytes.subarray(at + 12, at + 16)].join('.'));
    this.put('DST', [...bytes.subarray(at + 16, at + 20)].join('.'));
    this.put('LEN', bytes.readUInt16BE(at + 2));
    this.put('TOS', `0x${hexByte(tos & 0x1e)}`);
    this.put('PREC', `0x${hexByte(tos & 0xe0)}`);
    this.put('TTL', bytes[at + 8]);
    this.put('ID', bytes.readUInt16BE(at + 4));
    if (flags & 0x8000) this.flag('CE');
    if (flags & 0x4000) this.flag('DF');
    if (flags & 0x2000) this.flag('MF');
    const offset = flags & 0x1fff;
    if (offset > 0) this.flag(`FRAG:${offset}`);
    this.transport(4, bytes[at + 9], at + (bytes[at] & 0xf) * 4, offset > 0);
  }

  private ipv6(at: number): void {
    const { bytes } = this;
    if (at + 40 > bytes.length) {
      this.flag('TRUNCATED');
      return;
    }
    const first = bytes.readUInt32BE(at);
    this.put('SRC', longAddress(bytes.subarray(at + 8, at + 24)));
    this.put('DST', longAddress(bytes.subarray(at + 24, at + 40)));
    this.put('LEN', bytes.readUInt16BE(at + 4) + 40);
    this.put('TC', (first >>> 20) & 0xff);
    this.put('HOPLIMIT', bytes[at + 7]);
    this.put('FLOWLBL', first & 0xfffff);
    let protocol = bytes[at + 6];
    let later = false;
    at += 40;
    while (EXTENSIONS.has(protocol) && !later && at + 8 <= bytes.length) {
      if (protocol === FRAGMENT) {
        const field = bytes.readUInt16BE(at + 2);
        this.flag(`FRAG:${field & 0xfff8}`);
        if (field & 1) this.flag('INCOMPLETE');
        this.flag(`ID:${hexWord(bytes.readUInt32BE(at + 4))}`);
        later = field >> 3 !== 0;
      }
      const length =
        protocol === FRAGMENT
          ? 8
          : (bytes[at + 1] + (protocol === AUTHENTICATION ? 2 : 1)) * (protocol === AUTHENTICATION ? 4 : 8);
      protocol = bytes[at];
      at += length;
    }
    this.transport(6, protocol, at, later);
  }

  private transport(family: 4 | 6, protocol: number, at: number, later: boolean): void {
    const name = netfilterName(family, protocol);
    this.put('PROTO', name ?? protocol);
    if (later || name === undefined) return;
    const { bytes } = this;
    if (name === 'ICMP' || name === 'ICMPv6') {
      this.icmp(family, at);
      return;
    }
    if (at + (name === 'TCP' ? 20 : 8) > bytes.length) {
      this.flag('TRUNCATED');
      return;
    }
    this.put('SPT', bytes.readUInt16BE(at));
    this.put('DPT', bytes.readUInt16BE(at + 2));
    if (name === 'UDP' || name === 'UDPLITE') {
      this.put('LEN', bytes.readUInt16BE(at + 4));
      return;
    }
    if (name !== 'TCP') return;
    this.put('WINDOW', bytes.readUInt16BE(at + 14));
    this.put('RES', `0x${hexByte((bytes[at + 12] & 0xf) << 2)}`);
    for (const [bit, word] of TCP_FLAGS) if (bytes[at + 13] & bit) this.flag(word);
    this.put('URGP', bytes.readUInt16BE(at + 18));
  }

  private icmp(family: 4 | 6, at: number): void {
    const { bytes } = this;
    if (at + 8 > bytes.length) {
      this.flag('TRUNCATED');
      return;
    }
    const [type, code] = [bytes[at], bytes[at + 1]];
    this.put('TYPE', type);
    this.put('CODE', code);
    const echo = family === 4 ? type === 0 || type === 8 : type === 128 || type === 129;
    if (echo) {
      this.put('ID', bytes.readUInt16BE(at + 4));
      this.put('SEQ', bytes.readUInt16BE(at + 6));
    }
    if (!ERRORS[family].has(type) || this.quoted) return;
    const quote = new Fields(bytes, true);
    if (family === 4) quote.ipv4(at + 8);
    else quote.ipv6(at + 8);
    this.flag(`[${quote.list.map(fieldText).join(' ')}]`);
    if (family === 4 && type === 3 && code === 4) this.put('MTU', bytes.readUInt16BE(at + 6));
    if (family === 6 && type === 2) this.put('MTU', bytes.readUInt32BE(at + 4));
  }
}

/** A field as it stands in a line. */
export function fieldText({ key, value }: Field): string {
  return value === undefined ? key : `${key}=${value}`;
}

/** netfilter's names; other protocols are numbers. */
function netfilterName(family: 4 | 6, protocol: number): string | undefined {
  switch (protocol) {
    case PROTOCOL.TCP:
      return 'TCP';
    case PROTOCOL.UDP:
      return 'UDP';
    case PROTOCOL.UDPLITE:
      return 'UDPLITE';
    case PROTOCOL.SCTP:
      return 'SCTP';
    case PROTOCOL.ICMP:
      return family === 4 ? 'ICMP' : undefined;
    case PROTOCOL.ICMPV6:
      return family === 6 ? 'ICMPv6' : undefined;
    default:
      return undefined;
  }
}

function longAddress(bytes: Buffer): string {
  return bytes.toString('hex').replace(/....(?!$)/g, '$&:');
}

function hexByte(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, '0');
}

function hexWord(value: number): string {
  return value.toString(16).padStart(8, '0');
}
