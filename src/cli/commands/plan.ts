import { type Command, Option } from 'commander';
import { SluiceError } from '../../kernel/errors';
import { resolveInterfaces } from '../../load/attach';
import type { Ruleset } from '../../model/ruleset';
import type { Context } from '../../operate/context';
import { requireCapabilities } from '../../kernel/capabilities';
import { readEnforcement } from '../../operate/enforcement';
import { changesNothing, planChange } from '../../operate/change-plan';
import { differenceToJson, renderChange } from '../../operate/render-difference';
import { withSectionOf } from '../../operate/plan';
import { isSection } from '../../operate/section-digest';
import { requireSectionName } from '../../operate/section-history';
import { judgingRuleset } from '../../operate/trial-state';
import { addSectionOptions, sectionMeant, type SectionOptions } from '../change-option';
import { requireCandidate } from '../candidate';
import { addJunitOption, type JunitOption } from '../junit-option';
import { EXIT, type ExitCode } from '../exit-code';
import { onRun, type Run } from '../run';

export function register(program: Command): void {
  const command = program
    .command('plan')
    .description(
      'what apply would change: rules added, removed, changed, moved, and the packets whose verdict changes; changes nothing',
    )
    .argument('[file]', 'ruleset file')
    .addOption(new Option('--exit-code', 'exit 4 when there is a difference'));
  onRun<{ exitCode?: boolean } & JunitOption & SectionOptions>(
    addSectionOptions(addJunitOption(command), 'the changes'),
    async (run, file: string | undefined): Promise<ExitCode> => {
      requireCapabilities();
      const candidate = await requireCandidate(run, await run.readText(file), 'nothing was planned.', {
        junit: run.options.junit,
      });
      const context = await run.context();
      await warnOfInterfaces(run, context, candidate.ruleset.interfaces);
      const enforcement = await readEnforcement(context);
      const judging = enforcement?.record ? judgingRuleset(enforcement.record.ruleset, enforcement.trials) : 'lost';
      const before = enforcement ? judging : 'unfiltered';
      const change = planChange(before, alone(before, candidate.ruleset, sectionMeant(run.options)));
      const { plan } = change;
      run.output.line(renderChange(change, candidate.ruleset).trimEnd());
      const code = run.options.exitCode && !changesNothing(change) ? EXIT.DIFFERENCE : EXIT.DONE;
      run.output.document({ plan, packets: differenceToJson(change) }, code);
      return code;
    },
  );
}

/** Where one section is meant, the enforced ruleset with that one as the file has it. */
function alone(before: Ruleset | 'lost' | 'unfiltered', after: Ruleset, section: string | undefined): Ruleset {
  if (section === undefined) return after;
  const isKnown = typeof before !== 'string' && isSection(before, section);
  requireSectionName({ revisions: [] }, isKnown ? before : after, section);
  return typeof before === 'string' ? after : withSectionOf(before, after, section);
}

/** A plan is about rules; that an apply would find no such interface is said all the same. */
async function warnOfInterfaces(
  run: Run<object>,
  { kernel, netns }: Context,
  interfaces: Ruleset['interfaces'],
): Promise<void> {
  try {
    await resolveInterfaces(kernel, interfaces, netns);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    run.output.say(`warning: apply would refuse this: ${error.message}`);
  }
}
