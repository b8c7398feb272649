/** What the image of a set may take at most (`test/bench/budgets.json`, also a table of the README): no figure of a stopwatch. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageStats } from '../../../src/compile/image';
import { type BenchSet } from './bench-set';
import { CLASSBENCH_SHAPES } from './catalogue';

/** Of sets of up to so many rules. */
interface Budget {
  readonly rules: number;
  /** Of the image, for each rule, by family. */
  readonly bytes: Readonly<Record<'4' | '6', number>>;
  /** Numbers in all lists of rules that building looked at, for each rule. */
  readonly built: number;
  /** On the worst path of any packet. */
  readonly nodes: number;
  readonly leaves: number;
  /** Rules compared on it: of ClassBench's shapes, and of those that are made to be hard. */
  readonly compared: Readonly<Record<'classbench' | 'any', number>>;
}

const BUDGETS = JSON.parse(readFileSync(join(__dirname, '../budgets.json'), 'utf8')) as readonly Budget[];

/** Sizes that there are budgets for. */
export const BUDGET_SIZES: readonly number[] = BUDGETS.map(({ rules }) => rules);

/** Each budget that an image of the set is over, in words; `built` where it is known what building looked at. */
export function overBudget(set: BenchSet, { bytes, worstCase }: ImageStats, built?: number): string[] {
  // A small set has no more than the smallest budget in all; a list may be longer than the longest.
  const budget = BUDGETS.find(({ rules }) => set.size <= rules) ?? BUDGETS[BUDGETS.length - 1];
  const rules = Math.max(set.size, BUDGETS[0].rules);
  const isClassbench = CLASSBENCH_SHAPES.includes(set.name);
  const figures: readonly (readonly [string, number, number])[] = [
    ['bytes a rule', bytes / rules, budget.bytes[set.family === 4 ? '4' : '6']],
    ['numbers looked at a rule', (built ?? 0) / rules, budget.built],
    ['nodes on the worst path', worstCase.nodes, budget.nodes],
    ['leaves on the worst path', worstCase.leaves, budget.leaves],
    ['rules on the worst path', worstCase.rules, budget.compared[isClassbench ? 'classbench' : 'any']],
  ];
  return figures
    .filter(([, figure, most]) => figure > most)
    .map(([name, figure, most]) => `${name}: ${Math.ceil(figure)}, the budget is ${most}`);
}
