/** The machinery of composed packets: what a layer is, addresses as bytes, the Internet checksum. */

/** What a transport checksum needs of the IP header around it (RFC 793 §3.1, RFC 8200 §8.1). */
export interface PseudoHeader {
  readonly family: 4 | 6;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

/** What a layer is told while the packet is built from the inside out. */
export interface BuildContext {
  /** The header behind this one, where there is one. */
  readonly next?: Layer;
  /** The nearest IP header outside. */
  readonly network?: PseudoHeader;
}

/** One header (or the payload) of a packet. */
export interface Layer {
  readonly name: string;
  /** How an Ethernet or VLAN header announces this layer. */
  readonly ethertype?: number;
  /** How an IP header announces this layer. */
  readonly protocol?: number;
  /** Set by IP headers. */
  readonly pseudo?: PseudoHeader;
  /** Layers that only change what is inside them announce the next one. */
  readonly transparent?: true;
  build(payload: Uint8Array, context: BuildContext): Uint8Array;
}

/** Builds layers from the inside out, without adding anything. */
export function buildLayers(layers: readonly Layer[]): Uint8Array {
  let payload: Uint8Array = new Uint8Array(0);
  for (let i = layers.length - 1; i >= 0; i--) {
    const next = layers.slice(i + 1).find((layer) => layer.transparent !== true);
    const network = layers.slice(0, i).findLast((layer) => layer.pseudo)?.pseudo;
    payload = layers[i].build(payload, { ...(next && { next }), ...(network && { network }) });
  }
  return payload;
}

/** Concatenates bytes. */
export function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** A number as `bytes` bytes, network order. */
export function be(value: number, bytes: 1 | 2 | 4): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * (bytes - 1 - i))) & 0xff);
}

/** `203.0.113.50` → 4 bytes. */
export function ipv4Bytes(text: string): Uint8Array {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) {
    throw new Error(`not an IPv4 address: "${text}"`);
  }
  return Uint8Array.from(parts);
}

/** `2001:db8::1` → 16 bytes (RFC 4291 §2.2, without an embedded IPv4 address). */
export function ipv6Bytes(text: string): Uint8Array {
  const [head, tail, ...more] = text.split('::');
  const groups = (part: string | undefined): number[] => (part ? part.split(':').map((g) => parseInt(g, 16)) : []);
  const left = groups(head);
  const right = groups(tail);
  const missing = 8 - left.length - right.length;
  const all = tail === undefined ? left : [...left, ...new Array<number>(Math.max(0, missing)).fill(0), ...right];
  if (more.length > 0 || all.length !== 8 || all.some((g) => !(g >= 0 && g <= 0xffff))) {
    throw new Error(`not an IPv6 address: "${text}"`);
  }
  return Uint8Array.from(all.flatMap((group) => be(group, 2)));
}

/** `02:00:00:00:00:01` → 6 bytes. */
export function macBytes(text: string): Uint8Array {
  const parts = text.split(':').map((part) => parseInt(part, 16));
  if (parts.length !== 6 || parts.some((part) => !(part >= 0 && part <= 255))) {
    throw new Error(`not a MAC address: "${text}"`);
  }
  return Uint8Array.from(parts);
}

/** The Internet checksum (RFC 1071). */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Checksum of a transport segment under its pseudo header; without one over the segment alone. */
export function transportChecksum(network: PseudoHeader | undefined, protocol: number, segment: Uint8Array): number {
  if (!network) return internetChecksum(segment);
  const { family, source, destination } = network;
  const tail = family === 4 ? [0, protocol, ...be(segment.length, 2)] : [...be(segment.length, 4), 0, 0, 0, protocol];
  return internetChecksum(join(source, destination, tail, segment));
}
