/** Image rules of a family → the trees of its groups. Where groups turn out badly others are tried. */
import { SLC_LIMITS } from '../abi/layout.gen';
import type { Family } from '../model/prefix';
import { cellsRead, placeOf } from './class-tables';
import { classTables, roomFor } from './classes';
import { growCrossed } from './crossing';
import type { RuleTable } from './expand';
import { leastWord } from './least';
import { isOneGroup, partition } from './partition';
import { growTree } from './tree';
import { worstOf } from './tree-cost';
import { type GrownTree, type Tree, wordOfTerminal } from './tree-memory';

/** Prefix lengths from which on a prefix is narrow: the first unless a later one is cheaper. */
const NARROW: Readonly<Record<Family, readonly number[]>> = { 4: [16, 8], 6: [32, 24] };
/** Where packets cost no more, and no leaf is longer, no other groups are tried: growing trees takes time. */
const ACCEPTED_COST = 75;
const ACCEPTED_LEAF = 128;
/** Where class tables cost no more trees of wide rules are not tried. */
const TOLERATED_COST = 150;
/** Up to so many wide rules a tree is no dearer than class tables, and takes less memory; up to so many it can be. */
const FEW_WIDE_RULES = 12;
const COMPARED_WIDE_RULES = 128;
/**
 * A server of no more rules has no class tables: there are thousands of such, so each is to take little memory, and few of
 * its cache lines are to be far away.
 */
const SMALL_SERVER_RULES = 1 << 10;
/** Where the leaves of a tree that takes the place of tables are no longer, nobody need know. */
const TOLD_LEAF = 16;
/** Wide rules that are no more than one in so many of all may be copied so often where there are no tables of them. */
const FEW_OF_ALL = 4;
const COPIES_OF_FEW = 128;
/** Packets a forest is rated with. */
const PACKETS = 384;
/** What a step of a walk costs, roughly in nanoseconds: a node, a leaf that is read, a rule that is compared. */
const NODE_COST = 4;
const LEAF_COST = 7;
const RULE_COST = 2.5;
/** The same of a number of class tables: several fields at once. */
const CELL_COST = 1.5;
/** What it costs when leaves take twice as many bytes, from so many rules on: fewer of them are in a near cache. */
const DOUBLING_COST = 10;
const CACHED_RULES = 1 << 15;

/** The trees of the groups, in the order of `slc_roots`. `isServer`: of a server, or of what finds them. */
export function growForest(rules: RuleTable, isServer: boolean): GrownTree[] {
  let best: GrownTree[] = [];
  let bestCost = Infinity;
  const isSmall = isServer && rules.order.length <= SMALL_SERVER_RULES;
  // Groups whose wide rules become class tables come first: others leave them in long leaves.
  const ways = rules.crossings.length > 0 ? [growCrossed] : isSmall ? [growTree] : [growBounded, growUnbounded];
  for (const grow of ways) {
    for (const narrow of NARROW[rules.family]) {
      const [destinations, sources, group] = partition(rules, narrow);
      const wide = grow(rules, group);
      if (!wide) continue;
      const forest = [growTree(rules, destinations), growTree(rules, sources), wide];
      const cost = costOf(rules, forest);
      if (cost < bestCost) [best, bestCost] = [forest, cost];
      const longest = forest
        .flatMap(({ longLeaves }) => longLeaves)
        .reduce((most, length) => Math.max(most, length), 0);
      if (cost <= ACCEPTED_COST && longest <= ACCEPTED_LEAF) return best;
    }
    if (bestCost <= TOLERATED_COST) return best;
  }
  return best;
}

/**
 * Wide rules as class tables, or as a tree where they are few or its longest path is no dearer; null where there are too
 * many for tables.
 */
