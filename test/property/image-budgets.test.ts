/**
 * Every shape of the benchmark, the friendly ones and those that are made to be hard, stays within the budgets that README
 * states: memory, what building looks at, the worst path of any packet. What made a leaf long is said. The benchmark says
 * the same of a hundred thousand rules.
 */
import { compile } from '../../src/compile/compile';
import { CompileMemory } from '../../src/compile/compile-memory';
import { LONG_LEAF } from '../../src/compile/tree-memory';
import { rulesetOf } from '../bench/sets/bench-set';
import { BUDGET_SIZES, overBudget } from '../bench/sets/budgets';
import { makeSet, SET_NAMES } from '../bench/sets/catalogue';

const LARGEST = 10_000;
const CASES = SET_NAMES.flatMap((name) => ([4, 6] as const).map((family) => [name, family] as const));

test.each(CASES)('set %s over IPv%i', (name, family) => {
  for (const size of BUDGET_SIZES.filter((rules) => rules <= LARGEST)) {
    const set = makeSet(name, size, family);
    const memory = new CompileMemory();
    const { stats } = compile(rulesetOf(set, 'mixed'), memory);
    expect(overBudget(set, stats, memory[family].trees.size)).toEqual([]);
    expect(stats.fallbacks.some((words) => words.includes(`of more than ${LONG_LEAF} rules`))).toBe(
      stats.longestLeaf > LONG_LEAF,
    );
  }
});

test('what is over a budget is said, with both figures', () => {
  const set = makeSet('acl1', 1000, 4);
  const { stats } = compile(rulesetOf(set, 'mixed'));
  const worse = { ...stats, bytes: 1e6, worstCase: { nodes: 65, leaves: 4, rules: 33 } };
  expect(overBudget(set, worse, 1e6)).toEqual([
    'bytes a rule: 1000, the budget is 384',
    'numbers looked at a rule: 1000, the budget is 192',
    'nodes on the worst path: 65, the budget is 64',
    'leaves on the worst path: 4, the budget is 3',
    'rules on the worst path: 33, the budget is 32',
  ]);
});
