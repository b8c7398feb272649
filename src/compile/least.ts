/** What of a tree tells whether it can win at all. */
import { SLC_WORD_NONE } from '../abi/layout.gen';
import type { RuleTable } from './expand';
import { type Tree, wordOfTerminal } from './tree-memory';

/** The smallest word in a tree, whichever packet asks; `SLC_WORD_NONE` where it is empty. */
export function leastWord(rules: RuleTable, tree: Tree): number {
  const seen = new Set<Tree>();
  const least = (part: Tree): number => {
    if (part.kind === 'terminal') return wordOfTerminal(rules, part);
    if (part.kind !== 'node') return rules.word[part.rules[0]];
    if (seen.has(part)) return SLC_WORD_NONE;
    seen.add(part);
    return part.children.reduce((smallest, child) => Math.min(smallest, least(child)), SLC_WORD_NONE);
  };
  return least(tree);
}
