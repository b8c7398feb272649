/** A part of the key space: some bits of some lanes are known, the rest are free (bits may be skipped). */
import type { RuleTable } from './expand';
import type { Lane } from './lane';

/** Lane by lane; never changed. */
export interface Region {
  /** Known bits. */
  readonly known: Uint32Array;
  /** Smallest value: free bits 0. */
  readonly min: Uint32Array;
  /** Largest value: free bits 1. */
  readonly max: Uint32Array;
}

/** `width` bits of lane number `lane`, from bit `shift` of the lane upwards: what a node takes. */
export interface Cut {
  readonly lane: number;
  readonly shift: number;
  readonly width: number;
}

/** The bits of its lane that a cut takes. */
export function cutMask({ shift, width }: Cut): number {
  return (((1 << width) - 1) << shift) >>> 0;
}

/** Everything. */
export function wholeRegion(lanes: readonly Lane[]): Region {
  return {
    known: new Uint32Array(lanes.length),
    min: new Uint32Array(lanes.length),
    max: Uint32Array.from(lanes, ({ mask }) => mask),
  };
}

/** The part of a region in which the cut has the given value. The cut must lie in free bits. */
export function childRegion(region: Region, cut: Cut, value: number): Region {
  const bits = cutMask(cut);
  const part = { known: region.known.slice(), min: region.min.slice(), max: region.max.slice() };
  part.known[cut.lane] |= bits;
  part.min[cut.lane] |= value << cut.shift;
  part.max[cut.lane] = (part.max[cut.lane] & ~bits) | (value << cut.shift);
  return part;
}

/**
 * The region without what no rule of the list reaches, lane by lane. A rule that covers it hides all later rules of the
 * list, even where it leaves a part of the region open that nobody else reaches.
 */
export function reachedRegion(rules: RuleTable, list: Int32Array, { known, min, max }: Region): Region {
  const reached = { known, min: min.slice(), max: max.slice() };
  for (let lane = 0; lane < min.length; lane++) {
    const low = rules.low[lane];
    const high = rules.high[lane];
    let lowest = 0xffffffff;
    let highest = 0;
    for (const rule of list) {
      if (low[rule] < lowest) lowest = low[rule];
      if (high[rule] > highest) highest = high[rule];
      if (lowest <= min[lane] && highest >= max[lane]) break;
    }
    if (lowest > min[lane]) reached.min[lane] = lowest;
    if (highest < max[lane]) reached.max[lane] = highest;
  }
  return reached;
}

/** Whether the rule matches every key of the region. */
export function coversRegion(rules: RuleTable, rule: number, { min, max }: Region): boolean {
  for (let lane = 0; lane < min.length; lane++) {
    if (min[lane] < rules.low[lane][rule] || max[lane] > rules.high[lane][rule]) return false;
  }
  return true;
}

/** Whether, within the region, every key of rule `inner` is one of rule `outer`. May miss cases, never invents one. */
export function coversWithin(rules: RuleTable, outer: number, inner: number, { min, max }: Region): boolean {
  for (let lane = 0; lane < min.length; lane++) {
    const low = rules.low[lane];
    const high = rules.high[lane];
    if (Math.max(low[inner], min[lane]) < low[outer] || Math.min(high[inner], max[lane]) > high[outer]) return false;
  }
  return true;
}

/** `openLane`: the rule covers the region in every lane, or fails to in more than one. */
export const COVERED = -1;
export const SEVERAL_OPEN = -2;

/** The only lane in which the rule does not cover the region; a cut of that lane can make it cover a child. */
export function openLane(rules: RuleTable, rule: number, { min, max }: Region): number {
  let open = COVERED;
  for (let lane = 0; lane < min.length; lane++) {
    if (min[lane] >= rules.low[lane][rule] && max[lane] <= rules.high[lane][rule]) continue;
    if (open !== COVERED) return SEVERAL_OPEN;
    open = lane;
  }
  return open;
}
