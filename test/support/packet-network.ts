/** Network headers of composed packets: ARP, IPv4, IPv6 and the IPv6 extension headers. */
import { be, internetChecksum, ipv4Bytes, ipv6Bytes, join, type Layer, macBytes } from './packet-layer';

/** The hosts of the test topology, from the documentation ranges (RFC 5737, RFC 3849). */
export const DEFAULTS = {
  source4: '203.0.113.50',
  destination4: '192.0.2.10',
  source6: '2001:db8:7::50',
  destination6: '2001:db8:1::10',
  sourceMac: '02:00:00:00:00:01',
  destinationMac: '02:00:00:00:00:02',
  sourcePort: 40000,
  destinationPort: 14141,
} as const;

const NO_NEXT_HEADER = 59;
const HEADER_PROTOCOL = {
  'hop-by-hop': 0,
  routing: 43,
  fragment: 44,
  ah: 51,
  'destination-options': 60,
  mobility: 135,
};

export interface ArpFields {
  operation?: number;
  sender?: string;
  target?: string;
}

/** An ARP request or reply (RFC 826). */
export function arp(fields: ArpFields = {}): Layer {
  const { operation = 1, sender = DEFAULTS.source4, target = DEFAULTS.destination4 } = fields;
  return {
    name: 'arp',
    ethertype: 0x0806,
    build: (payload) =>
      join(
        [0, 1, 8, 0, 6, 4, ...be(operation, 2)],
        macBytes(DEFAULTS.sourceMac),
        ipv4Bytes(sender),
        new Uint8Array(6),
        ipv4Bytes(target),
        payload,
      ),
  };
}

export interface Ipv4Fields {
  from?: string;
  to?: string;
  ttl?: number;
  tos?: number;
  id?: number;
  /** Taken from the next layer when left out. */
  protocol?: number;
  /** Raw option bytes, padded to a multiple of 4 with end-of-list. */
  options?: Uint8Array | readonly number[];
  /** The version nibble. */
  version?: number;
  /** Header length in 32-bit words as written, whatever the options say. */
  ihl?: number;
  totalLength?: number;
  dontFragment?: boolean;
  moreFragments?: boolean;
  /** In bytes, a multiple of 8. */
  fragmentOffset?: number;
}

/** An IPv4 header (RFC 791) with a correct checksum. */
export function ipv4(fields: Ipv4Fields = {}): Layer {
  const source = ipv4Bytes(fields.from ?? DEFAULTS.source4);
  const destination = ipv4Bytes(fields.to ?? DEFAULTS.destination4);
  const options = padded(fields.options ?? [], 4);
  return {
    name: 'ipv4',
    ethertype: 0x0800,
    protocol: 4,
    pseudo: { family: 4, source, destination },
    build: (payload, { next }) => {
      const headerBytes = 20 + options.length;
      const flags = (fields.dontFragment === true ? 0x4000 : 0) | (fields.moreFragments === true ? 0x2000 : 0);
      const header = join(
        [((fields.version ?? 4) << 4) | (fields.ihl ?? headerBytes / 4), fields.tos ?? 0],
        be(fields.totalLength ?? headerBytes + payload.length, 2),
        be(fields.id ?? 0, 2),
        be(flags | ((fields.fragmentOffset ?? 0) / 8), 2),
        [fields.ttl ?? 64, fields.protocol ?? next?.protocol ?? 253, 0, 0],
        source,
        destination,
        options,
      );
      header.set(be(internetChecksum(header), 2), 10);
      return join(header, payload);
    },
  };
}

export interface Ipv6Fields {
  from?: string;
  to?: string;
  hopLimit?: number;
  /** Taken from the next layer when left out. */
  nextHeader?: number;
  version?: number;
  payloadLength?: number;
}

