/** Where to cut a list of rules: candidate windows of all lanes, and what each would achieve. */
import type { RuleColumns } from './known-rules';
import type { Cut, Region } from './region';
import { CUT_BITS_MAX, type RuleList, Splitter } from './split';

const WIDTHS = [1, 2, 3, 4, 5, 6, 8, 10, 12, CUT_BITS_MAX];
/** Rules that are looked at to rate windows. */
const SAMPLE = 192;
const SAMPLE_MIN = 96;
const SAMPLE_MAX = 288;
/** Slots of a cut at most, for a rule of the list. */
export const SLOTS_OF_RULE = 4;
/** Candidates that are measured exactly when the list is longer than the sample. */
const MEASURED = 4;
const MIN_SCORE = 0.05;
const LOG2 = Float64Array.from({ length: 4096 }, (_, i) => Math.log2(i));

/** Finds cuts for lists of one table. `prepare` a list, then ask. */
export class CutFinder {
  readonly splitter: Splitter;
  private readonly rules: RuleColumns;
  private readonly region: Region;
  private readonly leafBudget: number;
  private list: RuleList = { ids: new Int32Array(0), start: 0, end: 0, open: new Int8Array(0) };
  private sample: RuleList = this.list;
  private readonly sampleIds = new Int32Array(SAMPLE_MAX);
  private readonly sampleOpen = new Int8Array(SAMPLE_MAX);
  /** `openLane` of each rule of the list, from 0 on. */
  open = new Int8Array(1024);
  /** Rules of the list for one of the sample. */
  private scale = 1;
  // Candidates, column by column; figures are estimates where the list is longer than the sample.
  private count = 0;
  private readonly lanes: number[] = [];
  private readonly shifts: number[] = [];
  private readonly widths: number[] = [];
  /** Levels of halving saved, less what copies and slots cost; larger is better. */
  private readonly scores: number[] = [];
  /** Rules in all children together, and in the fullest. */
  private readonly totals: number[] = [];
  private readonly largests: number[] = [];
  private readonly zeros = new Int32Array(32);
  private readonly ones = new Int32Array(32);
  private readonly balances = new Float64Array(32);
  /** The limits with which the last `best` would have answered the same: from the first on, below the second. */
  limitFrom = 0;
  limitBelow = Infinity;
  // Of the last `rate`.
  private score = 0;
  private largest = 0;

  constructor(rules: RuleColumns, region: Region, leafBudget: number) {
    this.rules = rules;
    this.region = region;
    this.leafBudget = leafBudget;
    this.splitter = new Splitter(rules, region);
  }

  /** Looks at a list in the region as it is now: what it reaches, and which windows of it are worth a cut. */
  prepare(ids: Int32Array, start: number, end: number, maxSlots: number): RuleList {
    const length = end - start;
    const { region } = this;
    if (this.open.length < length) this.open = new Int8Array(2 * length);
    const { open } = this;
    region.reach(ids, start, end);
    for (let k = 0; k < length; k++) open[k] = region.openLane(ids[start + k]);
    this.list = { ids, start, end, open };
    this.sample = this.list;
    this.scale = 1;
    if (length > SAMPLE) {
      const count = this.takeSample(ids, start, length);
      this.sample = { ids: this.sampleIds, start: 0, end: count, open: this.sampleOpen };
      this.scale = length / count;
    }
    this.findWindows(Math.min(maxSlots, SLOTS_OF_RULE * length));
    for (let i = 0; i < this.count; i++) {
      this.totals[i] = this.rate(this.sample, i, this.scale) * this.scale;
      this.scores[i] = this.score;
      this.largests[i] = this.largest;
    }
    return this.list;
  }

  /**
   * Takes rules by what they match, not by their place: a rule more or less in a list leaves the sample as it is, and so
   * most of the tree. Where that gives too few or too many of them, by their place. Answers with their number.
   */
  private takeSample(ids: Int32Array, start: number, length: number): number {
    const { sampleIds, sampleOpen, open } = this;
    const { hash } = this.rules;
    const step = Math.ceil(length / SAMPLE);
    let count = 0;
    for (let k = 0; k < length && count < SAMPLE_MAX; k++) {
      const rule = ids[start + k];
      if ((hash[rule] >>> 0) % step !== 0) continue;
      sampleIds[count] = rule;
      sampleOpen[count++] = open[k];
    }
    if (count >= SAMPLE_MIN && count < SAMPLE_MAX) return count;
    count = 0;
    for (let k = 0; k < length; k += step) {
      sampleIds[count] = ids[start + k];
      sampleOpen[count++] = open[k];
    }
    return count;
  }

  /** The best candidate whose children together hold at most `limit` rules, or null. */
  best(limit: number): Cut | null {
    this.limitFrom = 0;
    this.limitBelow = Infinity;
    for (let measured = 0; measured < MEASURED;) {
      let best = -1;
      for (let i = 0; i < this.count; i++) {
        if (this.isWithin(this.totals[i], limit) && (best < 0 || this.scores[i] > this.scores[best])) best = i;
      }
      if (best < 0 || this.scores[best] < MIN_SCORE) return null;
      if (this.sample === this.list) return this.cut(best);
      measured++;
      const total = this.rate(this.list, best, 1);
      if (this.isWithin(total, limit) && this.score >= MIN_SCORE) return this.cut(best);
      this.totals[best] = total;
      this.scores[best] = -1;
      this.largests[best] = this.largest;
    }
    return null;
  }

