/** Machine-independent cost and size figures of the trees of an image. */
import { SLC_ENTRY } from '../abi/layout.gen';
import type { Family } from '../model/prefix';
import type { Crossing } from './expand';
import type { FamilyTrees } from './pack';
import type { ImageStats } from './image';
import { isAddressLane } from './lane';
import { GROUP_NAMES } from './partition';
import { sectionLabel } from './sections';
import { type GrownTree, LONG_LEAF, type Tree } from './tree-memory';

interface TreeCost {
  readonly nodes: number;
  readonly leaves: number;
  readonly rules: number;
}

/** What the figures of a section are taken from. */
export interface SectionTrees {
  readonly families: Readonly<Record<Family, FamilyTrees>>;
  readonly grown: Readonly<Record<Family, readonly GrownTree[]>>;
}

/** Sections that one packet can be judged by: of those that come in, and of those that go out. */
const WALKED: readonly (readonly number[])[] = [
  [SLC_ENTRY.KEEP_REACHABLE, SLC_ENTRY.GUARD_IN, SLC_ENTRY.INBOUND],
  [SLC_ENTRY.KEEP_REACHABLE, SLC_ENTRY.GUARD_OUT, SLC_ENTRY.INBOUND, SLC_ENTRY.OUTBOUND],
  [SLC_ENTRY.KEPT_LATER, SLC_ENTRY.GUARD_IN_LATER],
  [SLC_ENTRY.KEPT_LATER, SLC_ENTRY.GUARD_OUT_LATER],
];

/** Counts what is stored once, once; worst cases follow every path. `rows` is the number of written rows. */
export function imageStats(rows: number, bytes: number, sections: readonly SectionTrees[]): ImageStats {
  const totals = { lpmEntries: 0, portEntries: 0, leaves: 0, leafRules: 0, longestLeaf: 0 };
  const worst = sections.map(({ families }) => countTrees(families, totals));
  const walks = WALKED.map((walk): TreeCost => {
    const sum = (field: keyof TreeCost): number => walk.reduce((total, section) => total + worst[section][field], 0);
    return { nodes: sum('nodes'), leaves: sum('leaves'), rules: sum('rules') };
  });
  const most = (field: keyof TreeCost): number => Math.max(...walks.map((walk) => walk[field]));
  const tables = sections.flatMap(({ families }) => [families[4].rules, families[6].rules]);
  return {
    rules: rows,
    expandedRules: tables.reduce((sum, { order }) => sum + order.length, 0),
    bytes,
    ...totals,
    worstCase: { nodes: most('nodes'), leaves: most('leaves'), rules: most('rules') },
    fallbacks: sections.flatMap(({ families, grown }, index) =>
      ([4, 6] as const).flatMap((family) => [
        ...families[family].rules.crossings.map((crossing) => describeCrossing(family, crossing)),
        ...describeFallbacks(index, family, grown[family]),
      ]),
    ),
  };
}

type Totals = { -readonly [Field in 'lpmEntries' | 'portEntries' | 'leaves' | 'leafRules' | 'longestLeaf']: number };

/** Adds the trees of a section to the totals; its worst case, over both families. */
function countTrees(families: Readonly<Record<Family, FamilyTrees>>, totals: Totals): TreeCost {
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
  return worst;
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

function describeCrossing(family: Family, { row, first, end, destinations }: Crossing): string {
  return `ipv${family}, rule "${row}": not multiplied out, ${destinations.length} destinations in front of ${end - first} rules`;
}

function describeFallbacks(section: number, family: Family, grown: readonly GrownTree[]): string[] {
  return grown.flatMap(({ longLeaves }, group) => {
    if (longLeaves.length === 0) return [];
    const leaves = longLeaves.length === 1 ? '1 leaf' : `${longLeaves.length} leaves`;
    const longest = Math.max(...longLeaves);
    return [
      `${section === SLC_ENTRY.INBOUND ? '' : `${sectionLabel(section)}, `}ipv${family}, ${GROUP_NAMES[group]}: ${leaves} of more than ${LONG_LEAF} rules, the longest has ${longest}`,
    ];
  });
}
