/**
 * A group of image rules → a decision tree of address-trie nodes and port-map nodes. Memory is bounded by a
 * replication budget: where cutting would cost more copies than are left, a longer leaf is the answer.
 */
import { CutFinder } from './cut';
import type { RuleTable } from './expand';
import { isAddressLane } from './lane';
import { SLC_LIMITS, SLC_WORD_NONE } from '../abi/layout.gen';
import { hashNumbers, ListMemory } from './memory';
import { type Cut, Region } from './region';

/** Equal parts of a tree are one object. */
export type Tree =
  /** The region is wholly covered by one row, or empty (`SLC_WORD_NONE`). */
  | { readonly kind: 'terminal'; readonly word: number }
  /** Indices into the rule table, ascending by word, at least one. */
  | { readonly kind: 'leaf'; readonly rules: readonly number[] }
  | { readonly kind: 'node'; readonly cut: Cut; readonly children: readonly Tree[] };

/** The tree of a group, and where memory was kept bounded by a longer leaf. */
export interface GrownTree {
  readonly root: Tree;
  /** Lengths of the leaves that are longer than `LONG_LEAF`. */
  readonly longLeaves: readonly number[];
  /** Rules in all leaves; equal leaves count once. */
  readonly leafRules: number;
}

/** Rules up to which a list becomes a leaf at once. */
const LEAF_BUDGET = { 4: 6, 6: 4 } as const;
/** Longer leaves are worth spending spare copies to avoid. */
const RELIEF_LEAF = 16;
/** Longer leaves are reported. */
export const LONG_LEAF = 62;
/** Copies of a rule that cutting may make on average, less where there are very many rules. */
const REPLICATION = 32;
const REPLICATED_RULES_MAX = 1 << 19;
/** Copies of each rule, and copies in all, that may be spent where the replication budget is gone. */
const SPARE_COPIES = 4;
const SPARE_COPIES_MIN = 1 << 14;
/** Slots of nodes a rule may cost on average. */
const SLOTS_PER_RULE = 32;
/** Longest lists in which rules hidden by single earlier ones are looked for. */
const CLEANUP_RULES = 24;

/** Builds the tree of the rules in `group`, no deeper than `steps` nodes. */
export function growTree(rules: RuleTable, group: Int32Array, steps: number = SLC_LIMITS.MAX_STEPS): GrownTree {
  return new TreeBuilder(rules, group.length, steps).build(group);
}

const NO_REGION = new Uint32Array(0);
const NOTHING: Tree = { kind: 'terminal', word: SLC_WORD_NONE };
/** Length of a child that is a terminal: its list has ended. */
const TERMINAL = -1;

class TreeBuilder {
  private readonly rules: RuleTable;
  private readonly region: Region;
  private readonly leafBudget: number;
  private readonly finder: CutFinder;
  private readonly portLanes: readonly number[];
  private readonly replication: number;
  private readonly terminals = new Map<number, Tree>();
  private readonly leaves = new ListMemory<Tree>();
  private readonly nodes = new ListMemory<Tree>();
  /** What a tree depends on besides its list: known bits of all lanes, known values of ports and protocol. */
  private readonly regionNumbers: Uint32Array;
  private readonly longLeaves: number[] = [];
  /** Lists of all nodes between the root and where the work is, one behind the other, children as (start, length). */
  private arena: Int32Array;
  private leafRules = 0;
  private slotsLeft: number;
  /** Copies that may be spent to shorten leaves where the replication budget is gone. */
  private spareCopies: number;
  /** Nodes on the longest path of the tree that `grow` returned last. */
  private height = 0;

  constructor(
    rules: RuleTable,
    size: number,
    private readonly steps: number,
  ) {
    this.rules = rules;
    this.region = new Region(rules, rules.lanes);
    this.leafBudget = LEAF_BUDGET[rules.family];
    this.finder = new CutFinder(rules, this.region, this.leafBudget);
    this.portLanes = rules.lanes.flatMap((lane, i) => (isAddressLane(lane) ? [] : [i]));
    this.regionNumbers = new Uint32Array(rules.lanes.length + this.portLanes.length);
    this.replication = Math.max(2, Math.min(REPLICATION, REPLICATED_RULES_MAX / Math.max(1, size)));
    this.slotsLeft = SLOTS_PER_RULE * size + 1024;
    this.spareCopies = SPARE_COPIES * size + SPARE_COPIES_MIN;
    this.arena = new Int32Array(8 * size + 4096);
  }

  build(group: Int32Array): GrownTree {
    this.arena.set(group);
    const length = this.settle(0, group.length);
    const root =
      length === TERMINAL ? this.terminal(this.arena[0] >>> 0) : this.grow(0, length, length, 0, this.replication);
    return { root, longLeaves: this.longLeaves, leafRules: this.leafRules };
  }

