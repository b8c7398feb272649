/** Machine-independent cost and size figures of the trees of an image. */
import { SLC_ENTRY } from '../abi/layout.gen';
import type { Family } from '../model/prefix';
import type { Crossing } from './expand';
import type { FamilyTrees } from './pack-block';
import type { ImageStats } from './image';
import { isAddressLane } from './lane';
import { GROUP_NAMES } from './partition';
import { type TreeCost, worstOf } from './tree-cost';
import { type GrownTree, LONG_LEAF, type Tree } from './tree-memory';

/** What the figures of a section are taken from. */
export interface SectionTrees {
  readonly families: Readonly<Record<Family, FamilyTrees>>;
  readonly grown: Readonly<Record<Family, readonly GrownTree[]>>;
}

/** Figures of one section; what is stored once is counted once, worst cases follow every path. */
export interface SectionFigures extends Totals {
  readonly expandedRules: number;
  readonly worst: TreeCost;
  /** Without the section's label. */
  readonly fallbacks: readonly string[];
}

type Totals = Readonly<Record<(typeof TOTALS)[number], number>>;

const TOTALS = ['lpmEntries', 'portEntries', 'leaves', 'leafRules', 'longestLeaf'] as const;

/** Sections that one packet can be judged by: of those that come in, and of those that go out. */
const WALKED: readonly (readonly number[])[] = [
  [SLC_ENTRY.KEEP_REACHABLE, SLC_ENTRY.GUARD_IN, SLC_ENTRY.INBOUND],
  [SLC_ENTRY.KEEP_REACHABLE, SLC_ENTRY.GUARD_OUT, SLC_ENTRY.INBOUND, SLC_ENTRY.OUTBOUND],
  [SLC_ENTRY.KEPT_LATER, SLC_ENTRY.GUARD_IN_LATER],
  [SLC_ENTRY.KEPT_LATER, SLC_ENTRY.GUARD_OUT_LATER],
];

/** The figures of the trees of one section. */
export function sectionFigures({ families, grown }: SectionTrees): SectionFigures {
  const totals = { lpmEntries: 0, portEntries: 0, leaves: 0, leafRules: 0, longestLeaf: 0 };
  const worst = countTrees(families, totals);
  return {
    expandedRules: families[4].rules.order.length + families[6].rules.order.length,
    ...totals,
    worst,
    fallbacks: ([4, 6] as const).flatMap((family) => [
      ...describeCrossings(family, families[family].rules.crossings),
      ...describeFallbacks(family, grown[family]),
    ]),
  };
}

/**
 * Adds up what the sections have, in the order of the table; `rows` is the number of written rows. A packet that a
 * server owns is found by the entry of owners and judged by one server, where others are judged by inbound.
 */
export function imageStats(
  rows: number,
  bytes: number,
  sections: readonly SectionFigures[],
  labelOf: (index: number) => string,
): ImageStats {
  const totals = { expandedRules: 0, lpmEntries: 0, portEntries: 0, leaves: 0, leafRules: 0, longestLeaf: 0 };
  const worst: TreeCost[] = sections.slice(0, SLC_ENTRY.OWNERS).map((section) => section.worst);
  const largest = { nodes: 0, leaves: 0, rules: 0 };
  const fallbacks: string[] = [];
  for (const [index, section] of sections.entries()) {
    totals.expandedRules += index === SLC_ENTRY.OWNERS ? 0 : section.expandedRules;
    for (const field of TOTALS)
      totals[field] =
        field === 'longestLeaf' ? Math.max(totals[field], section[field]) : totals[field] + section[field];
    if (index >= SLC_ENTRY.SERVERS)
      for (const field of COSTS) largest[field] = Math.max(largest[field], section.worst[field]);
    for (const fallback of section.fallbacks)
      fallbacks.push(index === SLC_ENTRY.INBOUND ? fallback : `${labelOf(index)}, ${fallback}`);
  }
  // Who owns the packet is asked before either.
  const owned: TreeCost = { ...worst[SLC_ENTRY.INBOUND] };
  const incoming: Record<keyof TreeCost, number> = { ...owned };
  for (const field of COSTS)
    incoming[field] = sections[SLC_ENTRY.OWNERS].worst[field] + Math.max(owned[field], largest[field]);
  worst[SLC_ENTRY.INBOUND] = incoming;
  const most = (field: keyof TreeCost): number =>
    Math.max(...WALKED.map((walk) => walk.reduce((total, section) => total + worst[section][field], 0)));
  return {
    rules: rows,
    bytes,
    ...totals,
    worstCase: { nodes: most('nodes'), leaves: most('leaves'), rules: most('rules') },
    fallbacks,
  };
}

const COSTS = ['nodes', 'leaves', 'rules'] as const;

/** Adds the trees of a section to the totals; its worst case, over both families. */
function countTrees(families: Readonly<Record<Family, FamilyTrees>>, totals: Record<keyof Totals, number>): TreeCost {
  const worst = { nodes: 0, leaves: 0, rules: 0 };
  for (const { rules, trees } of [families[4], families[6]]) {
    const costs = new Map<Tree, TreeCost>();
    const sum = { nodes: 0, leaves: 0, rules: 0 };
    for (const tree of trees) {
      const cost = worstOf(rules.family, tree, costs);
      sum.nodes += cost.nodes;
      sum.leaves += cost.leaves;
      sum.rules += cost.rules;
    }
    for (const tree of costs.keys()) {
      if (tree.kind === 'classes') {
        const { destinations, sources, ports, lanes, sourcePorts } = tree.tables;
        totals.lpmEntries += destinations.length + sources.length;
        totals.portEntries += ports.length + lanes.length + (sourcePorts?.classes.length ?? 0);
      } else if (tree.kind === 'leaf') {
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

/** Crossings that are described one by one. */
const DESCRIBED = 8;

function describeCrossings(family: Family, crossings: readonly Crossing[]): string[] {
  const lines = crossings.slice(0, DESCRIBED).map(({ row, first, end, destinations, sources }) => {
    const lists = [
      ...(destinations ? [`${destinations.length} destinations`] : []),
      ...(sources ? [`${sources.length} sources`] : []),
    ];
    return `ipv${family}, rule "${row}": not multiplied out, ${lists.join(' and ')} in front of ${end - first} rules`;
  });
  const more = crossings.length - lines.length;
  return more === 0 ? lines : [...lines, `ipv${family}: ${more} more rules are not multiplied out`];
}

function describeFallbacks(family: Family, grown: readonly GrownTree[]): string[] {
  return grown.flatMap(({ longLeaves, untabled }, group) => {
    const label = `ipv${family}, ${GROUP_NAMES[group]}`;
    const tree =
      untabled === undefined
        ? []
        : [`${label}: ${untabled} rules in a tree, since class tables of them would be too large`];
    if (longLeaves.length === 0) return tree;
    const leaves = longLeaves.length === 1 ? '1 leaf' : `${longLeaves.length} leaves`;
    const longest = longLeaves.reduce((most, length) => Math.max(most, length));
    return [...tree, `${label}: ${leaves} of more than ${LONG_LEAF} rules, the longest has ${longest}`];
  });
}
