/** What servers own, asked by address, is what the algebra of regions says. */
import * as fc from 'fast-check';
import { intersectRegions, subtractRegion } from '../../src/analyse/cube';
import { Space } from '../../src/analyse/space';
import { Territories } from '../../src/analyse/territories';
import { ANY, type Match, MATCH_ALL } from '../../src/model/match';
import type { PortRange } from '../../src/model/port-range';
import { maskWord, type Prefix } from '../../src/model/prefix';
import type { Server } from '../../src/model/ruleset';
import { territoryOf } from '../../src/model/server';
import { normalizeRanges } from '../../src/parse/port';
import { findOverlaps } from '../../src/parse/server-overlap';

type Place = Pick<Server, 'addresses' | 'ports'>;

/** Few addresses at the borders of both families, so that prefixes nest, touch and tile one another. */
const anyPrefix: fc.Arbitrary<Prefix> = fc
  .tuple(fc.constantFrom(4, 6), fc.constantFrom(0, 0xfffffff0), fc.nat(15), fc.constantFrom(28, 29, 30, 31, 32))
  .map(([family, base, host, length]): Prefix => {
    const word = ((base | host) & maskWord(length, 0)) >>> 0;
    return family === 4
      ? { family: 4, words: [word], length }
      : { family: 6, words: [base, base, base, word], length: 96 + length };
  });
const anyRange: fc.Arbitrary<PortRange> = fc
  .tuple(fc.constantFrom(1, 2, 100, 65534, 65535), fc.constantFrom(1, 2, 99, 65534, 65535))
  .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const anyRanges = fc.array(anyRange, { minLength: 1, maxLength: 2 }).map(normalizeRanges);
const anyServers: fc.Arbitrary<Place[]> = fc
  .array(
    fc
      .tuple(fc.array(anyPrefix, { minLength: 1, maxLength: 4 }), fc.option(anyRanges, { freq: 1 }))
      .map(([addresses, ports]): Place => (ports ? { addresses, ports } : { addresses })),
    { minLength: 1, maxLength: 8 },
  )
  .map((servers) => servers.reduce<Place[]>((own, next) => (apart([...own, next]) ? [...own, next] : own), []))
  .filter((servers) => servers.length > 0);
const anyAsked: fc.Arbitrary<Match> = fc
  .tuple(
    fc.array(anyPrefix, { minLength: 1, maxLength: 3 }),
    fc.option(anyRanges),
    fc.constantFrom<Match['protocols']>(ANY, [6], [17], [6, 17], [1], [6, 132]),
  )
  .map(([to, ports, protocols]) => ({ ...MATCH_ALL, to, protocols, ...(ports && { toPorts: ports }) }));

function apart(servers: readonly Place[]): boolean {
  return findOverlaps(servers).length === 0;
}

/** The definition: nothing of the region is left where everything owned is taken out of it. */
function ownersByAlgebra(servers: readonly Place[], match: Match): number[] | null {
  const space = new Space([match, ...servers.map(territoryOf)]);
  const region = space.regionOf(match);
  const owned = servers.map((server) => space.regionOf(territoryOf(server)));
  const owners = owned.flatMap((its, i) => (intersectRegions(region, its).length > 0 ? [i] : []));
  return owners.length > 0 && subtractRegion(region, owned.flat(), Infinity)!.length === 0 ? owners : null;
}

function ownersByAddress(servers: readonly Place[], match: Match): number[] | null {
  return new Territories(servers).ownersOf(new Space([match]).regionOf(match), match.to as readonly Prefix[]);
}

test('who owns all packets of a row', () => {
  fc.assert(
    fc.property(anyServers, anyAsked, (servers, match) => {
      expect(ownersByAddress(servers, match)).toEqual(ownersByAlgebra(servers, match));
    }),
    { numRuns: 2000 },
  );
});

test('a row that servers own between them, of which none does alone', () => {
  fc.assert(
    fc.property(anyServers, fc.option(anyRanges), (servers, ports) => {
      // What is asked is made of what is owned: nearly always there is an answer.
      const to = servers.flatMap(({ addresses }) => addresses);
      const match: Match = { ...MATCH_ALL, to, protocols: [6], ...(ports && { toPorts: ports }) };
      expect(ownersByAddress(servers, match)).toEqual(ownersByAlgebra(servers, match));
      const own: Match = { ...territoryOf(servers[0]), to: servers[0].addresses };
      expect(ownersByAddress(servers, own)).toContain(0);
    }),
    { numRuns: 1000 },
  );
});
