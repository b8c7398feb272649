/**
 * A group of image rules → a decision tree of address-trie nodes and port-map nodes. Memory is bounded by a
 * replication budget: where cutting would cost more copies than are left, a longer leaf is the answer.
 */
import { SLC_LIMITS } from '../abi/layout.gen';
import { CutFinder, SLOTS_OF_RULE } from './cut';
import type { RuleTable } from './expand';
import { NO_RULE } from './known-rules';
import { hashNumbers } from './memory';
import { type Cut, Region } from './region';
import type { Grown, GrownTree, Tree, TreeMemory } from './tree-memory';

/** Longer leaves are worth spending spare copies to avoid. */
const RELIEF_LEAF = 16;
/** Copies of a rule that cutting may make on average, less where there are very many rules. */
const REPLICATION = 32;
const REPLICATED_RULES_MAX = 1 << 19;
/** Steps of that: a rule more or less is not to change what trees depend on. */
const REPLICATION_STEP = 0.5;
/** Copies of each rule, and copies in all, that may be spent where the replication budget is gone. */
const SPARE_COPIES = 4;
const SPARE_COPIES_MIN = 1 << 14;
/** Slots of nodes a rule may cost on average. */
const SLOTS_PER_RULE = 32;
/** Longest lists in which rules hidden by single earlier ones are looked for. */
const CLEANUP_RULES = 24;

/** Builds the tree of the rules in `group`, no deeper than `steps` nodes; `copies` of a rule on average, less of very many. */
export function growTree(
  rules: RuleTable,
  group: Int32Array,
  steps: number = SLC_LIMITS.MAX_STEPS,
  copies: number = REPLICATION,
): GrownTree {
  if (group.length === 0) return rules.trees.measure(rules.trees.terminal(NO_RULE));
  return rules.trees.measure(new TreeBuilder(rules, group.length, steps, copies).build(group));
}

/** Length of a child that is a terminal: its list has ended. */
const TERMINAL = -1;
/** Bounds of budgets are kept so much on the safe side, since they are computed backwards. */
const CAUTION = 1e-9;

class TreeBuilder {
  private readonly rules: RuleTable;
  private readonly memory: TreeMemory;
  private readonly region: Region;
  private readonly leafBudget: number;
  private readonly finder: CutFinder;
  private readonly replication: number;
  /** What a tree depends on besides its list: the region's known bits and their values, and the replication budget. */
  private readonly regionNumbers: Uint32Array;
  /** Lists of all nodes between the root and where the work is, one behind the other, children as (start, length). */
  private arena: Int32Array;
  private slotsLeft: number;
  /** Copies that may be spent to shorten leaves where the replication budget is gone. */
  private spareCopies: number;
  /** With which budgets the tree that `grow` returned last would have been the same; null: with no others. */
  private bounds: Bounds | null = ANY_BUDGET;

  constructor(
    rules: RuleTable,
    size: number,
    private readonly steps: number,
    copies: number,
  ) {
    this.rules = rules;
    this.memory = rules.trees;
    this.region = new Region(rules, rules.lanes);
    this.leafBudget = rules.trees.leafBudget;
    this.finder = new CutFinder(rules, this.region, this.leafBudget);
    const replication = Math.min(copies, REPLICATED_RULES_MAX / size);
    this.replication = Math.max(2, Math.floor(replication / REPLICATION_STEP) * REPLICATION_STEP);
    this.regionNumbers = new Uint32Array(2 * rules.lanes.length + 1);
    this.regionNumbers[2 * rules.lanes.length] = this.replication / REPLICATION_STEP;
    this.slotsLeft = SLOTS_PER_RULE * (copies / REPLICATION) * size + 1024;
    this.spareCopies = SPARE_COPIES * size + SPARE_COPIES_MIN;
    this.arena = new Int32Array(8 * size + 256);
  }

  build(group: Int32Array): Tree {
    this.arena.set(group);
    const length = this.settle(0, group.length);
    return length === TERMINAL
      ? this.memory.terminal(this.arena[0])
      : this.grow(0, length, length, 0, this.replication);
  }

