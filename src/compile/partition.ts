/** Image rules → three groups a family, so that wide rules are not copied under every narrow one. */
import type { RuleTable } from './expand';

/** Names of the groups, in the order of `slc_roots`. */
export const GROUP_NAMES = ['destination narrow', 'source narrow', 'both wide'] as const;

/** Up to this many image rules one tree is cheaper than three. */
const ONE_TREE_RULES = 16;

/** Indices into the table but for those of crossings, ascending, a group each. A prefix at least `narrow` long is narrow. */
export function partition(rules: RuleTable, narrow: number): [Int32Array, Int32Array, Int32Array] {
  const groups: [number[], number[], number[]] = [[], [], []];
  let crossing = 0;
  for (let i = 0; i < rules.count; i++) {
    if (i === rules.crossings[crossing]?.first) {
      i = rules.crossings[crossing++].end - 1;
      continue;
    }
    if (rules.count <= ONE_TREE_RULES) groups[2].push(i);
    else if (rules.destinationLength[i] >= narrow) groups[0].push(i);
    else if (rules.sourceLength[i] >= narrow) groups[1].push(i);
    else groups[2].push(i);
  }
  return [Int32Array.from(groups[0]), Int32Array.from(groups[1]), Int32Array.from(groups[2])];
}