/** An IPv6 header (RFC 8200 §3). */
export function ipv6(fields: Ipv6Fields = {}): Layer {
  const source = ipv6Bytes(fields.from ?? DEFAULTS.source6);
  const destination = ipv6Bytes(fields.to ?? DEFAULTS.destination6);
  return {
    name: 'ipv6',
    ethertype: 0x86dd,
    protocol: 41,
    pseudo: { family: 6, source, destination },
    build: (payload, { next }) =>
      join(
        [(fields.version ?? 6) << 4, 0, 0, 0],
        be(fields.payloadLength ?? payload.length, 2),
        [fields.nextHeader ?? next?.protocol ?? NO_NEXT_HEADER, fields.hopLimit ?? 64],
        source,
        destination,
        payload,
      ),
  };
}

export interface ExtensionFields {
  /** Taken from the next layer when left out. */
  nextHeader?: number;
  /** The length field as written, whatever the body says. */
  length?: number;
  /** What follows the first two bytes, padded with Pad1 options (zeros). */
  body?: Uint8Array | readonly number[];
}

function extension(name: 'hop-by-hop' | 'destination-options' | 'mobility', fields: ExtensionFields): Layer {
  const body = padded([0, 0, ...(fields.body ?? [])], 8);
  return {
    name,
    protocol: HEADER_PROTOCOL[name],
    build: (payload, { next }) => {
      const header = Uint8Array.from(body);
      header[0] = fields.nextHeader ?? next?.protocol ?? NO_NEXT_HEADER;
      header[1] = fields.length ?? body.length / 8 - 1;
      return join(header, payload);
    },
  };
}

/** Hop-by-hop options (RFC 8200 §4.3): six bytes of padding unless told. */
export function hopByHop(fields: ExtensionFields = {}): Layer {
  return extension('hop-by-hop', fields);
}

/** Destination options (RFC 8200 §4.6). */
export function destinationOptions(fields: ExtensionFields = {}): Layer {
  return extension('destination-options', fields);
}

/** A mobility header (RFC 6275 §6.1). */
export function mobility(fields: ExtensionFields = {}): Layer {
  return extension('mobility', fields);
}

/** A routing header (RFC 8200 §4.4); type 2 unless told, type 0 is the forbidden one (RFC 5095). */
export function routing(fields: ExtensionFields & { type?: number; segmentsLeft?: number } = {}): Layer {
  const body = padded([0, 0, fields.type ?? 2, fields.segmentsLeft ?? 0, ...(fields.body ?? [])], 8);
  return {
    name: 'routing',
    protocol: HEADER_PROTOCOL.routing,
    build: (payload, { next }) => {
      const header = Uint8Array.from(body);
      header[0] = fields.nextHeader ?? next?.protocol ?? NO_NEXT_HEADER;
      header[1] = fields.length ?? body.length / 8 - 1;
      return join(header, payload);
    },
  };
}

/** A fragment header (RFC 8200 §4.5); `offset` in bytes, a multiple of 8. */
export function fragment(fields: { nextHeader?: number; offset?: number; more?: boolean; id?: number } = {}): Layer {
  const { offset = 0, more = false, id = 1 } = fields;
  return {
    name: 'fragment',
    protocol: HEADER_PROTOCOL.fragment,
    build: (payload, { next }) =>
      join(
        [fields.nextHeader ?? next?.protocol ?? NO_NEXT_HEADER, 0],
        be(offset | (more ? 1 : 0), 2),
        be(id, 4),
        payload,
      ),
  };
}

/** An authentication header (RFC 4302) with a 12-byte check value. */
export function authentication(fields: { nextHeader?: number; length?: number } = {}): Layer {
  return {
    name: 'ah',
    protocol: HEADER_PROTOCOL.ah,
    build: (payload, { next }) =>
      join(
        [fields.nextHeader ?? next?.protocol ?? NO_NEXT_HEADER, fields.length ?? 4, 0, 0],
        be(0x100, 4),
        be(1, 4),
        new Uint8Array(12),
        payload,
      ),
  };
}

function padded(bytes: Uint8Array | readonly number[], multiple: number): Uint8Array {
  const result = new Uint8Array(Math.ceil(bytes.length / multiple) * multiple);
  result.set(bytes);
  return result;
}