  /**
   * Ends the list at the first rule that hides all later ones and answers with its length. `TERMINAL` where one row
   * covers the region, or none reaches it: the row's first rule is then in the place of the first (of none: see `divide`).
   */
  private settle(start: number, length: number): number {
    const { arena, region } = this;
    const { head } = this.rules;
    if (length === 0) {
      arena[start] = NO_RULE;
      return TERMINAL;
    }
    region.reach(arena, start, start + length);
    for (let k = start; k < start + length; k++) {
      if (!region.isReachedCovered(arena[k])) continue;
      // Rules of the same row right before it are no more than it is.
      const hiding = arena[k];
      while (k > start && head[arena[k - 1]] === head[hiding]) k--;
      arena[k] = hiding;
      length = k - start + 1;
    }
    if (region.isCovered(arena[start])) {
      arena[start] = head[arena[start]];
      return TERMINAL;
    }
    return length <= CLEANUP_RULES ? this.dropHidden(start, length) : length;
  }

  private dropHidden(start: number, length: number): number {
    const { arena, region } = this;
    let kept = start + 1;
    for (let k = start + 1; k < start + length; k++) {
      let hidden = false;
      for (let i = start; i < kept && !hidden; i++) hidden = region.hides(arena[i], arena[k]);
      if (!hidden) arena[kept++] = arena[k];
    }
    return kept - start;
  }

  /** The tree of the list at `start`; memory of the arena from `top` on is free. Sets `bounds`. */
  private grow(start: number, length: number, top: number, depth: number, copies: number): Tree {
    this.bounds = ANY_BUDGET;
    if (length <= this.leafBudget) return this.memory.leaf(this.arena, start, length);
    if (depth === this.steps) {
      this.bounds = null;
      return this.memory.leaf(this.arena, start, length);
    }
    const { regionNumbers, region } = this;
    regionNumbers.set(region.known);
    regionNumbers.set(region.min, region.known.length);
    const hash = hashNumbers(regionNumbers, 0, regionNumbers.length, hashNumbers(this.arena, start, start + length));
    const budgets = { steps: this.steps - depth, copies, slots: this.slotsLeft, spare: this.spareCopies };
    const known = this.memory.find(hash, this.arena, start, length, regionNumbers, budgets);
    if (known) {
      this.slotsLeft -= known.slots;
      this.spareCopies -= known.spare;
      this.bounds = known;
      return known.tree;
    }
    const tree = this.growNew(start, length, top, depth, copies);
    const bounds = this.bounds as Bounds | null;
    if (!bounds) return tree;
    regionNumbers.set(region.known);
    regionNumbers.set(region.min, region.known.length);
    const slots = budgets.slots - this.slotsLeft;
    const spare = budgets.spare - this.spareCopies;
    this.memory.add(hash, this.arena, start, length, regionNumbers, { tree, slots, spare, ...bounds });
    return tree;
  }

  private growNew(start: number, length: number, top: number, depth: number, copies: number): Tree {
    const slotsBefore = this.slotsLeft;
    const spareBefore = this.spareCopies;
    const cut = this.chooseCut(start, length, copies);
    const bounds: Writable<Bounds> | null = this.bounds && { ...this.bounds };
    if (!cut) return this.memory.leaf(this.arena, start, length);
    const size = 1 << cut.width;
    this.slotsLeft -= size;
    const { total, end } = this.divide(start, length, top, cut);
    const share = length / Math.max(1, total);
    const copiesLeft = Math.min(this.replication, copies * share);
    const children = new Array<Tree>(size);
    let alike = true;
    let everyBudget = bounds !== null;
    for (let value = 0; value < size; value++) {
      const child = this.arena[top + 2 * value];
      const childLength = this.arena[top + 2 * value + 1];
      let tree: Tree;
      if (childLength === TERMINAL) {
        tree = this.memory.terminal(child);
      } else if (childLength <= this.leafBudget) {
        tree = this.memory.leaf(this.arena, child, childLength);
      } else {
        const slotsTaken = slotsBefore - this.slotsLeft;
        const spareTaken = spareBefore - this.spareCopies;
        this.region.enter(cut, value);
        tree = this.grow(child, childLength, end, depth + 1, copiesLeft);
        this.region.leave(cut);
        const below = this.bounds;
        if (below && bounds) {
          bounds.reach = Math.max(bounds.reach, below.reach);
          bounds.copiesFrom = Math.max(bounds.copiesFrom, (below.copiesFrom / share) * (1 + CAUTION));
          if (below.copiesTo < this.replication)
            bounds.copiesTo = Math.min(bounds.copiesTo, (below.copiesTo / share) * (1 - CAUTION));
          bounds.slotsFrom = Math.max(bounds.slotsFrom, below.slotsFrom + slotsTaken);
          bounds.spareFrom = Math.max(bounds.spareFrom, below.spareFrom + spareTaken);
          bounds.spareBelow = Math.min(bounds.spareBelow, below.spareBelow + spareTaken);
        } else {
          everyBudget = false;
        }
      }
      children[value] = tree;
      alike &&= tree === children[0];
    }
    this.bounds = null;
    if (bounds && everyBudget) {
      bounds.reach++;
      // What it was grown with is right, whatever caution says.
      bounds.copiesFrom = Math.min(bounds.copiesFrom, copies);
      bounds.copiesTo = Math.max(bounds.copiesTo, copies);
      this.bounds = bounds;
    }
    return alike ? children[0] : this.memory.node(cut, children);
  }

