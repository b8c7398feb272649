/**
 * Rows that join two long lists of networks, which multiplied out would not fit: an exact trie of their destinations,
 * below which stand the rules of their sources. A part of the address space in which the same rows are left shares one
 * tree, so that such a row takes the sum of its lists and not their product.
 */
import { SLC_LIMITS } from '../abi/layout.gen';
import type { Family, Prefix } from '../model/prefix';
import { CapacityError, MAX_IMAGE_RULES, MAX_IMAGE_SLOTS } from './capacity';
import { growTree } from './tree';
import type { GrownTree, Tree } from './tree-memory';
import type { Crossing, RuleTable } from './expand';

/** Bits of a node: at most so many, and so many where it parts few networks. */
const BITS_MAX = 12;
const BITS_FEW = 4;
/** Nodes that are left to the trees of sources, whatever the trie takes. */
const INNER_STEPS = 16;

/** A network of the trie, and the row it belongs to. */
interface Destination {
  readonly prefix: Prefix;
  readonly crossing: number;
}

/**
 * The tree of the rules in `group` and of all crossings. Throws `CapacityError` where so many of them overlap that even
 * this is too much.
 */
export function growCrossed(rules: RuleTable, group: Int32Array): GrownTree {
  return new CrossingBuilder(rules, group).build();
}

class CrossingBuilder {
  private readonly inner = new Map<string, GrownTree>();
  private innerRules = 0;
  private slots = 0;

  constructor(
    private readonly rules: RuleTable,
    private readonly group: Int32Array,
  ) {}

  build(): GrownTree {
    const destinations = this.rules.crossings.flatMap(({ destinations: list }, crossing) =>
      list.map((prefix): Destination => ({ prefix, crossing })),
    );
    const root = this.grow(destinations, 0, [], 0);
    const grown = [...this.inner.values()];
    return {
      root,
      longLeaves: grown.flatMap(({ longLeaves }) => longLeaves),
      leafRules: grown.reduce((sum, { leafRules }) => sum + leafRules, 0),
    };
  }

  /**
   * The part of the trie in which the first `known` bits are those of all `destinations`, which reach into it; `active`
   * are the crossings one of whose networks holds all of it.
   */
  private grow(destinations: readonly Destination[], known: number, active: readonly number[], depth: number): Tree {
    const covering = destinations.filter(({ prefix }) => prefix.length <= known).map(({ crossing }) => crossing);
    const reached = covering.length === 0 ? active : [...new Set([...active, ...covering])].sort((a, b) => a - b);
    const longer = destinations.filter(({ prefix, crossing }) => prefix.length > known && !reached.includes(crossing));
    if (longer.length === 0) return this.treeOf(reached, depth);
    const word = known >> 5;
    const width = this.widthFor(longer, known);
    const shift = 32 - (known & 31) - width;
    const size = 1 << width;
    this.slots += size;
    if (this.slots > MAX_IMAGE_SLOTS) throw new CapacityError('image slots', this.slots, MAX_IMAGE_SLOTS);
    const parts: Destination[][] = Array.from({ length: size }, () => []);
    for (const destination of longer) {
      const { words, length } = destination.prefix;
      const first = (words[word] >>> shift) & (size - 1);
      // A network that ends within these bits holds several of the parts.
      const last = first + (length < known + width ? (1 << (known + width - length)) - 1 : 0);
      for (let part = first; part <= last; part++) parts[part].push(destination);
    }
    const rest = this.treeOf(reached, depth + 1);
    const children = parts.map((part) =>
      part.length === 0 ? rest : this.grow(part, known + width, reached, depth + 1),
    );
    return this.rules.trees.node({ lane: word, shift, width }, children);
  }

  /** Not beyond the end of the word, nor of the longest network. */
  private widthFor(destinations: readonly Destination[], known: number): number {
    const longest = destinations.reduce((most, { prefix }) => Math.max(most, prefix.length), 0);
    const dense = Math.max(BITS_FEW, Math.min(BITS_MAX, Math.floor(Math.log2(destinations.length)) + 1));
    return Math.min(dense, 32 - (known & 31), longest - known);
  }

  /** The tree of the group's rules and those of the crossings, as deep as there is room for below `depth` nodes. */
  private treeOf(crossings: readonly number[], depth: number): Tree {
    const steps = Math.max(INNER_STEPS, SLC_LIMITS.MAX_STEPS - depthOf(this.rules.family));
    if (depth + steps > SLC_LIMITS.MAX_STEPS) throw new Error(`a trie of destinations is ${depth} nodes deep`);
    const key = crossings.join();
    let grown = this.inner.get(key);
    if (!grown) {
      const list = mergeRules(
        this.group,
        crossings.map((number) => this.rules.crossings[number]),
      );
      this.innerRules += list.length;
      if (this.innerRules > MAX_IMAGE_RULES) {
        throw new CapacityError('image rules', this.innerRules, MAX_IMAGE_RULES, this.rules.crossings[0].row);
      }
      grown = growTree(this.rules, list, steps);
      this.inner.set(key, grown);
    }
    return grown.root;
  }
}

/** Most nodes of the trie on one path: `BITS_FEW` each, and one more where a word ends. */
function depthOf(family: Family): number {
  return (family === 4 ? 1 : 4) * (32 / BITS_FEW);
}

/** The group and the rules of the crossings, ascending. */
function mergeRules(group: Int32Array, crossings: readonly Crossing[]): Int32Array {
  const size = crossings.reduce((sum, { first, end }) => sum + end - first, group.length);
  const list = new Int32Array(size);
  list.set(group);
  let at = group.length;
  for (const { first, end } of crossings) for (let rule = first; rule < end; rule++) list[at++] = rule;
  return list.sort();
}
