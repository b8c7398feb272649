import type { Command } from 'commander';
import { readEnforcement } from '../../operate/enforcement';
import { confirmPending, rollbackPending } from '../../operate/pending';
import { openRollback, settledHistory, writeRollback } from '../../operate/rollback';
import { applyWritten } from '../apply-written';
import { requireCandidate } from '../candidate';
import { addChangeOptions, changeOf, type ChangeOptions } from '../change-option';
import { addConfirmOptions, checkConfirmTime, type ConfirmOptions } from '../confirm-option';
import { EXIT, type ExitCode } from '../exit-code';
import { onRun, type Run } from '../run';
import { showChange, showOutcome } from '../show-outcome';
import { installAfterEnable } from './install';

interface RollbackOptions extends ConfirmOptions, ChangeOptions {
  readonly force?: boolean;
}

export function register(program: Command): void {
  const confirm = program.command('confirm').description('keep the change that waits: it holds from now on');
  onRun(confirm, async (run) => {
    const { generation, atBoot } = await confirmPending(await run.context({ tidyUp: false }));
    run.output.line(`confirmed: generation ${generation} holds`);
    if (atBoot) await installAfterEnable(run);
    run.output.document({ outcome: 'confirmed', generation });
    return EXIT.DONE;
  });
  const rollback = program
    .command('rollback')
    .description('take back the change that waits to be confirmed; or go back to a revision: sluice rollback 3')
    .argument('[revision]', 'number of sluice history, or the first 7 digits or more of a digest')
    .option('--force', 'also when it cuts a live SSH session');
  onRun<RollbackOptions>(
    addChangeOptions(addConfirmOptions(rollback)),
    (run, reference: string | undefined): Promise<ExitCode> =>
      reference === undefined ? takeBack(run) : goBack(run, reference),
  );
}

async function takeBack(run: Run<RollbackOptions>): Promise<ExitCode> {
  const { generation, previous, file, fate, others = [] } = await rollbackPending(await run.context({ tidyUp: false }));
  const now = previous === null ? 'nothing is filtered, as before' : `generation ${previous} judges again`;
  run.output.line(`taken back: generation ${generation}; ${now}`);
  run.output.say(fate === 'put-back' ? `${file} is again as it was` : `note: ${file} was left as it is`);
  for (const other of others) run.output.say(`${other} is again as it was`);
  run.output.document({ outcome: 'rolled-back', generation, previous, file: { path: file, outcome: fate }, others });
  return EXIT.DONE;
}

/** A change like any other: checked, planned, confirmed; its file is written as a verb writes it. */
async function goBack(run: Run<RollbackOptions>, reference: string): Promise<ExitCode> {
  checkConfirmTime(run.options);
  const context = await run.context();
  const target = openRollback(context, await settledHistory(context), reference);
  const { revision, text } = target;
  const { file, textDigest, interfaceOverride: given } = revision.source;
  const interfaceOverride = run.options.interface ?? given;
  const candidate = requireCandidate(run, { path: file, text, digest: textDigest }, 'nothing was changed.', {
    context,
    ...(interfaceOverride && { interfaceOverride }),
  });
  if (candidate.image.digest !== revision.digest)
    run.output.say(
      `note: the text of revision ${revision.number} does not mean what it meant then: lists it names, ends of rules or sluice itself have changed`,
    );
  const enforcement = await readEnforcement(context);
  const isEnforcedFile = enforcement?.enforced?.file === file;
  const outcome = await applyWritten(run, context, candidate, writeRollback(target), {
    edited: isEnforcedFile,
    // What another applied while this waited is not undone by it.
    ...(enforcement?.record && { inPlaceOf: enforcement.record }),
    ...changeOf(run.options, `rollback ${revision.number}`),
  });
  if (outcome.kind === 'applied') showChange(run.output, outcome.change);
  showOutcome(run.output, candidate, outcome);
  return EXIT.DONE;
}