  private isWithin(total: number, limit: number): boolean {
    if (total <= limit) {
      if (total > this.limitFrom) this.limitFrom = total;
      return true;
    }
    if (total < this.limitBelow) this.limitBelow = total;
    return false;
  }

  /** The candidate that copies least among those that leave no child as full as the list, or null. */
  leastCopying(): { cut: Cut; total: number } | null {
    const length = this.list.end - this.list.start;
    let least = -1;
    for (let i = 0; i < this.count; i++) {
      if (Math.ceil(this.largests[i]) >= length) continue;
      if (least < 0 || this.totals[i] < this.totals[least]) least = i;
    }
    if (least < 0) return null;
    return { cut: this.cut(least), total: this.rate(this.list, least, 1) };
  }

  private cut(candidate: number): Cut {
    return { lane: this.lanes[candidate], shift: this.shifts[candidate], width: this.widths[candidate] };
  }

  /** Rules in all children of a candidate; sets `score` and `largest`. */
  private rate(list: RuleList, candidate: number, scale: number): number {
    const width = this.widths[candidate];
    const total = this.splitter.count(list, this.lanes[candidate], this.shifts[candidate], width);
    const listed = list.end - list.start;
    const { counts } = this.splitter;
    const size = 1 << width;
    const length = listed * scale;
    const full = this.leafBudget / scale;
    const fullLog = Math.log2(full);
    let largest = 0;
    let rest = 0; // halvings still to do, weighted by the share of rules
    for (let child = 0; child < size; child++) {
      const count = counts[child];
      if (count > largest) largest = count;
      if (count > full) rest += count * ((count < LOG2.length ? LOG2[count] : Math.log2(count)) - fullLog);
    }
    const progress = Math.log2(length / this.leafBudget) - rest / total;
    const copies = Math.max(0, Math.log2(total / listed));
    this.score = progress - 0.15 * copies - (0.05 * size) / length;
    this.largest = largest * scale;
    return total;
  }

  private findWindows(maxSlots: number): void {
    this.count = 0;
    const lanes = this.rules.lanes;
    for (let lane = 0; lane < lanes.length; lane++) {
      const { bits, mask } = lanes[lane];
      const free = (mask & ~this.region.known[lane]) >>> 0;
      const top = this.weighBits(lane, free);
      if (top < 0) continue;
      const first = this.count;
      for (const width of WIDTHS) {
        if (1 << width > maxSlots || width > bits) break;
        this.addWindow(lane, Math.max(0, top - width + 1), width, free, first);
        this.addWindow(lane, this.bestShift(bits, width, free), width, free, first);
      }
    }
  }

  private addWindow(lane: number, shift: number, width: number, free: number, first: number): void {
    if (shift < 0 || !isFree(free, shift, width)) return;
    for (let i = first; i < this.count; i++) {
      if (this.shifts[i] === shift && this.widths[i] === width) return;
    }
    this.lanes[this.count] = lane;
    this.shifts[this.count] = shift;
    this.widths[this.count++] = width;
  }

  /** Fills `balances`: how well each bit of a lane tells rules apart. The highest bit that does, or -1. */
  private weighBits(lane: number, free: number): number {
    const low = this.rules.low[lane];
    const high = this.rules.high[lane];
    const { ids, start, end } = this.sample;
    const first = ids[start];
    const firstFixed = fixedBits(low[first], high[first]);
    let varying = 0;
    for (let k = start; k < end; k++) {
      const rule = ids[k];
      varying |= (low[rule] ^ low[first]) | (fixedBits(low[rule], high[rule]) ^ firstFixed);
    }
    varying &= free;
    if (varying === 0) return -1;
    const { zeros, ones, balances } = this;
    zeros.fill(0);
    ones.fill(0);
    for (let k = start; k < end; k++) {
      const rule = ids[k];
      const value = low[rule];
      for (let rest = varying & fixedBits(value, high[rule]); rest !== 0;) {
        const bit = 31 - Math.clz32(rest);
        rest ^= 1 << bit;
        if (((value >>> bit) & 1) === 1) ones[bit]++;
        else zeros[bit]++;
      }
    }
    let top = -1;
    for (let bit = 0; bit < 32; bit++) {
      balances[bit] = Math.min(zeros[bit], ones[bit]) + 0.1 * Math.max(zeros[bit], ones[bit]);
      if (balances[bit] > 0) top = bit;
    }
    return top;
  }

  /** The shift at which `width` free bits tell most rules apart, or -1. */
  private bestShift(bits: number, width: number, free: number): number {
    const { balances } = this;
    let best = -1;
    let most = 0;
    for (let shift = 0; shift + width <= bits; shift++) {
      if (!isFree(free, shift, width)) continue;
      let sum = 0;
      for (let bit = shift; bit < shift + width; bit++) sum += balances[bit];
      if (sum > most) {
        most = sum;
        best = shift;
      }
    }
    return best;
  }
}

/** The leading bits in which all values of the range agree. */
function fixedBits(low: number, high: number): number {
  const differing = 32 - Math.clz32(low ^ high);
  return differing === 32 ? 0 : 0xffffffff << differing;
}

function isFree(free: number, shift: number, width: number): boolean {
  const bits = ((1 << width) - 1) << shift;
  return (free & bits) === bits;
}
