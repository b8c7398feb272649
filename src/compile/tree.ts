/**
 * A group of image rules → a decision tree of address-trie nodes and port-map nodes. Memory is bounded by a
 * replication budget: where cutting would cost more copies than are left, a longer leaf is the answer.
 */
import { CapacityError, MAX_FORCED_LEAF_RULES } from './capacity';
import { CutFinder } from './cut';
import type { RuleTable } from './expand';
import { isAddressLane } from './lane';
import { SLC_LIMITS, SLC_WORD_NONE } from '../abi/layout.gen';
import { childRegion, coversRegion, coversWithin, type Cut, reachedRegion, type Region, wholeRegion } from './region';
import type { RuleList } from './split';

/** Equal parts of a tree are one object. */
export type Tree =
  /** The region is wholly covered by one row, or empty (`SLC_WORD_NONE`). */
  | { readonly kind: 'terminal'; readonly word: number }
  /** Indices into the rule table, ascending by word, at least one. */
  | { readonly kind: 'leaf'; readonly rules: Int32Array }
  | { readonly kind: 'node'; readonly cut: Cut; readonly children: readonly Tree[] };

type Leaf = Extract<Tree, { kind: 'leaf' }>;

/** The tree of a group, and where memory was kept bounded by a longer leaf. */
export interface GrownTree {
  readonly root: Tree;
  /** Lengths of the leaves that are longer than `LONG_LEAF`. */
  readonly longLeaves: readonly number[];
}

/** Rules up to which a list becomes a leaf at once. */
const LEAF_BUDGET = { 4: 6, 6: 4 } as const;
/** Longer leaves are worth spending spare copies to avoid. */
const RELIEF_LEAF = 16;
/** Longer leaves are reported. */
export const LONG_LEAF = 62;
/** Copies of a rule that cutting may make on average, less where there are very many rules. */
const REPLICATION = 32;
const REPLICATED_RULES_MAX = 1 << 21;
/** Slots of nodes a rule may cost on average. */
const SLOTS_PER_RULE = 32;
/** Longest lists in which rules hidden by single earlier ones are looked for. */
const CLEANUP_RULES = 24;

/** Builds the tree of the rules in `group`. Throws `CapacityError` where not even a forced cut keeps it in bounds. */
export function growTree(rules: RuleTable, group: Int32Array, idOfWord: (word: number) => string): GrownTree {
  return new TreeBuilder(rules, group.length, idOfWord).build(group);
}

interface Remembered {
  readonly list: Int32Array;
  readonly region: Region;
  readonly tree: Tree;
  readonly height: number;
}

class TreeBuilder {
  private readonly rules: RuleTable;
  private readonly idOfWord: (word: number) => string;
  private readonly leafBudget: number;
  private readonly finder: CutFinder;
  private readonly replication: number;
  private readonly terminals = new Map<number, Tree>();
  private readonly leaves = new Map<number, Leaf[]>();
  private readonly memory = new Map<number, Remembered[]>();
  private readonly longLeaves: number[] = [];
  private slotsLeft: number;
  /** Copies that may be spent to shorten leaves where the replication budget is gone. */
  private spareCopies: number;
  private forcedCopies = 0;

  constructor(rules: RuleTable, size: number, idOfWord: (word: number) => string) {
    this.rules = rules;
    this.idOfWord = idOfWord;
    this.leafBudget = LEAF_BUDGET[rules.family];
    this.finder = new CutFinder(rules, this.leafBudget);
    this.replication = Math.max(2, Math.min(REPLICATION, REPLICATED_RULES_MAX / Math.max(1, size)));
    this.slotsLeft = SLOTS_PER_RULE * size + 1024;
    this.spareCopies = 4 * size;
  }

  build(group: Int32Array): GrownTree {
    const region = wholeRegion(this.rules.lanes);
    const settled = this.settle(group.slice(), region);
    const root = settled instanceof Int32Array ? this.grow(settled, region, 0, this.replication).tree : settled;
    return { root, longLeaves: this.longLeaves };
  }

  /** Ends the list at the first rule that hides all later ones; a terminal where one row covers the region, or none. */
  private settle(list: Int32Array, region: Region): Int32Array | Tree {
    if (list.length === 0) return this.terminal(SLC_WORD_NONE);
    const { word } = this.rules;
    const reached = reachedRegion(this.rules, list, region);
    const hiding = list.findIndex((rule) => coversRegion(this.rules, rule, reached));
    if (hiding >= 0) {
      // Rules of the same row right before it are no more than it is.
      let end = hiding;
      while (end > 0 && word[list[end - 1]] === word[list[hiding]]) end--;
      list[end] = list[hiding];
      list = list.subarray(0, end + 1);
    }
    if (coversRegion(this.rules, list[0], region)) return this.terminal(word[list[0]]);
    return list.length <= CLEANUP_RULES ? this.dropHidden(list, region) : list;
  }

  private dropHidden(list: Int32Array, region: Region): Int32Array {
    let kept = 1;
    for (let k = 1; k < list.length; k++) {
      let hidden = false;
      for (let i = 0; i < kept && !hidden; i++) hidden = coversWithin(this.rules, list[i], list[k], region);
      if (!hidden) list[kept++] = list[k];
    }
    return list.subarray(0, kept);
  }

