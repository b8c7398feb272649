/**
 * `lint/overlap`: a deny of some addresses that an allow above it, which is about more of them, takes packets from.
 * `allow 8000/tcp`, and then, at the end, where a verb puts it, `deny from 192.0.2.9`: who is meant to be kept out still
 * reaches port 8000. The other ways to overlap are how lists are written: an exception above what it is taken from, a
 * deny above an allow.
 */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { Budget, ordinaryBudget } from './budget';
import { type Cube, cubesAreDisjoint, DIMENSION, intersectCubes, type Region } from './cube';
import { CubeTable } from './cube-table';
import { decide, type Decider, optionFor, rowNoun, type SectionRegions } from './decisions';
import { isSubset } from './interval-set';
import { describePacket } from './packet-text';

/** Rows of a section that are told of: the first show what is wrong with the others. */
const TOLD_MAX = 20;
/** Comparisons in a section, a fraction of a second; what is not looked at then is not told of. */
const STEPS_MAX = 500_000;

type Written = Extract<Decider, { kind: 'rule' }>;

/** Reports the rows that keep out less than they name; `unreached`: rows, by position, that keep out nothing. */
export function lintOverlaps(regions: SectionRegions, unreached: ReadonlySet<number>): Diagnostic[] {
  const findings: Diagnostic[] = [];
  const allowing = new CubeTable();
  const shared = new Budget(Infinity, STEPS_MAX);
  for (const [row, { decider, verdict, region }] of regions.rows.entries()) {
    if (findings.length === TOLD_MAX || shared.isSpent) break;
    if (decider.kind !== 'rule' || unreached.has(row)) continue;
    if (verdict === 'allow') {
      // What ends has its time, and is meant for it.
      if (decider.rule.untilMs === undefined) allowing.add(row, region);
      continue;
    }
    const finding = findTaken(regions, decider, region, allowing, shared);
    if (finding) findings.push(finding);
  }
  return findings;
}

/** Whether the cubes share packets, and the first is about all addresses of the second and about others. */
function isAboutMore(above: Cube, cube: Cube): boolean {
  const addresses = [DIMENSION.SOURCE, DIMENSION.DESTINATION];
  return (
    !cubesAreDisjoint(above, cube) &&
    addresses.every((d) => isSubset(cube.sets[d], above.sets[d])) &&
    addresses.some((d) => !isSubset(above.sets[d], cube.sets[d]))
  );
}

/** The first row above that is about more addresses than the region and lets packets of it pass. */
function findTaken(
  regions: SectionRegions,
  decider: Written,
  region: Region,
  allowing: CubeTable,
  shared: Budget,
): Diagnostic | undefined {
  if (!shared.takeSteps(allowing.entries.length)) return undefined;
  for (const owner of new Set(allowing.meeting(region).map((cube) => cube.owner))) {
    const above = regions.rows[owner];
    if (!shared.takeSteps(above.region.length * region.length)) return undefined;
    const both = above.region.flatMap((wide) =>
      region.filter((cube) => isAboutMore(wide, cube)).map((cube) => intersectCubes(wide, cube)!),
    );
    for (const decided of decide(regions, both, ordinaryBudget(shared)))
      if (decided.decider === above.decider)
        return describe(
          regions,
          decider,
          above.decider as Written,
          describePacket(regions.space.exampleOf(decided.cube)),
        );
  }
  return undefined;
}

function describe({ section }: SectionRegions, { rule, number }: Written, above: Written, example: string): Diagnostic {
  const noun = rowNoun(section);
  const move =
    section.name === 'guard'
      ? `write it above ${noun} ${above.number}`
      : `sluice move ${number} before ${above.number}${optionFor(section.name)}`;
  return {
    code: 'lint/overlap',
    severity: 'note',
    message: `${noun} ${number} "${rule.text}" does not stop all that it names: ${noun} ${above.number} "${above.rule.text}" above it lets some pass, such as ${example}`,
    source: rule.source,
    notes: [],
    hint: `where it is to come first: ${move}`,
  };
}
