/** Figures of trees, also where there are very many of what is told. */
import { expandRows } from '../../../src/compile/expand';
import { RowMemory } from '../../../src/compile/row-memory';
import { sectionFigures } from '../../../src/compile/stats';

test('hundreds of thousands of long leaves are told of in one line', () => {
  const { tables } = expandRows({ 4: [], 6: [] }, new RowMemory());
  const root = tables[4].trees.terminal(-1);
  const longLeaves = Array.from({ length: 300_000 }, (_, i) => (i === 7 ? 99 : 63));
  const { fallbacks } = sectionFigures({
    families: { 4: { rules: tables[4], trees: [root] }, 6: { rules: tables[6], trees: [] } },
    grown: { 4: [{ root, longLeaves, leafRules: 0 }], 6: [] },
  });
  expect(fallbacks).toEqual(['ipv4, destination narrow: 300000 leaves of more than 62 rules, the longest has 99']);
});
