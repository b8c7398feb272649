/**
 * Where two versions of a list of rows can decide differently, without asking which row decides: outside of this region
 * a packet meets the same rows in the same order, so that the comparison costs what the change costs.
 */
import { type Budget, PIECES_MAX } from './budget';
import { type Cube, type Region, subtractRegion } from './cube';
import type { Row, SectionRegions } from './decisions';
import { longestIncreasing } from './longest-increasing';
import { outcomeOfRow } from './outcome';
import { pairRows } from './pair-rows';

/** Cubes that may overlap; everything where the defaults differ. Null where that cannot be told within the budget. */
export function changedRegion(before: SectionRegions, after: SectionRegions, budget: Budget): Region | null {
  const everything = before.section.default === after.section.default ? [] : before.space.everything();
  const [old, now] = [before.rows, after.rows];
  const pairs = pairRows(old, now, SAME_ROW);
  const kept = [...longestIncreasing(pairs.map(([, j]) => j))].map((at) => pairs[at]);
  const [keptOld, keptNow] = [new Set(kept.map(([i]) => i)), new Set(kept.map(([, j]) => j))];
  const changed: Cube[] = [
    ...everything,
    ...old.flatMap(({ region }, i) => (keptOld.has(i) ? [] : region)),
    ...now.flatMap(({ region }, j) => (keptNow.has(j) ? [] : region)),
  ];
  for (const [i, j] of kept) {
    const [from, to] = [old[i].region, now[j].region];
    if (sameRegion(from, to)) continue;
    const [lost, won] = [subtractRegion(from, to, PIECES_MAX), subtractRegion(to, from, PIECES_MAX)];
    if (!lost || !won || !budget.takePieces(lost.length + won.length)) return null;
    changed.push(...lost, ...won);
  }
  return changed;
}

/** Rows that decide the same are the same row: about the same packets, else under the same id. */
const SAME_ROW: readonly ((row: Row) => string)[] = [
  (row) => `${outcomeOfRow(row).key} ${regionText(row.region)}`,
  ({ decider, ...row }) => {
    const id = decider.kind === 'rule' ? decider.rule.id : decider.kind;
    return `${outcomeOfRow({ decider, ...row }).key} ${decider.server ?? ''}/${id}`;
  },
];

function regionText(region: Region): string {
  return region.map(({ family, sets }) => `${family}:${sets.map((set) => set.join()).join('/')}`).join(' ');
}

function sameRegion(a: Region, b: Region): boolean {
  return a === b || regionText(a) === regionText(b);
}
