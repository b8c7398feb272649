/** What tests of rejected packets compose: questions, and the answers that must come back to them. */
import type { Family } from '../../src/model/prefix';
import * as p from './packet';

const { source4, destination4, source6, destination6, sourceMac, destinationMac } = p.DEFAULTS;

/** The link's header of an answer. */
export const BACK_LINK = p.ethernet({ from: destinationMac, to: sourceMac });
/** The IP header of an answer. */
export const BACK = {
  4: () => p.ipv4({ from: destination4, to: source4, dontFragment: true }),
  6: () => p.ipv6({ from: destination6, to: source6 }),
} as const;
/** That of the question. */
export const FORTH = { 4: () => p.ipv4(), 6: () => p.ipv6() } as const;

const SEQUENCE = 0x89abcdef;
/** TCP questions: what each is, its fields, bytes of data, and the fields of its RST. */
export const RESETS: readonly (readonly [string, p.TcpFields, number, p.TcpFields])[] = [
  ['a SYN', { flags: ['syn'], sequence: SEQUENCE }, 0, { flags: ['rst', 'ack'], acknowledgement: SEQUENCE + 1 }],
  [
    'a SYN with options',
    { sequence: 7, options: new Uint8Array(20) },
    0,
    { flags: ['rst', 'ack'], acknowledgement: 8 },
  ],
  ['a SYN with data', { sequence: 7 }, 33, { flags: ['rst', 'ack'], acknowledgement: 41 }],
  ['an ACK', { flags: ['ack'], sequence: 9, acknowledgement: SEQUENCE }, 0, { flags: ['rst'], sequence: SEQUENCE }],
  ['data', { flags: ['ack', 'psh'], acknowledgement: 77 }, 1400, { flags: ['rst'], sequence: 77 }],
  ['a SYN-ACK', { flags: ['syn', 'ack'], acknowledgement: 5 }, 0, { flags: ['rst'], sequence: 5 }],
  ['a FIN alone', { flags: ['fin'], sequence: 0xffffffff }, 2, { flags: ['rst', 'ack'], acknowledgement: 2 }],
  ['no flags', { flags: [], sequence: 3 }, 4, { flags: ['rst', 'ack'], acknowledgement: 7 }],
];

/** A RST from the port that was asked. */
export function reset(fields: p.TcpFields, from = 14141): p.Layer {
  return p.tcp({ from, to: 40000, window: 0, ...fields });
}

/** "Port unreachable" or "administratively prohibited" about a packet. */
export function unreachable(family: Family, quote: Uint8Array, code: 'port' | 'prohibited'): p.Layer {
  return family === 4
    ? p.icmp({ type: 3, code: code === 'port' ? 3 : 13, body: quote })
    : p.icmpv6({ type: 1, code: code === 'port' ? 4 : 1, body: quote });
}

/** Layers as the bytes from the IP header on, as far as they are quoted. */
export function quoted(layers: readonly p.Layer[]): Uint8Array {
  return p.compose(...layers.filter(({ name }) => name !== 'vlan' && name !== 'ethernet')).subarray(14, 14 + 128);
}
