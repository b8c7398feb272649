/**
 * Rows that would not fit, multiplied out: an exact trie of their destinations, one of their sources, or both, in front of
 * the rules of what is left of them. A part of the address space in which the same rows are left shares one tree, so that
 * a row takes the sum of its lists and not their product, and a list is there once for all rows that name it.
 */
import { SLC_LIMITS } from '../abi/layout.gen';
import type { Family, Prefix } from '../model/prefix';
import { CapacityError, MAX_IMAGE_RULES, MAX_IMAGE_SLOTS } from './capacity';
import { CLASS_LANES } from './class-tables';
import { growTree } from './tree';
import type { GrownTree, Tree } from './tree-memory';
import type { Crossing, RuleTable } from './expand';

/** Bits of a node: at most so many, and so many where it parts few networks; where there are two tries of IPv6 more. */
const BITS_MAX = 12;
const BITS_FEW = 4;
const BITS_FEW_OF_TWO = 8;
/** Nodes that are left to the trees below, whatever the tries take. */
const INNER_STEPS = 16;
/** Numbers in all sets of lists that are looked at: lists that all lie inside one another would take minutes. */
const MOST_REACHED = 1 << 26;

/** A network of a trie, and the list it belongs to, by number. */
interface Listed {
  readonly prefix: Prefix;
  readonly list: number;
}

/** Lists one of whose networks hold all of a part of the trie, ascending. */
interface Reached {
  readonly lists: readonly number[];
  readonly has: ReadonlySet<number>;
}

const NO_LIST: Reached = { lists: [], has: new Set() };

/** A trie on its way. */
interface Trie {
  readonly front: Front;
  /** What stands below a part of it, so many nodes below the root. */
  readonly below: (reached: Reached, depth: number) => Tree;
  /** Parts that one network reaches into, by its list and by its bits that are left. */
  readonly alone: Map<Reached, Map<number, Map<number, Tree>>>;
}

/**
 * The tree of the rules in `group` and of all crossings. Throws `CapacityError` where so many of them overlap that even
 * this is too much.
 */
export function growCrossed(rules: RuleTable, group: Int32Array): GrownTree {
  return new CrossingBuilder(rules, group).build();
}

class CrossingBuilder {
  private readonly destinations: Front;
  private readonly sources: Front;
  /** The least bits of a node. */
  private readonly few: number;
  /** Nodes of both tries on one path at most. */
  private readonly triesDepth: number;
  /** Roots of the tries of sources by what is reached of the destinations, and of the trees by what is of both. */
  private readonly bySource = new Map<string, Tree>();
  private readonly inner = new Map<string, GrownTree>();
  private innerRules = 0;
  private slots = 0;
  private readonly counted = new Set<Tree>();
  private reachedNumbers = 0;

  constructor(
    private readonly rules: RuleTable,
    private readonly group: Int32Array,
  ) {
    const { crossings, family } = rules;
    this.destinations = new Front(crossings, 'destinations', 0);
    this.sources = new Front(crossings, 'sources', CLASS_LANES[family].source);
    const tries = [this.destinations, this.sources].filter(({ networks }) => networks.length > 0).length;
    this.few = family === 6 && tries === 2 ? BITS_FEW_OF_TWO : BITS_FEW;
    this.triesDepth = tries * depthOf(family, this.few);
  }

  build(): GrownTree {
    const { destinations } = this;
    const below: Trie['below'] = (reached, depth) => this.sourcesBelow(reached, depth);
    const trie = { front: destinations, below, alone: new Map() };
    const root = this.grow(trie, destinations.networks, 0, NO_LIST, 0);
    const grown = [...this.inner.values()];
    return {
      root,
      longLeaves: grown.flatMap(({ longLeaves }) => longLeaves),
      leafRules: grown.reduce((sum, { leafRules }) => sum + leafRules, 0),
    };
  }

