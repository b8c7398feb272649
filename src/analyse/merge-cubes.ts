/** Regions with as few cubes as a reader can be given. */
import { type Cube, DIMENSION, type Region, withSet } from './cube';
import { contains, interval, type IntervalSet, intersectSets, sizeOf, subtractSets, unionSets } from './interval-set';
import { icmpOf } from '../model/protocol';
import { LANE, WITH_PORTS } from './space';

/** The same packets in fewer cubes: those that differ in one dimension become one. The cubes given are disjoint. */
export function mergeCubes(region: Region): Cube[] {
  let cubes = region.flatMap(byLanes);
  const dimensions = [
    ...[DIMENSION.SOURCE_LANE, DIMENSION.DESTINATION_LANE],
    ...[DIMENSION.DESTINATION, DIMENSION.SOURCE],
  ];
  for (let before = Infinity; cubes.length < before;) {
    before = cubes.length;
    for (const d of dimensions) cubes = mergedIn(cubes, d);
  }
  // Types are no ports: what looks the same is the same only where neither matters.
  return mergedIn(cubes, DIMENSION.PROTOCOL, ({ family, sets }) =>
    isIcmp({ family, sets }) && !hasFullLanes(sets) ? 'icmp' : '',
  );
}

const LANES = [DIMENSION.DESTINATION_LANE, DIMENSION.SOURCE_LANE] as const;

/**
 * Each protocol that has lanes for itself, and the others together: those lie anywhere in both lanes, with one fate, so
 * that what is at 0 stands for all of it.
 */
function byLanes(cube: Cube): Cube[] {
  const protocols = cube.sets[DIMENSION.PROTOCOL];
  const withLanes = unionSets(WITH_PORTS, interval(icmpOf(cube.family), icmpOf(cube.family) + 1));
  const [some, others] = [intersectSets(protocols, withLanes), subtractSets(protocols, withLanes)];
  const each: Cube[] = [];
  for (let i = 0; i < some.length; i += 2)
    for (let protocol = some[i]; protocol < some[i + 1]; protocol++)
      each.push(withSet(cube, DIMENSION.PROTOCOL, interval(protocol, protocol + 1)));
  if (others.length === 0 || !LANES.every((d) => contains(cube.sets[d], 0))) return each;
  const wide = LANES.reduce((one, d) => withSet(one, d, LANE), withSet(cube, DIMENSION.PROTOCOL, others));
  return [...each, wide];
}

function isIcmp({ family, sets }: Cube): boolean {
  const protocols = sets[DIMENSION.PROTOCOL];
  return sizeOf(protocols) === 1 && protocols[0] === icmpOf(family);
}

function hasFullLanes(sets: readonly IntervalSet[]): boolean {
  return LANES.every((d) => sizeOf(sets[d]) === sizeOf(LANE));
}

function mergedIn(cubes: readonly Cube[], dimension: number, apart: (cube: Cube) => string = () => ''): Cube[] {
  const merged = new Map<string, Cube>();
  for (const cube of cubes) {
    const rest = cube.sets.map((set, d) => (d === dimension ? '' : set.join()));
    const key = [apart(cube), cube.family, ...rest].join('/');
    const same = merged.get(key);
    const set = same && unionSets(same.sets[dimension], cube.sets[dimension]);
    merged.set(key, set ? withSet(cube, dimension, set) : cube);
  }
  return [...merged.values()];
}
