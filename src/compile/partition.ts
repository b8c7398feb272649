/** Image rules → three groups a family, so that wide rules are not copied under every narrow one. */
import type { RuleTable } from './expand';

/** Names of the groups, in the order of `slc_roots`. */
export const GROUP_NAMES = ['destination narrow', 'source narrow', 'both wide'] as const;

/** Up to this many image rules one tree is cheaper than three. */
const ONE_TREE_RULES = 16;

/** Whether all rules are in the group of wide ones, whatever they are. */
export function isOneGroup({ order }: RuleTable): boolean {
  return order.length <= ONE_TREE_RULES;
}

/** The rules but for those of crossings, in first-match order, a group each. A prefix at least `narrow` long is narrow. */
export function partition(rules: RuleTable, narrow: number): [Int32Array, Int32Array, Int32Array] {
  const groups: [number[], number[], number[]] = [[], [], []];
  const { order, destinationLength, sourceLength } = rules;
  let crossing = 0;
  for (let i = 0; i < order.length; i++) {
    if (i === rules.crossings[crossing]?.first) {
      i = rules.crossings[crossing++].end - 1;
      continue;
    }
    const rule = order[i];
    if (isOneGroup(rules)) groups[2].push(rule);
    else if (destinationLength[rule] >= narrow) groups[0].push(rule);
    else if (sourceLength[rule] >= narrow) groups[1].push(rule);
    else groups[2].push(rule);
  }
  return [Int32Array.from(groups[0]), Int32Array.from(groups[1]), Int32Array.from(groups[2])];
}