  /**
   * The part of a trie in which the first `known` bits are those of all `networks`, which reach into it; `active` are the
   * lists one of whose networks holds all of it.
   */
  private grow(trie: Trie, networks: readonly Listed[], known: number, active: Reached, depth: number): Tree {
    const reached = this.reachedBy(networks, known, active);
    const longer = networks.filter(({ prefix, list }) => prefix.length > known && !reached.has.has(list));
    if (longer.length === 0) return trie.below(reached, depth);
    const [{ prefix, list }] = longer;
    const word = known >> 5;
    if (longer.length > 1 || prefix.length > 32 * (word + 1)) return this.part(trie, longer, known, reached, depth);
    // Long lists end in networks that are alone, most of which are as another one is.
    const alone = entryOf(entryOf(trie.alone, reached), list);
    const bits = (prefix.words[word] & (0xffffffff >>> (known & 31))) >>> 0;
    const key = bits * 2 ** 14 + known * 2 ** 7 + prefix.length - 1;
    let tree = alone.get(key);
    if (!tree) alone.set(key, (tree = this.part(trie, longer, known, reached, depth)));
    return tree;
  }

  /** A node for networks that are longer than what is known, of lists that are not reached. */
  private part(trie: Trie, networks: readonly Listed[], known: number, reached: Reached, depth: number): Tree {
    const word = known >> 5;
    const width = this.widthFor(networks, known);
    const shift = 32 - (known & 31) - width;
    const size = 1 << width;
    const parts = new Array<Listed[] | undefined>(size);
    for (const network of networks) {
      const { words, length } = network.prefix;
      const first = (words[word] >>> shift) & (size - 1);
      // A network that ends within these bits holds several of the parts.
      const last = first + (length < known + width ? (1 << (known + width - length)) - 1 : 0);
      for (let part = first; part <= last; part++) (parts[part] ??= []).push(network);
    }
    const rest = trie.below(reached, depth + 1);
    const children = Array.from(parts, (part) =>
      part ? this.grow(trie, part, known + width, reached, depth + 1) : rest,
    );
    const node = this.rules.trees.node({ lane: trie.front.lane + word, shift, width }, children);
    this.count(node, size);
    return node;
  }

  /** Equal nodes are one, so most of those that part the last bits of hosts are there already. */
  private count(node: Tree, slots: number): void {
    if (this.counted.has(node)) return;
    this.counted.add(node);
    this.slots += slots;
    const { row } = this.rules.crossings[0];
    if (this.slots > MAX_IMAGE_SLOTS) throw new CapacityError('image slots', this.slots, MAX_IMAGE_SLOTS, row);
  }

  private reachedBy(networks: readonly Listed[], known: number, active: Reached): Reached {
    let has: Set<number> | null = null;
    for (const { prefix, list } of networks) {
      if (prefix.length > known || active.has.has(list)) continue;
      has ??= new Set(active.has);
      has.add(list);
    }
    if (!has) return active;
    this.reachedNumbers += has.size;
    if (this.reachedNumbers > MOST_REACHED)
      throw new CapacityError(
        'lists inside one another',
        this.reachedNumbers,
        MOST_REACHED,
        this.rules.crossings[0].row,
      );
    return { lists: [...has].sort((a, b) => a - b), has };
  }

  /** Not beyond the end of the word, nor of the longest network. */
  private widthFor(networks: readonly Listed[], known: number): number {
    const longest = networks.reduce((most, { prefix }) => Math.max(most, prefix.length), 0);
    const dense = Math.max(this.few, Math.min(BITS_MAX, Math.floor(Math.log2(networks.length)) + 1));
    return Math.min(dense, 32 - (known & 31), longest - known);
  }

  /** The trie of the sources of the rows that are left where these lists of destinations are reached. */
  private sourcesBelow(destinations: Reached, depth: number): Tree {
    const key = destinations.lists.join();
    const known = this.bySource.get(key);
    if (known) return known;
    const { sources } = this;
    const left = this.leftOf(destinations);
    const networks =
      left.size === sources.count ? sources.networks : sources.networks.filter(({ list }) => left.has(list));
    const below: Trie['below'] = (reached, at) => this.treeOf(destinations, reached, at);
    const tree = this.grow({ front: sources, below, alone: new Map() }, networks, 0, NO_LIST, depth);
    this.bySource.set(key, tree);
    return tree;
  }

