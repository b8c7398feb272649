/**
 * Trees that were grown, to be found again by what they were grown of. Equal trees are one object, so that an image holds
 * them once; and what was found, by comparing the real lists, is what growing it anew would give: a tree depends on
 * nothing but its list of rules, its region and its budgets.
 */
import { SLC_WORD_NONE } from '../abi/layout.gen';
import { type ClassTables, entriesOf } from './class-tables';
import { NO_RULE } from './known-rules';
import { hashNumbers, ListMemory } from './memory';
import type { Cut } from './region';

/** A decision tree of rules by number. Equal ones are one object. */
export type Tree =
  /** The region is wholly covered by the row that begins with rule `head`, or empty (`NO_RULE`). */
  | { readonly kind: 'terminal'; readonly id: number; readonly head: number }
  /** In first-match order, at least one. */
  | { readonly kind: 'leaf'; readonly id: number; readonly rules: readonly number[] }
  /** Of wide rules alone, in first-match order: never below a node. */
  | { readonly kind: 'classes'; readonly id: number; readonly rules: readonly number[]; readonly tables: ClassTables }
  | { readonly kind: 'node'; readonly id: number; readonly cut: Cut; readonly children: readonly Tree[] };

/** The tree of a group, and where memory was kept bounded by a longer leaf. */
export interface GrownTree {
  readonly root: Tree;
  /** Lengths of the leaves that are longer than `LONG_LEAF`. */
  readonly longLeaves: readonly number[];
  /** Rules in all leaves; equal leaves count once, and class tables by the memory they take. */
  readonly leafRules: number;
  /** Wide rules that would be class tables if these were not too large, and are in long leaves. */
  readonly untabled?: number;
}

/** Longer leaves are reported. */
export const LONG_LEAF = 62;

/** Numbers of class tables that take as much memory as a rule in a leaf. */
const ENTRIES_OF_RULE = 8;

/** What a tree may cost, where it begins to grow. */
export interface Budgets {
  /** Nodes on a path. */
  readonly steps: number;
  /** Copies of a rule that cutting may make on average. */
  readonly copies: number;
  /** Slots of nodes. */
  readonly slots: number;
  /** Copies that may be spent to shorten leaves where there are no others. */
  readonly spare: number;
}

/** What was grown, what of the budgets it took, and with which it would have been the same. */
export interface Grown {
  readonly tree: Tree;
  /** Nodes on the longest path that was tried: with as many steps, or more. */
  readonly reach: number;
  /** With from `copiesFrom` to `copiesTo` copies. */
  readonly copiesFrom: number;
  readonly copiesTo: number;
  /** With `slotsFrom` slots, or more. */
  readonly slots: number;
  readonly slotsFrom: number;
  /** With from `spareFrom` spare copies to less than `spareBelow`. */
  readonly spare: number;
  readonly spareFrom: number;
  readonly spareBelow: number;
}

/** The word a terminal leads to in an image. */
export function wordOfTerminal(
  { word }: { readonly word: Uint32Array },
  { head }: Tree & { kind: 'terminal' },
): number {
  return head === NO_RULE ? SLC_WORD_NONE : word[head];
}

const NO_NUMBERS = new Uint32Array(0);

/** The trees of one family, over numbers of one `KnownRules`. */
export class TreeMemory {
  private trees = 0;
  private readonly terminals = new Map<number, Tree>();
  private readonly leaves = new ListMemory<Tree>();
  private readonly nodes = new ListMemory<Tree>();
  private readonly grown = new ListMemory<Grown>();
  private readonly classTables = new ListMemory<{ readonly tree: Tree | null }>();
  private classEntries = 0;
  private readonly cutNumbers = new Uint32Array(3);
  private readonly figures = new WeakMap<Tree, GrownTree>();

  /** `leafBudget`: rules up to which a list becomes a leaf at once. */
  constructor(readonly leafBudget: number) {}

  /** Numbers that are remembered: 4 bytes each, and about as much again for what was made of them. */
  get size(): number {
    return this.leaves.size + this.nodes.size + this.grown.size + this.classTables.size + this.classEntries / 4;
  }

