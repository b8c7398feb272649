/**
 * Sets of packets as unions of cubes. A cube is a product of one interval set per dimension, so that a list of
 * 10,000 prefixes is one cube, not 10,000 boxes. Numbers in a cube are those of a `Space` (addresses are ranks
 * of its axes); cubes of different spaces never mix.
 */
import type { Family } from '../model/prefix';
import { areDisjoint, intersectSets, type IntervalSet, isSubset, subtractSets } from './interval-set';

/**
 * The dimensions, the most selective first. The two lanes are ports for protocols that carry them; for ICMP the
 * destination lane is the type and the source lane the code; every other protocol always has both lanes full.
 */
export const DIMENSION = { SOURCE: 0, DESTINATION: 1, DESTINATION_LANE: 2, SOURCE_LANE: 3, PROTOCOL: 4 } as const;
export const DIMENSIONS = 5;

/** Packets of one family: `sets[d]` is what dimension `d` may be. No set is empty. */
export interface Cube {
  readonly family: Family;
  readonly sets: readonly IntervalSet[];
}

/** A union of cubes; they may overlap unless something else is said. */
export type Region = readonly Cube[];

/** Whether the cubes share no packet. */
export function cubesAreDisjoint(a: Cube, b: Cube): boolean {
  if (a.family !== b.family) return true;
  for (let d = 0; d < DIMENSIONS; d++) if (areDisjoint(a.sets[d], b.sets[d])) return true;
  return false;
}

/** Whether every packet of `inner` is in `outer`. */
export function cubeCovers(outer: Cube, inner: Cube): boolean {
  return outer.family === inner.family && inner.sets.every((set, d) => isSubset(set, outer.sets[d]));
}

/** The packets of both cubes, or null where there are none. */
export function intersectCubes(a: Cube, b: Cube): Cube | null {
  if (cubesAreDisjoint(a, b)) return null;
  return { family: a.family, sets: a.sets.map((set, d) => intersectSets(set, b.sets[d])) };
}

/** The packets of `a` that are not in `b`, as disjoint cubes; `[a]` itself where the two share nothing. */
export function subtractCube(a: Cube, b: Cube): Cube[] {
  if (cubesAreDisjoint(a, b)) return [a];
  const pieces: Cube[] = [];
  let rest = a;
  for (let d = 0; d < DIMENSIONS; d++) {
    const outside = subtractSets(rest.sets[d], b.sets[d]);
    if (outside.length === 0) continue;
    pieces.push(withSet(rest, d, outside));
    rest = withSet(rest, d, intersectSets(rest.sets[d], b.sets[d]));
  }
  return pieces;
}

/** A copy of the cube with one dimension exchanged. */
export function withSet(cube: Cube, dimension: number, set: IntervalSet): Cube {
  const sets = cube.sets.slice();
  sets[dimension] = set;
  return { family: cube.family, sets };
}

/** The packets of both regions. */
export function intersectRegions(a: Region, b: Region): Cube[] {
  return a.flatMap((left) => b.map((right) => intersectCubes(left, right)).filter((cube) => cube !== null));
}

/**
 * The packets of `a` that are not in `b`, or null where more than `limit` pieces would be needed. Pieces of
 * disjoint cubes are disjoint.
 */
export function subtractRegion(a: Region, b: Region, limit: number): Cube[] | null {
  let pieces: Cube[] = [...a];
  for (const cube of b) {
    pieces = pieces.flatMap((piece) => subtractCube(piece, cube));
    if (pieces.length > limit) return null;
  }
  return pieces;
}

/** What a comparison with the cube costs, 1 for a short one: it grows with the number of intervals. */
export function weightOf({ sets }: Cube): number {
  let length = 0;
  for (const set of sets) length += set.length;
  return Math.ceil(length / (4 * DIMENSIONS));
}
