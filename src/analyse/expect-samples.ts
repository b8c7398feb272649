/**
 * Packets out of the set that an expectation describes, to be tried one by one: of every row that decides any of them a
 * witness, and the ends of what it describes, in both families and each familiar protocol.
 */
import { ICMP_ERRORS, NEIGHBOUR_DISCOVERY } from '../model/essentials';
import type { FlowKey } from '../model/packet';
import type { Direction, Expectation, Ruleset } from '../model/ruleset';
import { ordinaryBudget, PIECES_MAX } from './budget';
import { type Region, subtractRegion } from './cube';
import { decide, type SectionRegions } from './decisions';
import { type Layers, layersOf } from './expect';
import { describePacket } from './packet-text';

/** An expectation with packets that it describes. */
export interface SampledExpectation {
  readonly expectation: Expectation;
  /** All different. */
  readonly packets: readonly FlowKey[];
}

/** At most `most` packets of each expectation; what is outside of expectations (`analyse/expect.ts`) is left out. */
export function sampleExpectations(ruleset: Ruleset, most: number): SampledExpectation[] {
  if (ruleset.expect.length === 0) return [];
  const layers = layersOf(ruleset);
  const outside = [NEIGHBOUR_DISCOVERY, ...(ruleset.icmp === 'essentials' ? ICMP_ERRORS : [])];
  return ruleset.expect.map((expectation) => {
    const packets = new Map<string, FlowKey>();
    const described = layers.space.regionOf(expectation.match);
    const left = outside.flatMap((match) => layers.space.regionOf(match));
    const inside = subtractRegion(described, left, PIECES_MAX) ?? described;
    for (const packet of candidates(layers, expectation.direction, inside)) {
      if (packets.size >= most) break;
      packets.set(describePacket(packet), packet);
    }
    return { expectation, packets: [...packets.values()] };
  });
}

/** The most telling first: a witness of each row, the ends of the whole, more witnesses. */
function* candidates(layers: Layers, direction: Direction, region: Region): Generator<FlowKey> {
  const { space } = layers;
  const lists: SectionRegions[] = [layers.guards[direction], layers.last[direction]];
  if (direction === 'in') lists.unshift(layers.kept);
  const seen = new Set<string>();
  const more: FlowKey[] = [];
  for (const list of lists) {
    for (const { decider, cube } of decide(list, region, ordinaryBudget())) {
      const row = decider.kind === 'rule' ? decider.rule.id : decider.kind;
      const name = JSON.stringify([list.section.name, decider.server, row, cube.family]);
      if (!seen.has(name)) yield space.exampleOf(cube);
      else if (more.length < MOST_MORE) more.push(space.exampleOf(cube));
      seen.add(name);
    }
  }
  for (const cube of region) yield* space.cornersOf(cube);
  yield* more;
}

const MOST_MORE = 1000;