  terminal(head: number): Tree {
    let terminal = this.terminals.get(head);
    if (!terminal) this.terminals.set(head, (terminal = { kind: 'terminal', id: this.trees++, head }));
    return terminal;
  }

  /** A leaf verifies every field of its rules, so equal lists share one wherever they stand. */
  leaf(ids: Int32Array, start: number, length: number): Tree {
    const hash = hashNumbers(ids, start, start + length);
    const known = this.leaves.find(hash, ids, start, length, NO_NUMBERS);
    if (known) return known;
    const leaf: Tree = { kind: 'leaf', id: this.trees++, rules: Array.from(ids.subarray(start, start + length)) };
    this.leaves.add(hash, ids, start, length, NO_NUMBERS, leaf);
    return leaf;
  }

  /** `children` belong to the node from now on. */
  node(cut: Cut, children: readonly Tree[]): Tree {
    const ids = new Int32Array(children.length);
    for (let i = 0; i < ids.length; i++) ids[i] = children[i].id;
    this.cutNumbers[0] = cut.lane;
    this.cutNumbers[1] = cut.shift;
    this.cutNumbers[2] = cut.width;
    const hash = hashNumbers(ids, 0, ids.length, hashNumbers(this.cutNumbers, 0, this.cutNumbers.length));
    const known = this.nodes.find(hash, ids, 0, ids.length, this.cutNumbers);
    if (known) return known;
    const node: Tree = { kind: 'node', id: this.trees++, cut, children };
    this.nodes.add(hash, ids, 0, ids.length, this.cutNumbers, node);
    return node;
  }

  /**
   * The class tables of a list of rules; null where `make` finds that a tree is better. `room`: all else that this
   * depends on.
   */
  classes(list: Int32Array, room: number, make: () => ClassTables | null): Tree | null {
    const beside = Uint32Array.of(room);
    const hash = hashNumbers(list, 0, list.length, room);
    const known = this.classTables.find(hash, list, 0, list.length, beside);
    if (known) return known.tree;
    const tables = make();
    const tree: Tree | null = tables && { kind: 'classes', id: this.trees++, rules: Array.from(list), tables };
    if (tables) this.classEntries += entriesOf(tables);
    this.classTables.add(hash, list, 0, list.length, beside, { tree });
    return tree;
  }

  /** What is grown of the list in the region with these budgets, where it is known. */
  find(
    hash: number,
    ids: Int32Array,
    start: number,
    length: number,
    region: Uint32Array,
    { steps, copies, slots, spare }: Budgets,
  ): Grown | null {
    return this.grown.find(
      hash,
      ids,
      start,
      length,
      region,
      (grown) =>
        grown.reach <= steps &&
        grown.copiesFrom <= copies &&
        copies <= grown.copiesTo &&
        grown.slotsFrom <= slots &&
        grown.spareFrom <= spare &&
        spare < grown.spareBelow,
    );
  }

  add(hash: number, ids: Int32Array, start: number, length: number, region: Uint32Array, grown: Grown): void {
    this.grown.add(hash, ids, start, length, region, grown);
  }

  /** The figures of a tree. */
  measure(root: Tree): GrownTree {
    let known = this.figures.get(root);
    if (known) return known;
    const longLeaves: number[] = [];
    let leafRules = 0;
    const seen = new Set<Tree>();
    const look = (tree: Tree): void => {
      if (tree.kind === 'terminal' || seen.has(tree)) return;
      seen.add(tree);
      if (tree.kind === 'node') {
        tree.children.forEach(look);
        return;
      }
      if (tree.kind === 'classes') {
        leafRules += Math.ceil(entriesOf(tree.tables) / ENTRIES_OF_RULE);
        return;
      }
      leafRules += tree.rules.length;
      if (tree.rules.length > LONG_LEAF) longLeaves.push(tree.rules.length);
    };
    look(root);
    known = { root, longLeaves, leafRules };
    this.figures.set(root, known);
    return known;
  }
}
