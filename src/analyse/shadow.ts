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
import { Budget, ordinaryBudget, PIECES_MAX } from './budget';
import { findCover } from './cover';
import { type Cube, cubeCovers, type Region } from './cube';
import type { OwnedCube, Point } from './cube-table';
import { decide, type Row, type SectionRegions } from './decisions';
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
/** Comparisons that the hard cases of one ruleset may make together. */
const SECTION_STEPS_MAX = 60_000_000;
/** Larger covers are not made smaller, only named in part. */
const MINIMISE_MAX = 64;

/** Finds every enabled rule that earlier ones cover. */
export function findShadowed(regions: SectionRegions): ShadowFindings {
  const shadowed: Shadowed[] = [];
  const unproven: number[] = [];
  const dead = new Set<number>();
  const shared = new Budget(Infinity, SECTION_STEPS_MAX);
  regions.rows.forEach(({ decider, region }, row) => {
    if (decider.kind !== 'rule' || region.length === 0 || hasUncoveredSample(regions, row)) return;
    // A rule that is never reached decides nothing: leaving it out changes no answer and saves work.
    const candidates = regions.table.meeting(region, row).filter(({ owner }) => !dead.has(owner));
    if (!shared.takeSteps(candidates.length)) return void unproven.push(row);
    const single = isCoveredByOne(region, candidates);
    if (!single) {
      const budget = ordinaryBudget();
      const cover = findCover(region, candidates, budget);
      shared.takeSteps(budget.stepsTaken);
      if (cover.answer === 'open') return;
      if (cover.answer === 'not-proven') return void unproven.push(row);
    }
    dead.add(row);
    shadowed.push(whoCovers(regions, row, candidates));
  });
  return { shadowed, unproven };
}

/** Tries corners and scattered packets of the rule: most rules are reached, and one packet shows it. */
function hasUncoveredSample({ rows, table }: SectionRegions, row: number): boolean {
  const end = table.startOf(row);
  let state = (row * 2654435761 + 1) >>> 0;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  return rows[row].region.some((cube) => {
    const sizes = cube.sets.map(sizeOf);
    for (let i = 0; i < SAMPLES; i++) {
      const pick = (size: number): number => (i === 0 ? 0 : i === 1 ? size - 1 : random(size));
      const point: Point = { family: cube.family, values: cube.sets.map((set, d) => elementAt(set, pick(sizes[d]))) };
      if (table.firstHolding(point, 0, end) < 0) return true;
    }
    return false;
  });
}

/** Whether each cube of the region lies in one cube of a single earlier rule. */
function isCoveredByOne(region: Region, candidates: readonly OwnedCube[]): boolean {
  return [...byOwner(candidates).values()].some((cubes) => coversSimply(cubes, region));
}

function coversSimply(cubes: readonly Cube[], region: Region): boolean {
  return region.every((inner) => cubes.some((outer) => cubeCovers(outer, inner)));
}

function byOwner(candidates: readonly OwnedCube[]): Map<number, Cube[]> {
  const cubes = new Map<number, Cube[]>();
  for (const { owner, cube } of candidates) {
    const list = cubes.get(owner);
    if (list) list.push(cube);
    else cubes.set(owner, [cube]);
  }
  return cubes;
}

/** Names the rules that decide the packets of a covered row. */
function whoCovers(regions: SectionRegions, row: number, candidates: readonly OwnedCube[]): Shadowed {
  const { rows } = regions;
  const budget = ordinaryBudget();
  const decidingRules = new Set<Row['decider']>();
  for (const { decider } of decide(regions, rows[row].region, budget)) {
    if (decider.kind === 'rule') decidingRules.add(decider);
  }
  const owners = [...byOwner(candidates).keys()].sort((a, b) => a - b);
  // With the budget spent, some deciders may be missing: then every candidate counts as one.
  const deciders = budget.isSpent ? owners : owners.filter((owner) => decidingRules.has(rows[owner].decider));
  const differing = deciders.filter((owner) => actionOf(rows[owner]) !== actionOf(rows[row]));
  return { row, cover: smallestCover(regions, row, deciders, candidates), differing };
}

/** The earliest decider that covers the row alone, one of the same action first; else a set that cannot lose a member. */
function smallestCover(
  { rows }: SectionRegions,
  row: number,
  deciders: readonly number[],
  candidates: readonly OwnedCube[],
): number[] {
  const { region } = rows[row];
  const covers = (owners: readonly number[]): boolean => {
    const cubes = candidates.filter(({ owner }) => owners.includes(owner));
    return findCover(region, cubes, new Budget(PIECES_MAX / 100, 100_000)).answer === 'covered';
  };
  const alone = deciders.filter((owner) => covers([owner]));
  if (alone.length > 0) return [alone.find((owner) => actionOf(rows[owner]) === actionOf(rows[row])) ?? alone[0]];
  if (deciders.length > MINIMISE_MAX) return [...deciders];
  let cover = [...deciders];
  // Members of the same action go first, then later ones: what decides differently, and first, explains most.
  const isSame = (owner: number): number => (actionOf(rows[owner]) === actionOf(rows[row]) ? 0 : 1);
  for (const member of [...deciders].sort((a, b) => isSame(a) - isSame(b) || b - a)) {
    const without = cover.filter((owner) => owner !== member);
    if (covers(without)) cover = without;
  }
  return cover;
}

function actionOf(row: Row): Action {
  return row.decider.kind === 'rule' ? row.decider.rule.action : 'allow';
}
