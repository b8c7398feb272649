/** Who reaches a listener, against the scan: every source at a corner, by every source port at a corner. */
import * as fc from 'fast-check';
import { type Door, ReachMap } from '../../src/analyse/reach';
import type { Sources } from '../../src/analyse/space';
import { evaluatePacket } from '../../src/model/evaluate';
import { TCP_FLAG } from '../../src/model/flow';
import { NO_STATE } from '../../src/model/given-state';
import { evaluateOutgoingPacket } from '../../src/model/outbound';
import { type FlowKey, mirror } from '../../src/model/packet';
import {
  type AddressWords,
  addressBits,
  clearHostBits,
  type Family,
  lastAddress,
  type Prefix,
  prefixContains,
} from '../../src/model/prefix';
import type { Ruleset } from '../../src/model/ruleset';
import { anyKey } from '../support/any-match';
import { anyRuleset } from '../support/any-ruleset';
import { prefix } from '../support/findings';

const someBans = fc.subarray(['10.0.0.1', '128.0.0.0/1', '2001:db8::/33', '8000::/1', '::/0'].map(prefix), {
  maxLength: 2,
});
const someDoors = fc.array(
  fc
    .tuple(
      anyKey,
      anyKey,
      fc.constantFrom('tcp' as const, 'udp' as const),
      fc.constantFrom(1, 22, 68, 546, 1024, 65535),
      fc.constantFrom(0, 0, 1),
    )
    .map(([one, two, protocol, port, bits]): Door => ({
      family: one.family,
      protocol,
      port,
      addresses: (two.family === one.family ? [one, two] : [one]).map(({ family, destination }) =>
        smallNetwork(family, destination, bits),
      ),
    })),
  { minLength: 1, maxLength: 3 },
);

/** The network of so many last bits around an address: all of its addresses can be tried. */
const smallNetwork = (family: Family, words: AddressWords, bits: number): Prefix =>
  clearHostBits({ family, words, length: addressBits(family) - bits });
const addressesOf = (network: Prefix): AddressWords[] =>
  network.length === addressBits(network.family) ? [network.words] : [network.words, lastAddress(network)];

const SOURCE_PORTS = [1, 2, 3, 20, 21, 22, 23, 24, 66, 67, 68, 547, 1022, 1023, 1024, 1025, 65533, 65534, 65535];

/** Whether a first packet gets in, and of TCP its answer out. */
function getsThrough(set: Ruleset, bans: readonly Prefix[], key: FlowKey): boolean {
  const plain = { hopLimit: 64, fragment: 'none' } as const;
  const state = { ...NO_STATE, bans };
  if (evaluatePacket(set, { ...key, ...plain, tcpFlags: TCP_FLAG.SYN }, state).verdict !== 'allow') return false;
  if (key.protocol !== 6) return true;
  const answer = { ...mirror(key), ...plain, tcpFlags: TCP_FLAG.SYN | TCP_FLAG.ACK };
  return evaluateOutgoingPacket(set, answer, state).verdict === 'allow';
}

const holds = ({ everyoneBut, prefixes }: Sources, words: AddressWords): boolean =>
  prefixes.some((one) => prefixContains(one, words)) !== everyoneBut;

test('is exactly who gets through, from every port or from some', () => {
  let [some, all, none, partly] = [0, 0, 0, 0];
  fc.assert(
    fc.property(
      anyRuleset,
      someBans,
      someDoors,
      fc.array(anyKey, { minLength: 8, maxLength: 8 }),
      (set, bans, doors, keys) => {
        const map = new ReachMap(set, doors, bans);
        for (const door of doors) {
          const { family, port } = door;
          const reach = map.of(door)!;
          const corners = [reach.sources, reach.partly, reach.limited]
            .flatMap(({ prefixes }) => prefixes)
            .flatMap((one) => [one.words, lastAddress(one)]);
          const sources = [
            ...corners,
            ...keys.filter((key) => key.family === family).map(({ source }) => source),
          ].slice(0, 24);
          for (const source of sources) {
            const tries = door.addresses.flatMap(addressesOf).flatMap((destination) =>
              SOURCE_PORTS.map((sourcePort) =>
                getsThrough(set, bans, {
                  family,
                  source,
                  destination,
                  protocol: door.protocol === 'tcp' ? 6 : 17,
                  sourcePort,
                  destinationPort: port,
                }),
              ),
            );
            const [any, every] = [tries.some(Boolean), tries.every(Boolean)];
            expect([holds(reach.sources, source), holds(reach.partly, source)]).toEqual([any, any && !every]);
            some += Number(any);
            all += Number(every);
            none += Number(!any);
            partly += Number(any && !every);
          }
          for (const list of [reach.sources, reach.partly, reach.limited]) {
            expect(list.prefixes.every((one) => one.family === family && one.length <= addressBits(family))).toBe(true);
          }
        }
      },
    ),
    { numRuns: 400 },
  );
  // The samples are of all kinds.
  expect(Math.min(some, all, none, partly)).toBeGreaterThan(50);
});
