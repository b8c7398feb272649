/** Transport headers of composed packets: TCP, UDP, SCTP, ICMP for both families, raw payload. */
import { be, buildLayers, ipv6Bytes, join, type Layer, transportChecksum } from './packet-layer';
import { DEFAULTS } from './packet-network';

const FLAG_BITS = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const;
export type TcpFlag = keyof typeof FLAG_BITS;

export interface TcpFields {
  /** Source port. */
  from?: number;
  /** Destination port. */
  to?: number;
  flags?: readonly TcpFlag[];
  sequence?: number;
  acknowledgement?: number;
  window?: number;
  /** Raw option bytes, padded to a multiple of 4. */
  options?: Uint8Array | readonly number[];
  /** Data offset in 32-bit words as written, whatever the options say. */
  dataOffset?: number;
  checksum?: number;
}

/** A TCP header (RFC 9293 §3.1); a SYN unless told. */
export function tcp(fields: TcpFields = {}): Layer {
  const options = new Uint8Array(Math.ceil((fields.options?.length ?? 0) / 4) * 4);
  options.set(fields.options ?? []);
  const bits = (fields.flags ?? ['syn']).reduce((sum, flag) => sum | FLAG_BITS[flag], 0);
  return {
    name: 'tcp',
    protocol: 6,
    build: (payload, { network }) => {
      const segment = join(
        be(fields.from ?? DEFAULTS.sourcePort, 2),
        be(fields.to ?? DEFAULTS.destinationPort, 2),
        be(fields.sequence ?? 0, 4),
        be(fields.acknowledgement ?? 0, 4),
        [(fields.dataOffset ?? 5 + options.length / 4) << 4, bits],
        be(fields.window ?? 64240, 2),
        [0, 0, 0, 0],
        options,
        payload,
      );
      segment.set(be(fields.checksum ?? transportChecksum(network, 6, segment), 2), 16);
      return segment;
    },
  };
}

export interface UdpFields {
  from?: number;
  to?: number;
  /** The length field as written. */
  length?: number;
  checksum?: number;
}

/** A UDP header (RFC 768). */
export function udp(fields: UdpFields = {}): Layer {
  return {
    name: 'udp',
    protocol: 17,
    build: (payload, { network }) => {
      const segment = join(
        be(fields.from ?? DEFAULTS.sourcePort, 2),
        be(fields.to ?? DEFAULTS.destinationPort, 2),
        be(fields.length ?? 8 + payload.length, 2),
        [0, 0],
        payload,
      );
      // A computed 0 is sent as all ones: 0 means "no checksum".
      segment.set(be(fields.checksum ?? (transportChecksum(network, 17, segment) || 0xffff), 2), 6);
      return segment;
    },
  };
}

/** An SCTP common header (RFC 9260 §3.1) with a zero checksum (its CRC32c is nobody's business here). */
export function sctp(fields: { from?: number; to?: number } = {}): Layer {
  return {
    name: 'sctp',
    protocol: 132,
    build: (payload) =>
      join(
        be(fields.from ?? DEFAULTS.sourcePort, 2),
        be(fields.to ?? DEFAULTS.destinationPort, 2),
        [0, 0, 0, 1, 0, 0, 0, 0],
        payload,
      ),
  };
}

export interface IcmpFields {
  type?: number;
  code?: number;
  /** Bytes 4–7: identifier and sequence of an echo, MTU of a "too big", else zero. */
  rest?: number;
  /** The IP packet an error quotes, from its IP header on. */
  quote?: readonly Layer[];
  /** How many bytes of the quoted packet are kept. */
  quoteBytes?: number;
  body?: Uint8Array | readonly number[];
}

/** An ICMP message for IPv4 (RFC 792); an echo-request unless told. */
export function icmp(fields: IcmpFields = {}): Layer {
  return {
    name: 'icmp',
    protocol: 1,
    build: (payload) =>
      checked(icmpMessage(fields, fields.type ?? 8, payload), (m) => transportChecksum(undefined, 1, m)),
  };
}

/** An ICMPv6 message (RFC 4443); an echo-request unless told. */
export function icmpv6(fields: IcmpFields = {}): Layer {
  return {
    name: 'icmpv6',
    protocol: 58,
    build: (payload, { network }) =>
      checked(icmpMessage(fields, fields.type ?? 128, payload), (m) => transportChecksum(network, 58, m)),
  };
}

/** Neighbour solicitation (135) or advertisement (136), RFC 4861 §4.3; give the IPv6 header hop limit 255. */
export function neighbour(fields: { type?: 135 | 136; target?: string } = {}): Layer {
  return icmpv6({ type: fields.type ?? 135, body: ipv6Bytes(fields.target ?? DEFAULTS.destination6) });
}

/** Router solicitation (133) or advertisement (134), RFC 4861 §4.1–4.2. */
export function router(fields: { type?: 133 | 134 } = {}): Layer {
  return icmpv6({ type: fields.type ?? 133, body: fields.type === 134 ? new Uint8Array(8) : [] });
}

/** Multicast listener discovery: 130 query, 131 report, 132 done (RFC 2710), 143 report (RFC 3810). */
export function multicastListener(fields: { type?: 130 | 131 | 132 | 143; group?: string } = {}): Layer {
  const type = fields.type ?? 143;
  const group = ipv6Bytes(fields.group ?? 'ff02::16');
  return icmpv6(type === 143 ? { type, rest: 1, body: join([4, 0, 0, 0], group) } : { type, body: group });
}

/** Payload bytes; announced as `protocol` where the header before it asks. */
export function raw(bytes: Uint8Array | readonly number[] | string, protocol?: number): Layer {
  const content = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : Uint8Array.from(bytes);
  return { name: 'raw', ...(protocol !== undefined && { protocol }), build: (payload) => join(content, payload) };
}

function icmpMessage(fields: IcmpFields, type: number, payload: Uint8Array): Uint8Array {
  const quoted = fields.quote ? buildLayers(fields.quote).subarray(0, fields.quoteBytes) : [];
  return join([type, fields.code ?? 0, 0, 0], be(fields.rest ?? 0, 4), quoted, fields.body ?? [], payload);
}

function checked(message: Uint8Array, sum: (message: Uint8Array) => number): Uint8Array {
  message.set(be(sum(message), 2), 2);
  return message;
}
