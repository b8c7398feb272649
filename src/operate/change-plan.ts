/** What a change of ruleset does: to the rows, and to packets. Data first, see `render-difference.ts` for the text. */
import { type Difference, findDifference } from '../analyse/difference';
import type { Ruleset } from '../model/ruleset';
import { countRules } from './check';
import { isEmptyPlan, planRuleset, type RulesetPlan } from './plan';

/** Settings whose change can change verdicts in ways that packets by themselves do not show. */
const NOT_COMPARED: ReadonlySet<string> = new Set([
  ...['interfaces', 'fragments', 'ethertypes', 'maxFlows'],
  ...['icmp.echo-rate', 'icmp.echo-rate-per-source'],
]);

/** A change from what is enforced, or from nothing, to another ruleset. */
export interface ChangePlan {
  readonly plan: RulesetPlan;
  /**
   * Which packets change their verdict; or why that is not known: nothing is filtered before (every packet passes), the
   * record of what enforces is lost, or there are more rules than can be compared in a moment.
   */
  readonly difference: Difference | 'unfiltered' | 'lost' | 'large';
  /** Settings that change and that `difference` knows nothing of. */
  readonly notCompared: readonly string[];
}

/** Whether nothing is to be done: the first ruleset of all is a change even where it has no row. */
export function changesNothing({ plan, difference }: ChangePlan): boolean {
  return isEmptyPlan(plan) && difference !== 'unfiltered' && difference !== 'lost';
}

/** Compares what is enforced (`unfiltered`: nothing; `lost`: nobody knows what) with what is to be; up to `rowsMax` rows. */
export function planChange(before: Ruleset | 'unfiltered' | 'lost', after: Ruleset, rowsMax = Infinity): ChangePlan {
  const known = typeof before === 'string' ? null : before;
  const plan = planRuleset(known, after);
  const count = [known, after].reduce((sum, ruleset) => sum + (ruleset ? countRules(ruleset) : 0), 0);
  return {
    plan,
    difference: typeof before === 'string' ? before : count > rowsMax ? 'large' : findDifference(before, after),
    notCompared: plan.settings.map(({ key }) => key).filter((key) => NOT_COMPARED.has(key)),
  };
}
