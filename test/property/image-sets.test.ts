/** Every set of the benchmark, small, friendly or made to be hard: the image says what the scan says, and is bounded. */
import { SLC_LIMITS } from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import { rulesetOf } from '../bench/sets/bench-set';
import { makeSet, SET_NAMES } from '../bench/sets/catalogue';
import { Random } from '../support/generate/random';
import { findDifference } from '../support/image-scan';

const SIZE = 200;
const CASES = SET_NAMES.flatMap((name) => ([4, 6] as const).map((family) => [name, family] as const));

test.each(CASES)('set %s over IPv%i', (name, family) => {
  const ruleset = rulesetOf(makeSet(name, SIZE, family), 'mixed');
  const image = compile(ruleset);
  expect(findDifference(new Random(11), ruleset, image, 400)).toBeNull();
  const { longestLeaf, worstCase, expandedRules, fallbacks } = image.stats;
  expect(longestLeaf).toBeLessThanOrEqual(SLC_LIMITS.MAX_LEAF_RULES);
  expect(worstCase.nodes).toBeLessThanOrEqual(SLC_LIMITS.TREES * SLC_LIMITS.MAX_STEPS);
  expect(image.bytes.length).toBeLessThan(64 * 1024 + 2048 * expandedRules);
  // What is long is said.
  expect(fallbacks.some((words) => words.includes('of more than 62 rules'))).toBe(longestLeaf > 62);
});
