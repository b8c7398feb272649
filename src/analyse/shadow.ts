/**
 * Rules that no packet reaches, because earlier rules together match everything they match. Exact over unions.
 *
 * What is said, by example (numbers are positions; each last rule is the one reported):
 *
 *   1 deny any port 14141                 shadowed: rule 1 decides differently; `sluice move 2 before 1`
 *   2 allow 78.168.0.0/16 port 14141
 *
 *   1 allow 10.0.0.0/8                    redundant: rule 1 decides the same; `sluice delete 2`
 *   2 allow 10.1.0.0/16 port 22
 *
 *   1 deny 10.0.0.0/9                     shadowed by the union; both are named, neither covers it alone
 *   2 deny 10.128.0.0/9
 *   3 allow 10.0.0.0/8
 *
 *   1 deny 10.0.0.0/24                    redundant: rule 2 alone says the same; rule 1 is an exception to both
 *   2 allow 10.0.0.0/16
 *   3 allow 10.0.0.0/16 port 22
 *
 *   1 deny 10.0.0.0/8                     shadowed: rule 2 would say the same, but it decides none of the packets,
 *   2 allow any                           so what the user sees is rule 1
 *   3 allow 10.1.0.0/16
 *
 * Only rules that really decide some of the packets (first match) are named, the fewest that cover the rule.
 */
import type { Action } from '../model/verdict';
import { Budget, ordinaryBudget, PIECES_MAX, sectionBudget } from './budget';
import { type Cover, findCover } from './cover';
import { type Cube, cubeCovers, DIMENSIONS, type Region } from './cube';
import { CubeTable, type OwnedCube, type Point } from './cube-table';
import { decide, type Decider, type Row, type SectionRegions } from './decisions';
import { elementAt, sizeOf } from './interval-set';

/** A rule that is never reached, and the earlier rules that see to it. Rows are positions in `SectionRegions.rows`. */
export interface Shadowed {
  readonly row: number;
  /** Ascending; a smallest useful set that covers the row. */
  readonly cover: readonly number[];
  /** Rows that decide packets of this one and have another action, ascending; not all are in `cover`. */
  readonly differing: readonly number[];
}

/** What a search for shadowed rules found; `unproven` are rows for which the budget was too small. */
export interface ShadowFindings {
  readonly shadowed: readonly Shadowed[];
  readonly unproven: readonly number[];
}

const SAMPLES = 12;
/** Larger covers are not made smaller, only named in part. */
const MINIMISE_MAX = 64;
/** Comparisons to find out whether one member can be left out. */
const MINIMISE_STEPS_MAX = 100_000;

/** Finds every enabled rule that earlier ones cover. */
export function findShadowed(regions: SectionRegions): ShadowFindings {
  const shadowed: Shadowed[] = [];
  const unproven: number[] = [];
  // Rules that are never reached decide nothing: without them every answer is the same, and sooner.
  const { section, first, space, rows } = regions;
  const live: SectionRegions = { section, first, space, rows, table: new CubeTable() };
  const shared = sectionBudget();
  regions.rows.forEach(({ decider, region }, row) => {
    if (decider.kind !== 'rule' || region.length === 0) return;
    const answer = isCovered(live.table, region, row, shared);
    if (answer === 'covered') {
      shadowed.push(whoCovers(live, row, shared));
      return;
    }
    if (answer === 'not-proven') unproven.push(row);
    // What ends lets others decide again: it takes no rule away for good.
    if (decider.rule.untilMs === undefined) live.table.add(row, region);
  });
  return { shadowed, unproven };
}

/** Whether the rows of the table cover the region: a few samples first, then one rule alone, then the proof. */
function isCovered(table: CubeTable, region: Region, seed: number, shared: Budget): Cover['answer'] {
  if (hasUncoveredSample(table, region, seed)) return 'open';
  if (region.every((inner) => coveringCubes(table, inner).length > 0)) return 'covered';
  return findCover(region, table.meeting(region), ordinaryBudget(shared)).answer;
}

