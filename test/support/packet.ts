/**
 * Packets by composition: a test names the fields that matter, everything else is a sensible default with correct
 * lengths and checksums.
 *
 *     compose(ipv4({ from: '78.168.1.2' }), tcp({ to: 14141 }))
 *     compose(vlan({ id: 5 }), ipv6(), hopByHop(), udp())
 *     compose(ipv4(), icmp({ type: 3, code: 4, quote: [ipv4({ from: '192.0.2.10' }), tcp()] }))
 *     compose(ipv4(), truncate(4), tcp())        // lengths agree with the four bytes that are left
 *     cut(compose(ipv4(), tcp()), 40)            // the frame simply ends
 */
import { decode } from '../../src/model/decode';
import { be, buildLayers, join, type Layer, macBytes } from './packet-layer';
import { DEFAULTS } from './packet-network';

export type { Layer } from './packet-layer';
export { be, internetChecksum, ipv4Bytes, ipv6Bytes, join, macBytes, transportChecksum } from './packet-layer';
export * from './packet-network';
export * from './packet-transport';

export interface EthernetFields {
  from?: string;
  to?: string;
  ethertype?: number;
  /** Pads the frame with zeros to this length, as a NIC does at 60. */
  padTo?: number;
}

/** An Ethernet header; `compose` puts one in front where the test names none. */
export function ethernet(fields: EthernetFields = {}): Layer {
  return {
    name: 'ethernet',
    build: (payload, { next }) => {
      const frame = join(
        macBytes(fields.to ?? DEFAULTS.destinationMac),
        macBytes(fields.from ?? DEFAULTS.sourceMac),
        be(fields.ethertype ?? next?.ethertype ?? 0xffff, 2),
        payload,
      );
      return join(frame, new Uint8Array(Math.max(0, (fields.padTo ?? 0) - frame.length)));
    },
  };
}

/** A VLAN tag: 802.1Q, or 802.1ad (`kind: 'ad'`) for the outer one of two. */
export function vlan(fields: { id?: number; kind?: 'q' | 'ad'; ethertype?: number } = {}): Layer {
  return {
    name: 'vlan',
    ethertype: fields.kind === 'ad' ? 0x88a8 : 0x8100,
    build: (payload, { next }) =>
      join(be(fields.id ?? 5, 2), be(fields.ethertype ?? next?.ethertype ?? 0xffff, 2), payload),
  };
}

/** Cuts everything inside it to `bytes`, while the headers outside still agree with what is left. */
export function truncate(bytes: number): Layer {
  return { name: 'truncate', transparent: true, build: (payload) => payload.subarray(0, bytes) };
}

/** Builds a frame from its layers, outermost first. */
export function compose(...layers: readonly Layer[]): Uint8Array {
  const whole = layers[0]?.name === 'ethernet' ? layers : [ethernet(), ...layers];
  return buildLayers(whole);
}

/** The first `bytes` bytes of a frame: lengths inside no longer agree. */
export function cut(frame: Uint8Array, bytes: number): Uint8Array {
  return frame.slice(0, bytes);
}

/** Bytes as hexadecimal digits, as `frameFromHex` and `xxd -r -p` read them. */
export function hexOf(frame: Uint8Array): string {
  return Buffer.from(frame).toString('hex');
}

export function frameFromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
}

/**
 * One frame for a failure message: what it is, and its bytes, so that the case can be made again with
 * `frameFromHex('…')`.
 */
export function describeFrame(frame: Uint8Array): string {
  return `${summary(frame)}, ${frame.length} bytes: ${hexOf(frame)}`;
}

function summary(frame: Uint8Array): string {
  const decoded = decode(frame);
  switch (decoded.kind) {
    case 'malformed':
      return `malformed (${decoded.reason})`;
    case 'non-ip':
      return `ethertype 0x${decoded.ethertype.toString(16).padStart(4, '0')}`;
    case 'ip': {
      const { family, source, destination, protocol, sourcePort, destinationPort, icmp, fragment } = decoded.packet;
      const text = (words: readonly number[]): string =>
        family === 4
          ? be(words[0], 4).join('.')
          : words.flatMap((word) => [word >>> 16, word & 0xffff].map((group) => group.toString(16))).join(':');
      const port = (value: number): string => (sourcePort === 0 ? '' : ` port ${value}`);
      const kind = icmp ? ` icmp ${icmp.type}/${icmp.code}` : '';
      const part = fragment === 'none' ? '' : ` (${fragment} fragment)`;
      return `ipv${family} protocol ${protocol}${kind} from ${text(source)}${port(sourcePort)} to ${text(destination)}${port(destinationPort)}${part}`;
    }
  }
}
