import { type Command, Option } from 'commander';
import { requireCapabilities } from '../../kernel/capabilities';
import { readEnforcement } from '../../operate/enforcement';
import { changesNothing, planChange } from '../../operate/change-plan';
import { differenceToJson, renderChange } from '../../operate/render-difference';
import { requireCandidate } from '../candidate';
import { EXIT, type ExitCode } from '../exit-code';
import { onRun } from '../run';

export function register(program: Command): void {
  const command = program
    .command('plan')
    .description(
      'what apply would change: rules added, removed, changed, moved, and the packets whose verdict changes; changes nothing',
    )
    .argument('[file]', 'ruleset file')
    .addOption(new Option('--exit-code', 'exit 4 when there is a difference'));
  onRun<{ exitCode?: boolean }>(command, async (run, file: string | undefined): Promise<ExitCode> => {
    requireCapabilities();
    const candidate = requireCandidate(run, await run.readText(file), 'nothing was planned.');
    const enforcement = await readEnforcement(await run.context());
    const before = enforcement ? (enforcement.record?.ruleset ?? 'lost') : 'unfiltered';
    const change = planChange(before, candidate.ruleset);
    const { plan } = change;
    run.output.line(renderChange(change, candidate.ruleset).trimEnd());
    const code = run.options.exitCode && !changesNothing(change) ? EXIT.DIFFERENCE : EXIT.DONE;
    run.output.document({ plan, packets: differenceToJson(change) }, code);
    return code;
  });
}