  private grow(list: Int32Array, region: Region, depth: number, copies: number): { tree: Tree; height: number } {
    if (list.length <= this.leafBudget) return { tree: this.leaf(list), height: 0 };
    if (depth === SLC_LIMITS.MAX_STEPS) return { tree: this.longLeaf(list), height: 0 };
    const hash = hashList(region.known, hashList(list));
    const known = this.recall(hash, list, region);
    if (known && depth + known.height <= SLC_LIMITS.MAX_STEPS) return known;

    const rules = this.finder.prepare(list, region);
    const cut = this.chooseCut(rules, copies);
    if (!cut) return { tree: this.longLeaf(list), height: 0 };
    this.slotsLeft -= 1 << cut.width;
    const regions = Array.from({ length: 1 << cut.width }, (_, value) => childRegion(region, cut, value));
    const parts = this.finder.splitter.divide(rules, cut).map((part, value) => this.settle(part, regions[value]));
    const total = parts.reduce((sum, part) => sum + (part instanceof Int32Array ? part.length : 0), 0);
    const copiesLeft = Math.min(this.replication, (copies * list.length) / total);
    let height = 0;
    const children = parts.map((part, value) => {
      if (!(part instanceof Int32Array)) return part;
      const child = this.grow(part, regions[value], depth + 1, copiesLeft);
      height = Math.max(height, child.height);
      return child.tree;
    });
    const alike = children.every((child) => child === children[0]);
    const grown = alike ? { tree: children[0], height } : { tree: this.node(cut, children), height: height + 1 };
    this.remember(hash, { list, region, ...grown });
    return grown;
  }

  /** Null where a leaf is the better answer. */
  private chooseCut(rules: RuleList, copies: number): Cut | null {
    const { list } = rules;
    const forced = list.length > SLC_LIMITS.MAX_LEAF_RULES;
    const slots = forced ? Infinity : this.slotsLeft;
    if (slots < 2) return null;
    const candidates = this.finder.candidates(rules, slots);
    const best = this.finder.best(candidates, rules, list.length * Math.sqrt(copies));
    if (best) return best;
    if (list.length <= RELIEF_LEAF) return null;
    const least = this.finder.leastCopying(candidates, rules, forced);
    if (!least) return null;
    const extra = Math.max(0, least.total - list.length);
    if (extra <= this.spareCopies) {
      this.spareCopies -= extra;
      return least.cut;
    }
    if (!forced) return null;
    this.forcedCopies += extra;
    if (this.forcedCopies > MAX_FORCED_LEAF_RULES) {
      throw new CapacityError('copies of overlapping rules', this.forcedCopies, MAX_FORCED_LEAF_RULES, this.idOf(list));
    }
    return least.cut;
  }

  private terminal(word: number): Tree {
    let terminal = this.terminals.get(word);
    if (!terminal) this.terminals.set(word, (terminal = { kind: 'terminal', word }));
    return terminal;
  }

  private node(cut: Cut, children: readonly Tree[]): Tree {
    return { kind: 'node', cut, children };
  }

  private longLeaf(list: Int32Array): Leaf {
    if (list.length > SLC_LIMITS.MAX_LEAF_RULES) {
      throw new CapacityError('overlapping rules in one leaf', list.length, SLC_LIMITS.MAX_LEAF_RULES, this.idOf(list));
    }
    const leaf = this.leaf(list);
    if (list.length > LONG_LEAF) this.longLeaves.push(list.length);
    return leaf;
  }

  /** A leaf verifies every field of its rules, so equal lists share one wherever they stand. */
  private leaf(list: Int32Array): Leaf {
    const hash = hashList(list);
    const bucket = this.leaves.get(hash) ?? [];
    const known = bucket.find(({ rules }) => sameNumbers(rules, list));
    if (known) return known;
    const leaf: Leaf = { kind: 'leaf', rules: list.slice() };
    this.leaves.set(hash, [...bucket, leaf]);
    return leaf;
  }

  private remember(hash: number, entry: Remembered): void {
    const bucket = this.memory.get(hash);
    if (bucket) bucket.push(entry);
    else this.memory.set(hash, [entry]);
  }

  /**
   * A tree grown for an equal list serves another region when the same bits are known and ports and protocol are equal:
   * address lanes hold prefixes, and those of the list already agree with the known bits of both regions.
   */
  private recall(hash: number, list: Int32Array, region: Region): Remembered | undefined {
    return this.memory
      .get(hash)
      ?.find(
        (entry) =>
          sameNumbers(entry.list, list) &&
          sameNumbers(entry.region.known, region.known) &&
          this.rules.lanes.every((lane, i) => isAddressLane(lane) || entry.region.min[i] === region.min[i]),
      );
  }

  private idOf(list: Int32Array): string {
    return this.idOfWord(this.rules.word[list[0]]);
  }
}

function sameNumbers(a: Int32Array | Uint32Array, b: Int32Array | Uint32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** FNV-1a over 32-bit numbers; only ever a first guess, real lists are compared. */
function hashList(list: Int32Array | Uint32Array, seed = 0x811c9dc5): number {
  let hash = seed;
  for (const value of list) hash = Math.imul(hash ^ value, 0x01000193);
  return hash;
}