/** Cubes that cover another alone: all of them hold its first corner. */
function coveringCubes(table: CubeTable, inner: Cube): OwnedCube[] {
  const corner: Point = { family: inner.family, values: inner.sets.map((set) => set[0]) };
  return table.holding(corner).filter(({ cube }) => cubeCovers(cube, inner));
}

/** Tries corners and scattered packets: most rules are reached, and one packet shows it. */
function hasUncoveredSample(table: CubeTable, region: Region, seed: number): boolean {
  let state = (seed * 2654435761 + 1) >>> 0;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const values = Array<number>(DIMENSIONS).fill(0);
  const sizes = Array<number>(DIMENSIONS).fill(0);
  return region.some(({ family, sets }) => {
    const point: Point = { family, values };
    for (let d = 0; d < DIMENSIONS; d++) sizes[d] = sizeOf(sets[d]);
    for (let i = 0; i < SAMPLES; i++) {
      for (let d = 0; d < DIMENSIONS; d++)
        values[d] = elementAt(sets[d], i === 0 ? 0 : i === 1 ? sizes[d] - 1 : random(sizes[d]));
      if (!table.holds(point)) return true;
    }
    return false;
  });
}

/**
 * Names the rules that decide the packets of a covered row; with the section's budget spent only the first one that
 * covers it alone, where there is one.
 */
function whoCovers(live: SectionRegions, row: number, shared: Budget): Shadowed {
  const { rows, table } = live;
  const { region } = rows[row];
  const alone = firstAlone(live, region);
  if (shared.isSpent && alone !== undefined) {
    const differs = actionOf(rows[alone]) !== actionOf(rows[row]);
    return { row, cover: [alone], differing: differs ? [alone] : [] };
  }
  const candidates = table.meeting(region);
  const budget = ordinaryBudget(shared);
  const found = new Set<Decider>();
  for (const { decider } of decide(live, region, budget)) found.add(decider);
  const owners = [...new Set(candidates.map(({ owner }) => owner))];
  // With the budget spent, some deciders may be missing: then every candidate counts as one.
  const deciders = budget.isSpent ? owners : owners.filter((owner) => found.has(rows[owner].decider));
  const differing = deciders.filter((owner) => actionOf(rows[owner]) !== actionOf(rows[row]));
  return { row, cover: smallestCover(live, row, deciders, candidates, shared), differing };
}

/** The first row that covers the region alone. */
function firstAlone({ rows, table }: SectionRegions, region: Region): number | undefined {
  const [first] = region;
  return coveringCubes(table, first).find(({ owner }) => coversAlone(rows[owner].region, region))?.owner;
}

/** The earliest decider that covers the row alone, one of the same action first; else a set that cannot lose a member. */
function smallestCover(
  { rows }: SectionRegions,
  row: number,
  deciders: readonly number[],
  candidates: readonly OwnedCube[],
  shared: Budget,
): number[] {
  const { region } = rows[row];
  const isSame = (owner: number): boolean => actionOf(rows[owner]) === actionOf(rows[row]);
  const alone = deciders.filter((owner) => coversAlone(rows[owner].region, region));
  if (alone.length > 0) return [alone.find(isSame) ?? alone[0]];
  if (deciders.length > MINIMISE_MAX) return [...deciders];
  let cover = [...deciders];
  const covers = (owners: readonly number[]): boolean => {
    const chosen = new Set(owners);
    const cubes = candidates.filter(({ owner }) => chosen.has(owner));
    return findCover(region, cubes, new Budget(PIECES_MAX, MINIMISE_STEPS_MAX, shared)).answer === 'covered';
  };
  // Members of the same action go first, then later ones: what decides differently, and first, explains most.
  for (const member of [...deciders].sort((a, b) => Number(isSame(b)) - Number(isSame(a)) || b - a)) {
    const without = cover.filter((owner) => owner !== member);
    if (covers(without)) cover = without;
  }
  return cover;
}

/** Whether one rule covers another cube by cube; ICMP codes written out one by one count as a union instead. */
function coversAlone(outer: Region, inner: Region): boolean {
  return inner.every((piece) => outer.some((cube) => cubeCovers(cube, piece)));
}

function actionOf(row: Row): Action {
  return row.decider.kind === 'rule' ? row.decider.rule.action : 'allow';
}
