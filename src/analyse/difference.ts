/**
 * Which packets get another verdict from one ruleset than from another: an exact set, or the plain statement that it is
 * not known to be all. It is about packets that belong to nothing earlier (see `verdict-layers.ts`); whether others can
 * fare otherwise is answered beside it, list by list. Settings such as `fragments` are compared as text elsewhere.
 */
import { type Decision, evaluatePacket } from '../model/evaluate';
import { evaluateOutgoingPacket } from '../model/outbound';
import type { FlowKey } from '../model/packet';
import { type Ruleset, writtenSections } from '../model/ruleset';
import { Budget } from './budget';
import { changedRegion } from './changed-rows';
import type { Cube, Region } from './cube';
import { CubeTable } from './cube-table';
import { type Decided, decide, type SectionRegions } from './decisions';
import { mirrorRegion } from './mirror-region';
import { mergeCubes } from './merge-cubes';
import { type Outcome, outcomeOfDecision, outcomeOfRow } from './outcome';
import type { Space } from './space';
import { commonSpace, freshPacket, type ListName, LISTS, type Traffic, TRAFFIC, VerdictLayers } from './verdict-layers';

/** Packets of which all get one outcome from the one ruleset, and all another from the other. */
export interface VerdictChange {
  readonly traffic: Traffic;
  readonly from: Outcome;
  readonly to: Outcome;
  /** Disjoint cubes of the difference's space. */
  readonly region: Region;
  /** One packet of each cube. */
  readonly examples: readonly DifferenceExample[];
}

/** A packet that the scan judges by both rulesets. */
export interface DifferenceExample {
  readonly key: FlowKey;
  readonly before: Decision;
  readonly after: Decision;
}

/** How the verdicts of two rulesets differ. */
export interface Difference {
  readonly space: Space;
  readonly changes: readonly VerdictChange[];
  /** Whether `changes` are all there are. */
  readonly isExact: boolean;
  /**
   * Lists that decide otherwise about some packet when asked alone. Where there are none, no packet at all changes its
   * verdict, whatever came before it; where there are, packets of flows and ICMP errors can, though no fresh one does.
   * `icmp`: the tier of the essentials is switched on or off.
   */
  readonly lists: readonly (ListName | 'icmp')[];
}

const PIECES_MAX = 100_000;
const STEPS_MAX = 20_000_000;

/** Compares two rulesets. */
export function findDifference(
  before: Ruleset,
  after: Ruleset,
  budget: Budget = new Budget(PIECES_MAX, STEPS_MAX),
): Difference {
  const space = commonSpace(before, after);
  const [old, now] = [new VerdictLayers(before, space), new VerdictLayers(after, space)];
  const suspects = {} as Record<ListName, Region>;
  for (const name of LISTS) {
    const region = changedRegion(old.lists[name], now.lists[name], budget);
    if (region === null) return { space, changes: [], isExact: false, lists: [...LISTS] };
    suspects[name] = region;
  }
  const changes = new Changes(before, after, space);
  for (const traffic of TRAFFIC) {
    if (traffic !== 'in' && !old.refusesOut && !now.refusesOut) continue;
    const region = disjoint(suspectsOf(traffic, suspects, old, now), old.asked[traffic], budget);
    for (const { cube, outcome: from } of old.judge(traffic, region, budget)) {
      for (const { cube: part, outcome: to } of now.judge(traffic, [cube], budget)) {
        if (from.key !== to.key) changes.add(traffic, from, to, part);
      }
      if (budget.isSpent) break;
    }
  }
  const { list, areConfirmed } = changes.finish();
  const switched = before.icmp === after.icmp ? [] : (['icmp'] as const);
  const lists = LISTS.filter((name) => suspects[name].length > 0 && differs(name, [old, now], suspects[name], budget));
  return { space, changes: list, isExact: areConfirmed && !budget.isSpent, lists: [...lists, ...switched] };
}