  /**
   * Divides the list; (start, length) of each child stand from `top` on, of a terminal (its row's first rule, `TERMINAL`). Answers with
   * the rules left in all of them and the first free place behind.
   */
  private divide(start: number, length: number, top: number, cut: Cut): { total: number; end: number } {
    const size = 1 << cut.width;
    const { counts } = this.finder.splitter;
    const { open } = this.finder;
    const list = { ids: this.arena, start, end: start + length, open };
    const counted = this.finder.splitter.count(list, cut.lane, cut.shift, cut.width);
    // An empty child needs a place for its word.
    const at = top + 2 * size;
    this.reserve(at + counted + 1);
    const { arena } = this;
    let place = at;
    for (let value = 0; value < size; value++) {
      arena[top + 2 * value] = place;
      arena[top + 2 * value + 1] = counts[value];
      place += counts[value];
    }
    this.finder.splitter.divide({ ids: arena, start, end: start + length, open }, cut, arena, at);
    let total = 0;
    for (let value = 0; value < size; value++) {
      if (arena[top + 2 * value + 1] === 0) {
        arena[top + 2 * value] = NO_RULE;
        arena[top + 2 * value + 1] = TERMINAL;
        continue;
      }
      this.region.enter(cut, value);
      const settled = this.settle(arena[top + 2 * value], arena[top + 2 * value + 1]);
      this.region.leave(cut);
      arena[top + 2 * value + 1] = settled;
      if (settled === TERMINAL) arena[top + 2 * value] = arena[arena[top + 2 * value]];
      else total += settled;
    }
    return { total, end: place };
  }

  private reserve(length: number): void {
    if (length <= this.arena.length) return;
    const grown = new Int32Array(2 * length);
    grown.set(this.arena);
    this.arena = grown;
  }

  /** Null where a leaf is the better answer. Sets `bounds` to the budgets with which the answer is the same. */
  private chooseCut(start: number, length: number, copies: number): Cut | null {
    this.bounds = null;
    if (this.slotsLeft < 2) return null;
    const { finder, slotsLeft, spareCopies } = this;
    finder.prepare(this.arena, start, start + length, slotsLeft);
    const best = finder.best(length * Math.sqrt(copies));
    const bounds: Writable<Bounds> = {
      ...ANY_BUDGET,
      copiesFrom: Math.min(copies, (finder.limitFrom / length) ** 2 * (1 + CAUTION)),
      copiesTo: Math.max(copies, (finder.limitBelow / length) ** 2 * (1 - CAUTION)),
      slotsFrom: SLOTS_OF_RULE * length,
    };
    if (slotsLeft >= bounds.slotsFrom) this.bounds = bounds;
    if (best) return best;
    if (length <= RELIEF_LEAF) return null;
    const least = finder.leastCopying();
    if (!least) return null;
    const extra = Math.max(0, least.total - length);
    if (extra > spareCopies) {
      bounds.spareBelow = extra;
      return null;
    }
    bounds.spareFrom = extra;
    this.spareCopies -= extra;
    return least.cut;
  }
}

type Bounds = Omit<Grown, 'tree' | 'slots' | 'spare'>;
type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const ANY_BUDGET: Bounds = {
  ...{ reach: 0, copiesFrom: 0, copiesTo: Infinity, slotsFrom: 0 },
  ...{ spareFrom: 0, spareBelow: Infinity },
};
