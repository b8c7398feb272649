/** Generators of matches and packets from a small universe, so that overlaps and corners are common. */
import * as fc from 'fast-check';
import type { Match, PortMatch } from '../../src/model/match';
import type { FlowKey } from '../../src/model/packet';
import type { Prefix } from '../../src/model/prefix';
import { PORT_PROTOCOLS } from '../../src/model/protocol';
import { prefix } from './findings';

const PREFIXES = [
  '0.0.0.0/0',
  '0.0.0.0/1',
  '128.0.0.0/1',
  '10.0.0.0/8',
  '10.0.0.0/9',
  '10.128.0.0/9',
  '10.0.0.1/32',
  '255.255.255.255/32',
  '::/0',
  '::/1',
  '8000::/1',
  '2001:db8::/32',
  '2001:db8::/33',
  '2001:db8:8000::/33',
  '2001:db8::1/128',
  'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128',
].map(prefix);
const ADDRESSES = {
  4: [
    '0.0.0.0',
    '9.255.255.255',
    '10.0.0.0',
    '10.0.0.1',
    '10.128.0.0',
    '127.255.255.255',
    '128.0.0.0',
    '255.255.255.255',
  ],
  6: [
    '::',
    '2001:db8::',
    '2001:db8::1',
    '2001:db8:8000::',
    '2001:db9::',
    '8000::',
    'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  ],
} as const;
const PORTS = [1, 2, 21, 22, 23, 1023, 1024, 65534, 65535];
const PROTOCOLS = [0, 1, 6, 17, 47, 58, 132, 255];
const ICMP = [0, 3, 8, 128, 255];

const anyOr = <T>(list: fc.Arbitrary<T>): fc.Arbitrary<T | 'any'> =>
  fc.oneof({ arbitrary: fc.constant('any' as const), weight: 2 }, { arbitrary: list, weight: 3 });

const addresses = anyOr(fc.array(fc.constantFrom<Prefix>(...PREFIXES), { maxLength: 3 }));
const ports: fc.Arbitrary<PortMatch> = anyOr(
  fc.array(
    fc
      .tuple(fc.constantFrom(...PORTS), fc.constantFrom(...PORTS))
      .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
    { maxLength: 2 },
  ),
);

/** Any match, also such as parse would refuse (ICMP types beside ports, empty lists). */
export const anyMatch: fc.Arbitrary<Match> = fc.record({
  family: fc.constantFrom<Match['family']>('any', 'any', 4, 6),
  protocols: anyOr(
    fc.uniqueArray(fc.constantFrom(...PROTOCOLS), { maxLength: 3 }).map((list) => list.sort((a, b) => a - b)),
  ),
  from: addresses,
  to: addresses,
  fromPorts: fc.oneof({ arbitrary: fc.constant('any' as const), weight: 3 }, { arbitrary: ports, weight: 1 }),
  toPorts: ports,
  icmpTypes: fc.oneof(
    { arbitrary: fc.constant('any' as const), weight: 4 },
    {
      arbitrary: fc.array(
        fc.oneof(
          fc.record({ type: fc.constantFrom(...ICMP) }),
          fc.record({ type: fc.constantFrom(...ICMP), code: fc.constantFrom(0, 1, 255) }),
        ),
        { maxLength: 3 },
      ),
      weight: 1,
    },
  ),
});

/** Any packet a filter can meet at the corners of those matches. */
export const anyKey: fc.Arbitrary<FlowKey> = fc.constantFrom<4 | 6>(4, 6).chain((family) =>
  fc
    .record({
      source: fc.constantFrom<string>(...ADDRESSES[family]),
      destination: fc.constantFrom<string>(...ADDRESSES[family]),
      protocol: fc.constantFrom(...PROTOCOLS),
      sourcePort: fc.constantFrom(...PORTS),
      destinationPort: fc.constantFrom(...PORTS),
      type: fc.constantFrom(...ICMP, 1, 254),
      code: fc.constantFrom(0, 1, 2, 255),
    })
    .map(({ source, destination, protocol, sourcePort, destinationPort, type, code }) => {
      const ported = PORT_PROTOCOLS.has(protocol);
      return {
        family,
        source: prefix(source).words,
        destination: prefix(destination).words,
        protocol,
        sourcePort: ported ? sourcePort : 0,
        destinationPort: ported ? destinationPort : 0,
        ...(protocol === (family === 4 ? 1 : 58) && { icmp: { type, code } }),
      };
    }),
);

/** The match that only this packet fulfils. */
export function matchOf(key: FlowKey): Match {
  const host = (words: Prefix['words']): Prefix => ({ family: key.family, words, length: key.family === 4 ? 32 : 128 });
  const port = (number: number): PortMatch => [{ first: number, last: number }];
  const ported = PORT_PROTOCOLS.has(key.protocol);
  return {
    family: key.family,
    protocols: [key.protocol],
    from: [host(key.source)],
    to: [host(key.destination)],
    fromPorts: ported ? port(key.sourcePort) : 'any',
    toPorts: ported ? port(key.destinationPort) : 'any',
    icmpTypes: key.icmp ? [key.icmp] : 'any',
  };
}