  /** Lists of sources of the rows that are left where these lists of destinations are reached. */
  private leftOf(destinations: Reached): ReadonlySet<number> {
    const left = new Set<number>();
    for (const crossing of this.destinations.held(destinations)) {
      const list = this.sources.ofCrossing[crossing];
      if (list >= 0) left.add(list);
    }
    return left;
  }

  /** The tree of the group's rules and those of the rows that are left, as deep as there is room for. */
  private treeOf(destinations: Reached, sources: Reached, depth: number): Tree {
    const steps = Math.max(INNER_STEPS, SLC_LIMITS.MAX_STEPS - this.triesDepth);
    if (depth + steps > SLC_LIMITS.MAX_STEPS) throw new Error(`tries of networks are ${depth} nodes deep`);
    const key = `${destinations.lists.join()} ${sources.lists.join()}`;
    let grown = this.inner.get(key);
    if (!grown) {
      const { crossings } = this.rules;
      const list = mergeRules(
        this.group,
        this.leftOfBoth(destinations, sources).map((crossing) => crossings[crossing]),
      );
      this.innerRules += list.length;
      if (this.innerRules > MAX_IMAGE_RULES)
        throw new CapacityError('image rules', this.innerRules, MAX_IMAGE_RULES, crossings[0].row);
      grown = growTree(this.rules, list, steps);
      this.inner.set(key, grown);
    }
    return grown.root;
  }

  /** The rows that are left where these lists are reached; looks at those of the side that has fewer. */
  private leftOfBoth(destinations: Reached, sources: Reached): number[] {
    const byDestination = this.destinations.held(destinations);
    const bySource = this.sources.held(sources);
    return byDestination.length < bySource.length
      ? byDestination.filter((crossing) => this.sources.holds(crossing, sources))
      : bySource.filter((crossing) => this.destinations.holds(crossing, destinations));
  }
}

/** What stands in front of crossings on one side: lists of networks, each once. */
class Front {
  readonly networks: readonly Listed[];
  /** Number of the list of each crossing; negative: its addresses are in its rules. */
  readonly ofCrossing: readonly number[];
  /** Crossings by list, and those without one. */
  private readonly naming: number[][] = [];
  private readonly others: number[] = [];

  constructor(
    crossings: readonly Crossing[],
    side: 'destinations' | 'sources',
    readonly lane: number,
  ) {
    const numbers = new Map<readonly Prefix[], number>();
    this.ofCrossing = crossings.map((crossing, at) => {
      const list = crossing[side];
      if (!list) {
        this.others.push(at);
        return -1;
      }
      let number = numbers.get(list);
      if (number === undefined) numbers.set(list, (number = this.naming.push([]) - 1));
      this.naming[number].push(at);
      return number;
    });
    this.networks = [...numbers].flatMap(([prefixes, list]) => prefixes.map((prefix): Listed => ({ prefix, list })));
  }

  /** Lists. */
  get count(): number {
    return this.naming.length;
  }

  /** Whether rules of the crossing are left where these lists are reached. */
  holds(crossing: number, { has }: Reached): boolean {
    const list = this.ofCrossing[crossing];
    return list < 0 || has.has(list);
  }

  /** The crossings that `holds` is true for. */
  held({ lists }: Reached): number[] {
    return this.others.concat(...lists.map((list) => this.naming[list]));
  }
}

/** What a map of maps has for a key; nothing yet where it is new. */
function entryOf<Key, Inner, Value>(maps: Map<Key, Map<Inner, Value>>, key: Key): Map<Inner, Value> {
  let map = maps.get(key);
  if (!map) maps.set(key, (map = new Map<Inner, Value>()));
  return map;
}

/** Most nodes of a trie on one path: `few` bits each, and one more where a word ends. */
function depthOf(family: Family, few: number): number {
  return (family === 4 ? 1 : 4) * (32 / few);
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