  /**
   * Ends the list at the first rule that hides all later ones and answers with its length. `TERMINAL` where one row
   * covers the region, or none reaches it: its word is then in the place of the first rule (of no rule: see `divide`).
   */
  private settle(start: number, length: number): number {
    const { arena, region } = this;
    const { word } = this.rules;
    if (length === 0) {
      arena[start] = SLC_WORD_NONE | 0;
      return TERMINAL;
    }
    region.reach(arena, start, start + length);
    for (let k = start; k < start + length; k++) {
      if (!region.isReachedCovered(arena[k])) continue;
      // Rules of the same row right before it are no more than it is.
      const hiding = arena[k];
      while (k > start && word[arena[k - 1]] === word[hiding]) k--;
      arena[k] = hiding;
      length = k - start + 1;
    }
    if (region.isCovered(arena[start])) {
      arena[start] = word[arena[start]] | 0;
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

  /** The tree of the list at `start`; memory of the arena from `top` on is free. Sets `height`. */
  private grow(start: number, length: number, top: number, depth: number, copies: number): Tree {
    this.height = 0;
    if (length <= this.leafBudget) return this.leaf(start, length);
    if (depth === this.steps) return this.longLeaf(start, length);
    const hash = hashNumbers(
      this.region.known,
      0,
      this.region.known.length,
      hashNumbers(this.arena, start, start + length),
    );
    const known = this.nodes.find(hash, this.arena, start, length, this.readRegion());
    if (known >= 0 && depth + this.nodes.height(known) <= this.steps) {
      this.height = this.nodes.height(known);
      return this.nodes.get(known);
    }
    const cut = this.chooseCut(start, length, copies);
    if (!cut) return this.longLeaf(start, length);
    const size = 1 << cut.width;
    this.slotsLeft -= size;
    const { total, end } = this.divide(start, length, top, cut);
    const copiesLeft = Math.min(this.replication, (copies * length) / Math.max(1, total));
    const children = new Array<Tree>(size);
    let height = 0;
    let alike = true;
    for (let value = 0; value < size; value++) {
      const child = this.arena[top + 2 * value];
      const childLength = this.arena[top + 2 * value + 1];
      let tree: Tree;
      if (childLength === TERMINAL) {
        tree = this.terminal(child >>> 0);
      } else {
        this.region.enter(cut, value);
        tree = this.grow(child, childLength, end, depth + 1, copiesLeft);
        this.region.leave(cut);
        if (this.height > height) height = this.height;
      }
      children[value] = tree;
      alike &&= tree === children[0];
    }
    const tree: Tree = alike ? children[0] : { kind: 'node', cut, children };
    this.height = alike ? height : height + 1;
    this.nodes.add(hash, this.arena, start, length, this.readRegion(), tree, this.height);
    return tree;
  }

  /**
   * Divides the list; (start, length) of each child stand from `top` on, of a terminal (word, `TERMINAL`). Answers with
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
        arena[top + 2 * value] = SLC_WORD_NONE | 0;
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

  /** Null where a leaf is the better answer. */
  private chooseCut(start: number, length: number, copies: number): Cut | null {
    if (this.slotsLeft < 2) return null;
    this.finder.prepare(this.arena, start, start + length, this.slotsLeft);
    const best = this.finder.best(length * Math.sqrt(copies));
    if (best) return best;
    if (length <= RELIEF_LEAF) return null;
    const least = this.finder.leastCopying();
    if (!least) return null;
    const extra = Math.max(0, least.total - length);
    if (extra > this.spareCopies) return null;
    this.spareCopies -= extra;
    return least.cut;
  }

  private terminal(word: number): Tree {
    if (word === SLC_WORD_NONE) return NOTHING;
    let terminal = this.terminals.get(word);
    if (!terminal) this.terminals.set(word, (terminal = { kind: 'terminal', word }));
    return terminal;
  }

  private longLeaf(start: number, length: number): Tree {
    if (length > LONG_LEAF) this.longLeaves.push(length);
    return this.leaf(start, length);
  }

  /** A leaf verifies every field of its rules, so equal lists share one wherever they stand. */
  private leaf(start: number, length: number): Tree {
    const hash = hashNumbers(this.arena, start, start + length);
    const known = this.leaves.find(hash, this.arena, start, length, NO_REGION);
    if (known >= 0) return this.leaves.get(known);
    this.leafRules += length;
    const rules: number[] = [];
    for (let k = start; k < start + length; k++) rules.push(this.arena[k]);
    const leaf: Tree = { kind: 'leaf', rules };
    this.leaves.add(hash, this.arena, start, length, NO_REGION, leaf, 0);
    return leaf;
  }

  /**
   * A tree grown for an equal list serves another region when the same bits are known and ports and protocol are equal:
   * address lanes hold prefixes, and those of the list already agree with the known bits of both regions.
   */
  private readRegion(): Uint32Array {
    const { known, min } = this.region;
    this.regionNumbers.set(known);
    this.portLanes.forEach((lane, i) => {
      this.regionNumbers[known.length + i] = min[lane];
    });
    return this.regionNumbers;
  }
}