/** Packets about which the rulesets can differ at all. */
function suspectsOf(
  traffic: Traffic,
  { 'keep-reachable': kept, guard, 'guard out': guardOut, inbound, outbound }: Record<ListName, Region>,
  old: VerdictLayers,
  now: VerdictLayers,
): Region {
  const [one, other] = [old.essentials, now.essentials];
  // Switched on or off as a whole.
  const switched =
    one.errors.length === other.errors.length
      ? []
      : [...one.echo, ...other.echo, ...one.dhcp, ...other.dhcp, ...one.errors, ...other.errors];
  if (traffic === 'in') return [...kept, ...guard, ...inbound, ...switched];
  return [...mirrorRegion([...kept, ...inbound, ...switched]), ...guardOut, ...outbound, ...switched];
}

/** The packets of `region` that lie in `within`, as disjoint cubes; not all of them where the budget is spent. */
function disjoint(region: Region, within: Region, budget: Budget): Cube[] {
  if (region.length === 0) return [];
  const rows = region.map((cube) => [cube]);
  const table = CubeTable.of(rows);
  const list: Pick<SectionRegions, 'rows' | 'table' | 'section'> = {
    section: { name: '', default: 'deny', rules: [] },
    rows: rows.map((cubes) => ({ decider: { kind: 'ssh' }, verdict: 'allow', region: cubes })),
    table,
  };
  return [...decide(list, within, budget)].flatMap(({ decider, cube }) => (decider.kind === 'ssh' ? cube : []));
}

/** Whether a list decides otherwise about some packet of the region, asked alone. */
function differs(
  name: ListName,
  [old, now]: readonly [VerdictLayers, VerdictLayers],
  region: Region,
  budget: Budget,
): boolean {
  const [before, after] = [old.lists[name], now.lists[name]];
  // What keep-reachable does not name goes on; what the guard allows does too. What goes out asks `inbound` whether a
  // row lets in what it answers: to be let in by the default is something else there.
  const isElse = ({ decider, verdict }: Decided): boolean =>
    decider.kind === 'default' &&
    (name === 'keep-reachable' || (name === 'inbound' && verdict === 'allow' && (old.refusesOut || now.refusesOut)));
  const outcome = (decided: Decided): string => (isElse(decided) ? 'default' : outcomeOfRow(decided).key);
  for (const decided of decide(before, disjoint(region, before.space.everything(), budget), budget)) {
    for (const other of decide(after, [decided.cube], budget)) if (outcome(other) !== outcome(decided)) return true;
  }
  return budget.isSpent;
}

/** Pieces by what they change from and to. */
class Changes {
  private readonly groups = new Map<string, { traffic: Traffic; from: Outcome; to: Outcome; cubes: Cube[] }>();

  constructor(
    private readonly before: Ruleset,
    private readonly after: Ruleset,
    private readonly space: Space,
  ) {}

  add(traffic: Traffic, from: Outcome, to: Outcome, cube: Cube): void {
    const key = [traffic, from.key, to.key].join('\n');
    const group = this.groups.get(key);
    if (group) group.cubes.push(cube);
    else this.groups.set(key, { traffic, from, to, cubes: [cube] });
  }

  /** The changes, in the order of traffic; and whether the scan agrees about every example. */
  finish(): { list: VerdictChange[]; areConfirmed: boolean } {
    let areConfirmed = true;
    const list = [...this.groups.values()].map(({ traffic, from, to, cubes }): VerdictChange => {
      const region = mergeCubes(cubes);
      const examples = region.map((cube) => {
        const key = this.space.exampleOf(cube);
        const [before, after] = [judgeFresh(this.before, key, traffic), judgeFresh(this.after, key, traffic)];
        areConfirmed &&= before.outcome.key === from.key && after.outcome.key === to.key;
        return { key, before: before.decision, after: after.decision };
      });
      return { traffic, from, to, region, examples };
    });
    return { list, areConfirmed };
  }
}

/** What the scan says of a packet that belongs to nothing earlier. */
export function judgeFresh(
  ruleset: Ruleset,
  key: FlowKey,
  traffic: Traffic,
): { readonly decision: Decision; readonly outcome: Outcome } {
  const judge = traffic === 'in' ? evaluatePacket : evaluateOutgoingPacket;
  const decision = judge(ruleset, freshPacket(key, traffic));
  const rows = writtenSections(ruleset).find(({ name }) => name === decision.section)?.rules ?? [];
  return { decision, outcome: outcomeOfDecision(decision, rows) };
}
