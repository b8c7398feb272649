import * as fc from 'fast-check';
import { Budget } from '../../src/analyse/budget';
import { findCover } from '../../src/analyse/cover';
import {
  type Cube,
  cubesAreDisjoint,
  DIMENSION,
  intersectRegions,
  subtractRegion,
  withSet,
} from '../../src/analyse/cube';
import { CubeTable } from '../../src/analyse/cube-table';
import { contains, intersectSets, isSubset, areDisjoint, subtractSets, unionOf } from '../../src/analyse/interval-set';
import { Space } from '../../src/analyse/space';
import { matches } from '../../src/model/match-packet';
import type { Match } from '../../src/model/match';
import { MATCH_ALL } from '../../src/model/match';
import type { FlowKey } from '../../src/model/packet';
import { anyKey, anyMatch, matchOf } from '../support/any-match';

const runs = { numRuns: 3000 };
const someSet = fc
  .array(fc.tuple(fc.nat(12), fc.nat(4)), { maxLength: 5 })
  .map((list) => unionOf(list.map(([lo, length]) => [lo, lo + length] as const)));
const UNIVERSE = Array.from({ length: 18 }, (_, i) => i);

/** Whether the packet lies in the region, asked by algebra: its own region is one point. */
function holds(space: Space, region: readonly Cube[], key: FlowKey): boolean {
  const point = space.regionOf(matchOf(key));
  return region.some((cube) => point.some((one) => !cubesAreDisjoint(cube, one)));
}

describe('interval sets', () => {
  test('union, intersection, difference, subset and disjointness agree with sets of numbers', () => {
    fc.assert(
      fc.property(someSet, someSet, (a, b) => {
        const [inA, inB] = [a, b].map((set) => UNIVERSE.filter((x) => contains(set, x)));
        expect(UNIVERSE.filter((x) => contains(intersectSets(a, b), x))).toEqual(inA.filter((x) => inB.includes(x)));
        expect(UNIVERSE.filter((x) => contains(subtractSets(a, b), x))).toEqual(inA.filter((x) => !inB.includes(x)));
        expect(isSubset(a, b)).toBe(inA.every((x) => inB.includes(x)));
        expect(areDisjoint(a, b)).toBe(!inA.some((x) => inB.includes(x)));
        expect(subtractSets(a, subtractSets(a, b))).toEqual(intersectSets(a, b));
      }),
      runs,
    );
  });
});

describe('regions of matches', () => {
  test('hold exactly the packets that the scan matches', () => {
    fc.assert(
      fc.property(anyMatch, anyKey, (match, key) => {
        const space = new Space([match, matchOf(key)]);
        expect(holds(space, space.regionOf(match), key)).toBe(matches(match, key));
      }),
      { numRuns: 20_000 },
    );
  });

  test('intersection and difference agree with the scan', () => {
    fc.assert(
      fc.property(anyMatch, anyMatch, fc.array(anyKey, { minLength: 10, maxLength: 10 }), (a, b, keys) => {
        const space = new Space([a, b, ...keys.map(matchOf)]);
        const [left, right] = [a, b].map((match) => space.regionOf(match));
        const both = intersectRegions(left, right);
        const only = subtractRegion(left, right, 1000)!;
        for (const key of keys) {
          expect(holds(space, both, key)).toBe(matches(a, key) && matches(b, key));
          expect(holds(space, only, key)).toBe(matches(a, key) && !matches(b, key));
        }
      }),
      runs,
    );
  });

  test('what is left over of one cube are disjoint pieces', () => {
    fc.assert(
      fc.property(anyMatch, anyMatch, (a, b) => {
        const space = new Space([a, b]);
        for (const cube of space.regionOf(a)) {
          const pieces = subtractRegion([cube], space.regionOf(b), 1000)!;
          pieces.forEach((piece, i) => {
            for (const other of pieces.slice(i + 1)) expect(cubesAreDisjoint(piece, other)).toBe(true);
          });
        }
      }),
      runs,
    );
  });

  test('an example is a packet that exists, wherever the difference lies', () => {
    const all = MATCH_ALL;
    const odd: Match = { ...MATCH_ALL, protocols: [6, 17], toPorts: [{ first: 1, last: 65534 }] };
    const space = new Space([all, odd]);
    for (const piece of subtractRegion(space.regionOf(all), space.regionOf(odd), 1000)!) {
      for (const protocol of [1, 6, 58].filter((number) => contains(piece.sets[DIMENSION.PROTOCOL], number))) {
        const { icmp, destinationPort } = space.exampleOf(withSet(piece, DIMENSION.PROTOCOL, [protocol, protocol + 1]));
        expect(icmp?.type ?? 0).toBeLessThanOrEqual(255);
        expect(icmp?.code ?? 0).toBeLessThanOrEqual(255);
        if (protocol === 6) expect(destinationPort).toBe(65535);
      }
    }
  });

  test('an example of what is left over is matched by the one and not by the other', () => {
    fc.assert(
      fc.property(anyMatch, anyMatch, (a, b) => {
        const space = new Space([a, b]);
        for (const piece of subtractRegion(space.regionOf(a), space.regionOf(b), 1000)!) {
          const key = space.exampleOf(piece);
          expect(matches(a, key)).toBe(true);
          expect(matches(b, key)).toBe(false);
        }
      }),
      runs,
    );
  });

  test('everything minus a match and the match itself make everything again', () => {
    fc.assert(
      fc.property(anyMatch, anyKey, (match, key) => {
        const space = new Space([MATCH_ALL, match, matchOf(key)]);
        const rest = subtractRegion(space.regionOf(MATCH_ALL), space.regionOf(match), 1000)!;
        expect(holds(space, rest, key)).toBe(!matches(match, key));
      }),
      runs,
    );
  });
});

describe('coverage by a union', () => {
  const table = (space: Space, list: readonly Match[]): CubeTable =>
    CubeTable.of(list.map((match) => space.regionOf(match)));

  test('agrees with taking the candidates away one by one, and its witness is real', () => {
    fc.assert(
      fc.property(anyMatch, fc.array(anyMatch, { maxLength: 6 }), (match, list) => {
        const space = new Space([match, ...list]);
        const region = space.regionOf(match);
        const left = list.reduce<Cube[]>((rest, next) => subtractRegion(rest, space.regionOf(next), 1e6)!, [...region]);
        const cover = findCover(region, table(space, list).entries, new Budget(1e5, 1e6));
        expect(cover.answer).toBe(left.length === 0 ? 'covered' : 'open');
        if (cover.answer === 'open') {
          const key = space.exampleOf(cover.witness);
          expect(matches(match, key)).toBe(true);
          expect(list.filter((other) => matches(other, key))).toEqual([]);
        }
      }),
      runs,
    );
  });

  test('a budget that is too small gives the third answer, never a wrong one', () => {
    fc.assert(
      fc.property(anyMatch, fc.array(anyMatch, { maxLength: 6 }), fc.nat(12), (match, list, steps) => {
        const space = new Space([match, ...list]);
        const region = space.regionOf(match);
        const { entries } = table(space, list);
        const small = findCover(region, entries, new Budget(3, steps)).answer;
        if (small !== 'not-proven') expect(small).toBe(findCover(region, entries, new Budget(1e5, 1e6)).answer);
      }),
      runs,
    );
  });
});
