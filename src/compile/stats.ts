/** Machine-independent cost and size figures of the trees of an image. */
import type { Family } from '../model/prefix';
import type { FamilyTrees } from './pack';
import type { ImageStats } from './image';
import { isAddressLane } from './lane';
import { GROUP_NAMES } from './partition';
import { type GrownTree, LONG_LEAF, type Tree } from './tree';

interface TreeCost {
  readonly nodes: number;
  readonly leaves: number;
  readonly rules: number;
}

/** Counts what is stored once, once; worst cases follow every path. `rows` is the number of written rows. */
export function imageStats(
  rows: number,
  bytes: number,
  families: Readonly<Record<Family, FamilyTrees>>,
  grown: Readonly<Record<Family, readonly GrownTree[]>>,
): ImageStats {
  const totals = { lpmEntries: 0, portEntries: 0, leaves: 0, leafRules: 0, longestLeaf: 0 };
  const worst = { nodes: 0, leaves: 0, rules: 0 };
  for (const { rules, trees } of [families[4], families[6]]) {
    const costs = new Map<Tree, TreeCost>();
    const sum = { nodes: 0, leaves: 0, rules: 0 };
    for (const tree of trees) {
      const cost = costOf(tree, costs);
      sum.nodes += cost.nodes;
      sum.leaves += cost.leaves;
      sum.rules += cost.rules;
    }
    for (const tree of costs.keys()) {
      if (tree.kind === 'leaf') {
        totals.leaves++;
        totals.leafRules += tree.rules.length;
        totals.longestLeaf = Math.max(totals.longestLeaf, tree.rules.length);
      } else if (tree.kind === 'node') {
        if (isAddressLane(rules.lanes[tree.cut.lane])) totals.lpmEntries += tree.children.length;
        else totals.portEntries += tree.children.length;
      }
    }
    worst.nodes = Math.max(worst.nodes, sum.nodes);
    worst.leaves = Math.max(worst.leaves, sum.leaves);
    worst.rules = Math.max(worst.rules, sum.rules);
  }
  return {
    rules: rows,
    expandedRules: families[4].rules.count + families[6].rules.count,
    bytes,
    ...totals,
    worstCase: worst,
    fallbacks: [...describeFallbacks(4, grown[4]), ...describeFallbacks(6, grown[6])],
  };
}

/** Longest path and longest leaf below a tree; `costs` remembers every part that was seen. */
function costOf(tree: Tree, costs: Map<Tree, TreeCost>): TreeCost {
  const known = costs.get(tree);
  if (known) return known;
  let cost: TreeCost = { nodes: 0, leaves: 0, rules: 0 };
  if (tree.kind === 'leaf') cost = { nodes: 0, leaves: 1, rules: tree.rules.length };
  if (tree.kind === 'node') {
    for (const child of tree.children) {
      const { nodes, leaves, rules } = costOf(child, costs);
      cost = {
        nodes: Math.max(cost.nodes, nodes + 1),
        leaves: Math.max(cost.leaves, leaves),
        rules: Math.max(cost.rules, rules),
      };
    }
  }
  costs.set(tree, cost);
  return cost;
}

function describeFallbacks(family: Family, grown: readonly GrownTree[]): string[] {
  return grown.flatMap(({ longLeaves }, group) => {
    if (longLeaves.length === 0) return [];
    const leaves = longLeaves.length === 1 ? '1 leaf' : `${longLeaves.length} leaves`;
    const longest = Math.max(...longLeaves);
    return [
      `ipv${family}, ${GROUP_NAMES[group]}: ${leaves} of more than ${LONG_LEAF} rules, the longest has ${longest}`,
    ];
  });
}
