import type { Command } from 'commander';
import { type ApplyOptions as ApplyRulesetOptions, applyRuleset } from '../../operate/apply';
import { lastEnforced } from '../../operate/enforced-file';
import type { Context } from '../../operate/context';
import { mendDamaged } from '../../operate/mend';
import { describeReplaced, replaceOlder } from '../../operate/replace-older';
import { requireCandidate } from '../candidate';
import { addJunitOption, type JunitOption } from '../junit-option';
import { addConfirmOptions, checkConfirmTime, type ConfirmOptions, confirmSeconds } from '../confirm-option';
import {
  addChangeOptions,
  addWholeDigestOption,
  changeOf,
  type ChangeOptions,
  type DigestOption,
  seenOf,
} from '../change-option';
import { showChange, showOutcome } from '../show-outcome';
import { onRun, type Run } from '../run';
import { EXIT, type ExitCode } from '../exit-code';

interface ApplyOptions extends ConfirmOptions, ChangeOptions, JunitOption, DigestOption {
  readonly section?: string;
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly exitCode?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('apply')
    .description('enforce a ruleset file: every packet is judged wholly by the old or wholly by the new ruleset')
    .argument('[file]', 'ruleset file; it becomes the enforced one')
    .option('--force', 'also when it cuts a live SSH session')
    .option('--dry-run', 'only say what it would change, and what would refuse it: lock-out, verifier')
    .option('--exit-code', 'with --dry-run: exit 4 when there is a difference');
  onRun<ApplyOptions>(
    addJunitOption(addWholeDigestOption(addChangeOptions(addConfirmOptions(command)))),
    (run, file: string | undefined) => applyFile(run, file, 'apply'),
  );
}

/** What an older version pinned is taken over first, and what is missing pinned again: everything else goes by that. */
async function takeOver(run: Run<object>, context: Context): Promise<void> {
  const mended = await mendDamaged(context).catch(() => []); // said below, by what needs it
  if (mended.length > 0) run.output.say(`note: ${mended.join(', ')}: was removed, and is pinned again`);
  const replaced = await replaceOlder(context);
  if (replaced) run.output.say(`note: ${describeReplaced(replaced)}`);
}

/** Checks, compiles and enforces the file. */
export async function applyFile(
  run: Run<ApplyOptions>,
  file: string | undefined,
  what: string,
  lastInterfaces?: readonly string[],
  more: Pick<ApplyRulesetOptions, 'atBoot'> = {},
): Promise<ExitCode> {
  // Before the file is looked at: without privilege nothing in it could be enforced.
  checkConfirmTime(run.options);
  const seen = seenOf(run.options);
  const context = await run.context();
  const source = await run.readText(file);
  const isNamed = file !== undefined || run.options.file !== undefined;
  const last = isNamed ? null : await lastEnforced(context);
  // The enforced file again, on the interfaces it is enforced on.
  const kept = last?.file === source.path ? last.interfaceOverride : undefined;
  const interfaceOverride = run.options.interface ?? lastInterfaces ?? kept;
  const candidate = await requireCandidate(run, source, 'nothing was changed.', {
    context,
    ...(interfaceOverride && { interfaceOverride }),
    junit: run.options.junit,
  });
  if (run.options.dryRun !== true) await takeOver(run, context);
  run.output.progress(`enforcing ${candidate.image.stats.rules} rules …`);
  const outcome = await applyRuleset(context, candidate, {
    ...{ ...more, ...seen, asRead: true },
    force: run.options.force ?? false,
    dryRun: run.options.dryRun ?? false,
    ...changeOf(run.options, what),
    ...(await confirmSeconds(run.options, context, candidate.ruleset)),
  });
  const differs = outcome.kind === 'would-apply' && run.options.exitCode === true;
  const code = differs ? EXIT.DIFFERENCE : EXIT.DONE;
  if (outcome.kind === 'applied') showChange(run.output, outcome.change);
  showOutcome(run.output, candidate, outcome, code);
  return code;
}
