/** Which rules of a list go to which child of a cut. */
import type { RuleColumns } from './known-rules';
import { isAddressLane } from './lane';
import { COVERED, type Cut, cutMask, type Region } from './region';

/** Widest cut: children of one node. */
export const CUT_BITS_MAX = 14;

/** A list of rules in first-match order: `ids[start..end)`, with the `openLane` of each from `open[0]` on. */
export interface RuleList {
  readonly ids: Int32Array;
  readonly start: number;
  readonly end: number;
  readonly open: Int8Array;
}

/** Scratch memory of all builds, which take turns: thousands of small trees are grown in a row. */
const COUNTS = new Int32Array(1 << CUT_BITS_MAX);
const CLOSED = new Uint8Array(1 << CUT_BITS_MAX);
const FILLED = new Int32Array(1 << CUT_BITS_MAX);

/** Counts and divides lists of one table within a region; what it says of one list holds until the next is counted. */
export class Splitter {
  /** After `count`: rules by child. */
  readonly counts = COUNTS;
  private readonly closed = CLOSED;
  private readonly filled = FILLED;
  private readonly rules: RuleColumns;
  private readonly region: Region;
  private readonly isAddress: readonly boolean[];
  // Children of one rule: from..to, and for ranges that wrap within the window also 0..wrapTo.
  private from = 0;
  private to = 0;
  private wrapTo = -1;

  constructor(rules: RuleColumns, region: Region) {
    this.rules = rules;
    this.region = region;
    this.isAddress = rules.lanes.map(isAddressLane);
  }

  /**
   * Fills `counts` and returns their sum; a child takes no more rules once one has covered what the list reaches of it.
   * `region.reach` was called for the list.
   */
  count({ ids, start, end, open }: RuleList, lane: number, shift: number, width: number): number {
    const { counts, closed } = this;
    const size = 1 << width;
    const top = size - 1;
    const low = this.rules.low[lane];
    const high = this.rules.high[lane];
    const isAddress = this.isAddress[lane];
    counts.fill(0, 0, size);
    closed.fill(0, 0, size);
    let everywhere = 0; // rules that went to all children still open
    let openChildren = size;
    for (let k = start; k < end && openChildren > 0; k++) {
      const rule = ids[k];
      let from: number;
      let to: number;
      let wrapTo = -1;
      if (isAddress) {
        from = (low[rule] >>> shift) & top;
        to = (high[rule] >>> shift) & top;
      } else {
        this.place(rule, lane, shift, width);
        from = this.from;
        to = this.to;
        wrapTo = this.wrapTo;
      }
      const closing = open[k - start];
      if (closing !== lane && closing !== COVERED) {
        if (from === 0 && to === top) {
          everywhere++;
          continue;
        }
        for (let child = from; child <= to; child++) counts[child] += 1 - closed[child];
        for (let child = 0; child <= wrapTo; child++) counts[child] += 1 - closed[child];
        continue;
      }
      openChildren -= this.close(rule, lane, shift, width, from, to, everywhere);
      if (wrapTo >= 0) openChildren -= this.close(rule, lane, shift, width, 0, wrapTo, everywhere);
    }
    let total = 0;
    for (let child = 0; child < size; child++) {
      if (closed[child] === 0) counts[child] += everywhere;
      total += counts[child];
    }
    return total;
  }

  /**
   * Appends the lists of all children, in the order of the list, from `target[at]` on. `count` was called for the list
   * and the cut just before; `target` has room for what it returned.
   */
  divide({ ids, start, end }: RuleList, cut: Cut, target: Int32Array, at: number): void {
    const { lane, shift, width } = cut;
    const { counts, filled } = this;
    const size = 1 << width;
    const top = size - 1;
    const low = this.rules.low[lane];
    const high = this.rules.high[lane];
    const isAddress = this.isAddress[lane];
    // A child that was closed has exactly the places that were counted: `filled` is where the next rule goes, and
    // `counts` becomes where the child ends.
    for (let child = 0; child < size; child++) {
      filled[child] = at;
      at += counts[child];
      counts[child] = at;
    }
    for (let k = start; k < end; k++) {
      const rule = ids[k];
      let from: number;
      let to: number;
      let wrapTo = -1;
      if (isAddress) {
        from = (low[rule] >>> shift) & top;
        to = (high[rule] >>> shift) & top;
      } else {
        this.place(rule, lane, shift, width);
        from = this.from;
        to = this.to;
        wrapTo = this.wrapTo;
      }
      for (let child = from; child <= to; child++) {
        if (filled[child] < counts[child]) target[filled[child]++] = rule;
      }
      for (let child = 0; child <= wrapTo; child++) {
        if (filled[child] < counts[child]) target[filled[child]++] = rule;
      }
    }
  }

  /** Counts a rule that may cover children of its own; returns how many it closed. */
  private close(
    rule: number,
    lane: number,
    shift: number,
    width: number,
    from: number,
    to: number,
    everywhere: number,
  ): number {
    const { counts, closed } = this;
    let closings = 0;
    for (let child = from; child <= to; child++) {
      if (closed[child] === 1) continue;
      counts[child]++;
      if (!this.coversChild(rule, lane, shift, width, child)) continue;
      closed[child] = 1;
      counts[child] += everywhere;
      closings++;
    }
    return closings;
  }

  /** Finds the children a rule can match in. Never too few; with skipped bits above a port window maybe too many. */
  private place(rule: number, lane: number, shift: number, width: number): void {
    const top = (1 << width) - 1;
    let low = this.rules.low[lane][rule];
    let high = this.rules.high[lane][rule];
    this.wrapTo = -1;
    const above = this.rules.lanes[lane].mask & ~((1 << (shift + width)) - 1);
    if ((this.region.known[lane] & above) === above) {
      // All bits above the window are known: the window's values are consecutive in the range.
      low = Math.max(low, this.region.min[lane]);
      high = Math.min(high, this.region.max[lane]);
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
    // A range within one run of the window.
    this.from = (low >>> shift) & top;
    this.to = (high >>> shift) & top;
  }

  private coversChild(rule: number, lane: number, shift: number, width: number, child: number): boolean {
    const { region } = this;
    const bits = cutMask(shift, width);
    const value = child << shift;
    const min = Math.max(((region.min[lane] & ~bits) | value) >>> 0, region.reachedMin[lane]);
    const max = Math.min(((region.max[lane] & ~bits) | value) >>> 0, region.reachedMax[lane]);
    return this.rules.low[lane][rule] <= min && max <= this.rules.high[lane][rule];
  }
}
