/** Which rules of a list go to which child of a cut. */
import type { RuleTable } from './expand';
import { isAddressLane } from './lane';
import { COVERED, type Cut, cutMask, type Region } from './region';

/** Rules that compete in a region. */
export interface RuleList {
  /** Indices into the rule table, ascending. */
  readonly list: Int32Array;
  readonly region: Region;
  /** `reachedRegion` of the list. */
  readonly reached: Region;
  /** For each rule of the list, its `openLane` in `reached`. */
  readonly open: Int8Array;
}

/** Widest cut: children of one node. */
export const CUT_BITS_MAX = 12;

/** Counts and divides; holds scratch memory, so one instance serves one build. */
export class Splitter {
  /** After `count`: rules by child. */
  readonly counts = new Int32Array(1 << CUT_BITS_MAX);
  private readonly closed = new Uint8Array(1 << CUT_BITS_MAX);
  private readonly rules: RuleTable;
  // Children of one rule: from..to, and for ranges that wrap within the window also 0..wrapTo.
  private from = 0;
  private to = 0;
  private wrapTo = -1;

  constructor(rules: RuleTable) {
    this.rules = rules;
  }

  /**
   * Fills `counts` and returns their sum; a child takes no more rules once one has covered what the list reaches of it.
   */
  count({ list, open, region, reached }: RuleList, cut: Cut): number {
    const { counts, closed } = this;
    const size = 1 << cut.width;
    counts.fill(0, 0, size);
    closed.fill(0, 0, size);
    let everywhere = 0; // rules that went to all children still open
    let openChildren = size;
    for (let k = 0; k < list.length && openChildren > 0; k++) {
      this.place(list[k], region, cut);
      const closes = open[k] === cut.lane || open[k] === COVERED;
      if (!closes && this.from === 0 && this.to === size - 1) {
        everywhere++;
        continue;
      }
      const put = (child: number): void => {
        if (closed[child] === 1) return;
        counts[child]++;
        if (!closes || !this.coversChild(list[k], region, reached, cut, child)) return;
        closed[child] = 1;
        counts[child] += everywhere;
        openChildren--;
      };
      for (let child = this.from; child <= this.to; child++) put(child);
      for (let child = 0; child <= this.wrapTo; child++) put(child);
    }
    let total = 0;
    for (let child = 0; child < size; child++) {
      if (closed[child] === 0) counts[child] += everywhere;
      total += counts[child];
    }
    return total;
  }

  /** The lists of all children, in the order of `list`. */
  divide(rules: RuleList, cut: Cut): Int32Array[] {
    const { list, region } = rules;
    this.count(rules, cut);
    const size = 1 << cut.width;
    const children = Array.from({ length: size }, (_, child) => new Int32Array(this.counts[child]));
    const filled = new Int32Array(size);
    for (const rule of list) {
      this.place(rule, region, cut);
      const put = (child: number): void => {
        // A child that was closed has exactly the places that were counted.
        if (filled[child] < children[child].length) children[child][filled[child]++] = rule;
      };
      for (let child = this.from; child <= this.to; child++) put(child);
      for (let child = 0; child <= this.wrapTo; child++) put(child);
    }
    return children;
  }

  /** Finds the children a rule can match in. Never too few; with skipped bits above a port window maybe too many. */
  private place(rule: number, region: Region, cut: Cut): void {
    const { lane, shift, width } = cut;
    const top = (1 << width) - 1;
    let low = this.rules.low[lane][rule];
    let high = this.rules.high[lane][rule];
    this.wrapTo = -1;
    if (!isAddressLane(this.rules.lanes[lane])) {
      const above = this.rules.lanes[lane].mask & ~((1 << (shift + width)) - 1);
      if ((region.known[lane] & above) === above) {
        // All bits above the window are known: the window's values are consecutive in the range.
        low = Math.max(low, region.min[lane]);
        high = Math.min(high, region.max[lane]);
      } else if (high - low + 1 >= 1 << (shift + width)) {
        this.from = 0;
        this.to = top;
        return;
      } else if (low >>> (shift + width) !== high >>> (shift + width)) {
        this.from = (low >>> shift) & top;
        this.to = top;
        this.wrapTo = (high >>> shift) & top;
        if (this.wrapTo >= this.from) {
          this.from = 0;
          this.wrapTo = -1;
        }
        return;
      }
    }
    // A prefix, or a range within one run of the window.
    this.from = (low >>> shift) & top;
    this.to = (high >>> shift) & top;
  }

  private coversChild(
    rule: number,
    region: Region,
    reached: Region,
    { lane, shift, width }: Cut,
    child: number,
  ): boolean {
    const bits = cutMask({ lane, shift, width });
    const value = child << shift;
    const min = Math.max(((region.min[lane] & ~bits) | value) >>> 0, reached.min[lane]);
    const max = Math.min(((region.max[lane] & ~bits) | value) >>> 0, reached.max[lane]);
    return this.rules.low[lane][rule] <= min && max <= this.rules.high[lane][rule];
  }
}
