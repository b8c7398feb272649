/** A part of the key space: some bits of some lanes are known, the rest are free (bits may be skipped). */
import type { RuleColumns } from './known-rules';
import type { Lane } from './lane';

/** `width` bits of lane number `lane`, from bit `shift` of the lane upwards: what a node takes. */
export interface Cut {
  readonly lane: number;
  readonly shift: number;
  readonly width: number;
}

/** The bits of its lane that a cut takes. */
export function cutMask(shift: number, width: number): number {
  return (((1 << width) - 1) << shift) >>> 0;
}

/** `openLane`: the rule covers the region in every lane, or fails to in more than one. */
export const COVERED = -1;
export const SEVERAL_OPEN = -2;

/**
 * The region a tree is being grown for, lane by lane: one object, narrowed on the way down and widened again on the way
 * up. Beside it stands what a list of rules reaches of it.
 */
export class Region {
  /** Known bits. */
  readonly known: Uint32Array;
  /** Smallest value: free bits 0. */
  readonly min: Uint32Array;
  /** Largest value: free bits 1. */
  readonly max: Uint32Array;
  /** After `reach`: bounds of the region without what no rule of the list reaches. */
  readonly reachedMin: Uint32Array;
  readonly reachedMax: Uint32Array;
  private readonly rules: RuleColumns;
  private readonly lanes: number;

  constructor(rules: RuleColumns, lanes: readonly Lane[]) {
    this.rules = rules;
    this.lanes = lanes.length;
    this.known = new Uint32Array(lanes.length);
    this.min = new Uint32Array(lanes.length);
    this.max = Uint32Array.from(lanes, ({ mask }) => mask);
    this.reachedMin = new Uint32Array(lanes.length);
    this.reachedMax = new Uint32Array(lanes.length);
  }

  /** Narrows the region to the part in which the cut, which lies in free bits, has the value. */
  enter({ lane, shift, width }: Cut, value: number): void {
    const bits = cutMask(shift, width);
    this.known[lane] |= bits;
    this.min[lane] |= value << shift;
    this.max[lane] = (this.max[lane] & ~bits) | (value << shift);
  }

  /** Undoes `enter`. */
  leave({ lane, shift, width }: Cut): void {
    const bits = cutMask(shift, width);
    this.known[lane] &= ~bits;
    this.min[lane] &= ~bits;
    this.max[lane] |= bits;
  }

  /**
   * Finds what the rules `ids[start..end)` reach. A rule that covers it hides all later rules of the list, even where
   * it leaves a part of the region open that nobody else reaches.
   */
  reach(ids: Int32Array, start: number, end: number): void {
    for (let lane = 0; lane < this.lanes; lane++) {
      const low = this.rules.low[lane];
      const high = this.rules.high[lane];
      const min = this.min[lane];
      const max = this.max[lane];
      let lowest = 0xffffffff;
      let highest = 0;
      for (let k = start; k < end; k++) {
        const rule = ids[k];
        if (low[rule] < lowest) lowest = low[rule];
        if (high[rule] > highest) highest = high[rule];
        if (lowest <= min && highest >= max) break;
      }
      this.reachedMin[lane] = lowest > min ? lowest : min;
      this.reachedMax[lane] = highest < max ? highest : max;
    }
  }

  /** Whether the rule matches every key of the region. */
  isCovered(rule: number): boolean {
    for (let lane = 0; lane < this.lanes; lane++) {
      if (this.min[lane] < this.rules.low[lane][rule] || this.max[lane] > this.rules.high[lane][rule]) return false;
    }
    return true;
  }

  /** Whether the rule matches every key of what was reached. */
  isReachedCovered(rule: number): boolean {
    for (let lane = 0; lane < this.lanes; lane++) {
      if (this.reachedMin[lane] < this.rules.low[lane][rule]) return false;
      if (this.reachedMax[lane] > this.rules.high[lane][rule]) return false;
    }
    return true;
  }

  /** The only lane in which the rule does not cover what was reached; a cut of it can make the rule cover a child. */
  openLane(rule: number): number {
    let open = COVERED;
    for (let lane = 0; lane < this.lanes; lane++) {
      if (this.reachedMin[lane] >= this.rules.low[lane][rule] && this.reachedMax[lane] <= this.rules.high[lane][rule]) {
        continue;
      }
      if (open !== COVERED) return SEVERAL_OPEN;
      open = lane;
    }
    return open;
  }

  /** Whether, within the region, every key of rule `inner` is one of `outer`. May miss cases, never invents one. */
  hides(outer: number, inner: number): boolean {
    for (let lane = 0; lane < this.lanes; lane++) {
      const low = this.rules.low[lane];
      const high = this.rules.high[lane];
      const min = this.min[lane];
      const max = this.max[lane];
      if ((low[inner] > min ? low[inner] : min) < low[outer]) return false;
      if ((high[inner] < max ? high[inner] : max) > high[outer]) return false;
    }
    return true;
  }
}