function growBounded(rules: RuleTable, group: Int32Array): GrownTree | null {
  if (group.length <= FEW_WIDE_RULES) return growTree(rules, group);
  const tables = tablesOf(rules, group);
  if (!tables || group.length > COMPARED_WIDE_RULES) return tables && rules.trees.measure(tables);
  const tree = growTree(rules, group);
  return worstCost(rules, tree.root) <= worstCost(rules, tables) ? tree : rules.trees.measure(tables);
}

/**
 * Wide rules as a tree, which says so where it has longer leaves since tables were not to be had. Its rules are then copied
 * more often than others, if they are few beside them: many of them meet, and long leaves cost more than their memory.
 */
function growUnbounded(rules: RuleTable, group: Int32Array): GrownTree {
  if (group.length <= FEW_WIDE_RULES || isOneGroup(rules) || tablesOf(rules, group)) return growTree(rules, group);
  const isFew = FEW_OF_ALL * group.length < rules.order.length;
  const tree = isFew ? growTree(rules, group, SLC_LIMITS.MAX_STEPS, COPIES_OF_FEW) : growTree(rules, group);
  return worstOf(rules.family, tree.root).rules > TOLD_LEAF ? { ...tree, untabled: group.length } : tree;
}

function tablesOf(rules: RuleTable, group: Int32Array): Tree | null {
  const room = roomFor(rules.order.length);
  return rules.trees.classes(group, room, () => classTables(rules, group, room));
}

function worstCost({ family }: RuleTable, tree: Tree): number {
  const { nodes, leaves, rules } = worstOf(family, tree);
  return (tree.kind === 'classes' ? CELL_COST : NODE_COST) * nodes + LEAF_COST * leaves + RULE_COST * rules;
}

/** Mean cost of packets that are spread over the rules, and of memory. */
function costOf(rules: RuleTable, forest: readonly GrownTree[]): number {
  const key = new Uint32Array(rules.lanes.length);
  const least = forest.map(({ root }) => leastWord(rules, root));
  const packets = Math.min(PACKETS, rules.order.length);
  let cost = 0;
  let noise = 1;
  for (let i = 0; i < packets; i++) {
    const rule = rules.order[Math.floor((i * rules.order.length) / packets)];
    for (let lane = 0; lane < key.length; lane++) {
      noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0;
      const low = rules.low[lane][rule];
      key[lane] = low + Math.floor((noise / 2 ** 32) * (rules.high[lane][rule] - low + 1));
    }
    cost += walk(rules, forest, least, key);
  }
  const stored = forest.reduce((sum, { leafRules }) => sum + leafRules, 0);
  return cost / Math.max(1, packets) + DOUBLING_COST * Math.max(0, Math.log2(stored / CACHED_RULES));
}

function walk(rules: RuleTable, forest: readonly GrownTree[], least: readonly number[], key: Uint32Array): number {
  let cost = 0;
  let best = Infinity;
  for (const [i, { root }] of forest.entries()) {
    if (best <= least[i]) continue;
    let tree: Tree = root;
    for (; tree.kind === 'node'; cost += NODE_COST) {
      const { lane, shift, width }: { lane: number; shift: number; width: number } = tree.cut;
      tree = tree.children[(key[lane] >>> shift) & ((1 << width) - 1)];
    }
    if (tree.kind === 'terminal') best = Math.min(best, wordOfTerminal(rules, tree));
    else if (rules.word[tree.rules[0]] >= best) continue;
    else if (tree.kind === 'classes') {
      cost += CELL_COST * cellsRead(rules.family, tree.tables);
      const place = placeOf(rules.family, tree.tables, key);
      if (place < tree.rules.length) best = Math.min(best, rules.word[tree.rules[place]]);
    } else {
      cost += LEAF_COST;
      for (const rule of tree.rules) {
        if (rules.word[rule] >= best) break;
        cost += RULE_COST;
        if (!key.every((value, lane) => rules.low[lane][rule] <= value && value <= rules.high[lane][rule])) continue;
        best = rules.word[rule];
        break;
      }
    }
  }
  return cost;
}
