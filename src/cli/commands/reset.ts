/** `sluice reset`: the ruleset file is kept under another name, and what `init` would write stands in its place. */
import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { SluiceError } from '../../kernel/errors';
import type { ApplyOutcome } from '../../operate/apply';
import { backUp } from '../../operate/backup';
import { contentDigest } from '../../operate/digest';
import { lastEnforced } from '../../operate/enforced-file';
import { readEnforcement } from '../../operate/enforcement';
import { withNote } from '../../operate/interrupted';
import { withWriterLock } from '../../operate/lock';
import { readRulesetText, STANDARD_INPUT, writeRulesetText } from '../../operate/ruleset-file';
import { applyWritten } from '../apply-written';
import { confirm } from '../ask';
import { requireCandidate } from '../candidate';
import { addChangeOptions, changeOf, type ChangeOptions } from '../change-option';
import { addConfirmOptions, checkConfirmTime, type ConfirmOptions } from '../confirm-option';
import { EXIT, type ExitCode } from '../exit-code';
import { firstRuleset } from '../first-ruleset';
import { onRun, type Run } from '../run';
import { showChange, showOutcome } from '../show-outcome';

interface Options extends ConfirmOptions, ChangeOptions {
  readonly yes?: boolean;
  readonly force?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('reset')
    .description(
      'keep the ruleset file under another name and begin anew with what init writes; applied if it is the enforced one',
    )
    .option('-y, --yes', 'do not ask')
    .option('--force', 'also when it cuts a live SSH session');
  onRun<Options>(addChangeOptions(addConfirmOptions(command)), reset);
}

async function reset(run: Run<Options>): Promise<ExitCode> {
  checkConfirmTime(run.options);
  const context = await run.context();
  const last = run.options.file === undefined ? (await lastEnforced(context))?.file : undefined;
  const file = last === undefined || last === STANDARD_INPUT ? run.path() : last;
  if (file === STANDARD_INPUT || !existsSync(file))
    throw new SluiceError('file/missing', `there is no ruleset file to reset: "${file}"`, {
      hint: 'sluice init writes a first one',
    });
  const before = readRulesetText(file);
  const { text } = await firstRuleset(run);
  run.output.say(text);
  const question = `keep ${file} under another name and write this in its place?`;
  if (!(await confirm(question, run.options.yes ?? false))) {
    run.output.line('nothing was changed');
    run.output.document({ outcome: 'kept' }, EXIT.REFUSED);
    return EXIT.REFUSED;
  }
  const enforcement = await readEnforcement(context);
  const override = run.options.interface ?? enforcement?.enforced?.interfaceOverride;
  const candidate = await requireCandidate(
    run,
    { path: file, text, digest: contentDigest(text) },
    'nothing was changed.',
    {
      context,
      ...(override && { interfaceOverride: override }),
    },
  );
  const change = { file, before: before.text, after: text };
  // Whoever is killed in between leaves a note, by which the next writer puts the text back.
  const outcome = await withWriterLock(context, () =>
    withNote(context.folder, change, async (): Promise<ApplyOutcome | null> => {
      const backup = backUp(file, new Date());
      const written = writeRulesetText(file, text, before.digest);
      run.output.line(`${file} begins anew; as it was: ${backup}`);
      if (enforcement?.enforced?.file !== file) {
        run.output.say(`${file} is not enforced: sluice apply ${file}`);
        run.output.document({ outcome: 'written', file, backup });
        return null;
      }
      const undo = (): void => {
        writeRulesetText(file, before.text, written.digest);
      };
      return applyWritten(run, context, candidate, undo, {
        // A text that was never applied is not put back by itself: it is in the copy.
        edited: enforcement.enforced.textDigest === before.digest,
        ...(enforcement.record && { inPlaceOf: enforcement.record }),
        ...changeOf(run.options, 'reset'),
      });
    }),
  );
  if (!outcome) return EXIT.DONE;
  if (outcome.kind === 'applied') showChange(run.output, outcome.change);
  showOutcome(run.output, candidate, outcome);
  return EXIT.DONE;
}
