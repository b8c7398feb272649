/** What a packet takes on the longest path of a tree. */
import type { Family } from '../model/prefix';
import { cellsRead } from './class-tables';
import type { Tree } from './tree-memory';

export interface TreeCost {
  /** Nodes, and numbers of class tables. */
  readonly nodes: number;
  readonly leaves: number;
  readonly rules: number;
}

/** Longest path and longest leaf below a tree; `costs` remembers every part that was seen. */
export function worstOf(family: Family, tree: Tree, costs = new Map<Tree, TreeCost>()): TreeCost {
  const known = costs.get(tree);
  if (known) return known;
  let cost: TreeCost = { nodes: 0, leaves: 0, rules: 0 };
  if (tree.kind === 'leaf') cost = { nodes: 0, leaves: 1, rules: tree.rules.length };
  if (tree.kind === 'classes') cost = { nodes: cellsRead(family, tree.tables), leaves: 0, rules: 0 };
  if (tree.kind === 'node') {
    for (const child of tree.children) {
      const { nodes, leaves, rules } = worstOf(family, child, costs);
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
