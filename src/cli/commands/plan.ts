import { type Command, Option } from 'commander';
import { requireCapabilities } from '../../kernel/capabilities';
import { readEnforcement } from '../../operate/enforcement';
import { isEmptyPlan, planRuleset } from '../../operate/plan';
import { renderPlan } from '../../operate/render-plan';
import { requireCandidate } from '../candidate';
import { EXIT, type ExitCode } from '../exit-code';
import { onRun } from '../run';

export function register(program: Command): void {
  const command = program
    .command('plan')
    .description('what apply would change in the rules: added, removed, changed, moved; changes nothing')
    .argument('[file]', 'ruleset file')
    .addOption(new Option('--exit-code', 'exit 4 when there is a difference'));
  onRun<{ exitCode?: boolean }>(command, async (run, file: string | undefined): Promise<ExitCode> => {
    requireCapabilities();
    const candidate = requireCandidate(run, run.readText(file), 'nothing was planned.');
    const enforcement = await readEnforcement(await run.context());
    const plan = planRuleset(enforcement?.record?.ruleset ?? null, candidate.ruleset);
    run.output.line(renderPlan(plan).trimEnd());
    const code = run.options.exitCode && !isEmptyPlan(plan) ? EXIT.DIFFERENCE : EXIT.DONE;
    run.output.document({ plan }, code);
    return code;
  });
}
