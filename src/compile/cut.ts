/** Where to cut a list of rules: candidate windows of all lanes, and what each would achieve. */
import type { RuleTable } from './expand';
import { type Cut, openLane, reachedRegion, type Region } from './region';
import { CUT_BITS_MAX, type RuleList, Splitter } from './split';

/** A cut with what it would do to the list it was made for. */
export interface Candidate {
  readonly cut: Cut;
  /** Levels of halving saved, less what copies and slots cost; larger is better. */
  readonly score: number;
  /** Rules in all children together. */
  readonly total: number;
  /** Rules in the fullest child. */
  readonly largest: number;
}

const WIDTHS = [1, 2, 3, 4, 5, 6, 8, 10, CUT_BITS_MAX];
/** Rules that are looked at to rate windows. */
const SAMPLE = 256;
/** Candidates that are measured exactly when the list is longer than the sample. */
const MEASURED = 4;
const MIN_SCORE = 0.05;

/** Finds cuts for lists of one table. */
export class CutFinder {
  readonly splitter: Splitter;
  private readonly rules: RuleTable;
  private readonly leafBudget: number;

  constructor(rules: RuleTable, leafBudget: number) {
    this.rules = rules;
    this.leafBudget = leafBudget;
    this.splitter = new Splitter(rules);
  }

  /** The list with what cuts of it need to know. */
  prepare(list: Int32Array, region: Region): RuleList {
    const reached = reachedRegion(this.rules, list, region);
    return { list, region, reached, open: Int8Array.from(list, (rule) => openLane(this.rules, rule, reached)) };
  }

  /** All candidates, best first. Figures are estimates where the list is longer than the sample. */
  candidates(rules: RuleList, maxSlots: number): Candidate[] {
    const { length } = rules.list;
    const step = Math.max(1, Math.ceil(length / SAMPLE));
    const sample =
      step === 1
        ? rules
        : {
            ...rules,
            list: rules.list.filter((_, k) => k % step === 0),
            open: rules.open.filter((_, k) => k % step === 0),
          };
    const scale = length / sample.list.length;
    return this.windows(sample.list, rules.region, Math.min(maxSlots, 4 * length))
      .map((cut) => this.rate(sample, cut, scale))
      .sort((a, b) => b.score - a.score);
  }

  /** The best candidate whose children together hold at most `limit` rules, or null. */
  best(candidates: readonly Candidate[], rules: RuleList, limit: number): Cut | null {
    let measured = 0;
    for (const candidate of candidates) {
      if (candidate.score < MIN_SCORE || measured === MEASURED) return null;
      if (candidate.total > limit) continue;
      if (rules.list.length <= SAMPLE) return candidate.cut;
      measured++;
      const exact = this.rate(rules, candidate.cut, 1);
      if (exact.total <= limit && exact.score >= MIN_SCORE) return candidate.cut;
    }
    return null;
  }

  /**
   * The candidate that copies least among those that leave no child as full as the list. Where there is none: null, or
   * with `force` the one that copies least at all.
   */
  leastCopying(candidates: readonly Candidate[], rules: RuleList, force: boolean): Candidate | null {
    const { length } = rules.list;
    const ascending = [...candidates].sort((a, b) => a.total - b.total);
    const least = ascending.find(({ largest }) => Math.ceil(largest) < length) ?? (force ? ascending.at(0) : undefined);
    return least ? this.rate(rules, least.cut, 1) : null;
  }

  private rate(rules: RuleList, cut: Cut, scale: number): Candidate {
    const total = this.splitter.count(rules, cut);
    const listed = rules.list.length;
    const { counts } = this.splitter;
    const size = 1 << cut.width;
    const length = listed * scale;
    let largest = 0;
    let rest = 0; // halvings still to do, weighted by the share of rules
    for (let child = 0; child < size; child++) {
      const count = counts[child];
      if (count > largest) largest = count;
      const over = (count * scale) / this.leafBudget;
      if (over > 1) rest += count * Math.log2(over);
    }
    const progress = Math.log2(length / this.leafBudget) - rest / total;
    const copies = Math.max(0, Math.log2(total / listed));
    const score = progress - 0.15 * copies - (0.05 * size) / length;
    return { cut, score, total: total * scale, largest: largest * scale };
  }

  private windows(sample: Int32Array, region: Region, maxSlots: number): Cut[] {
    const cuts: Cut[] = [];
    this.rules.lanes.forEach(({ bits, mask }, lane) => {
      const free = (mask & ~region.known[lane]) >>> 0;
      const balance = this.balance(sample, lane, free);
      if (balance === null) return;
      const topBit = balance.findLastIndex((value) => value > 0);
      const seen = new Set<number>();
      for (const width of WIDTHS) {
        if (1 << width > maxSlots || width > bits) break;
        for (const shift of [Math.max(0, topBit - width + 1), bestShift(balance, width, free)]) {
          if (shift < 0 || !isFree(free, shift, width) || seen.has(shift * 64 + width)) continue;
          seen.add(shift * 64 + width);
          cuts.push({ lane, shift, width });
        }
      }
    });
    return cuts;
  }

  /** How well each bit of a lane tells rules apart; null where none does. */
  private balance(sample: Int32Array, lane: number, free: number): number[] | null {
    const low = this.rules.low[lane];
    const high = this.rules.high[lane];
    const firstFixed = fixedBits(low[sample[0]], high[sample[0]]);
    let varying = 0;
    for (const rule of sample) {
      varying |= (low[rule] ^ low[sample[0]]) | (fixedBits(low[rule], high[rule]) ^ firstFixed);
    }
    varying &= free;
    if (varying === 0) return null;
    const { bits } = this.rules.lanes[lane];
    return Array.from({ length: bits }, (_, bit) => {
      if (((varying >>> bit) & 1) === 0) return 0;
      let zeros = 0;
      let ones = 0;
      for (const rule of sample) {
        if (((fixedBits(low[rule], high[rule]) >>> bit) & 1) === 0) continue;
        if (((low[rule] >>> bit) & 1) === 1) ones++;
        else zeros++;
      }
      return Math.min(zeros, ones) + 0.1 * Math.max(zeros, ones);
    });
  }
}

/** The leading bits in which all values of the range agree. */
function fixedBits(low: number, high: number): number {
  const differing = 32 - Math.clz32(low ^ high);
  return differing === 32 ? 0 : (0xffffffff << differing) >>> 0;
}

function isFree(free: number, shift: number, width: number): boolean {
  const bits = (((1 << width) - 1) << shift) >>> 0;
  return (free & bits) >>> 0 === bits;
}

/** The shift at which `width` free bits tell most rules apart, or -1. */
function bestShift(balance: readonly number[], width: number, free: number): number {
  let best = -1;
  let most = 0;
  for (let shift = 0; shift + width <= balance.length; shift++) {
    if (!isFree(free, shift, width)) continue;
    let sum = 0;
    for (let bit = shift; bit < shift + width; bit++) sum += balance[bit];
    if (sum > most) {
      most = sum;
      best = shift;
    }
  }
  return best;
}
