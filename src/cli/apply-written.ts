/** What a command wrote into a ruleset file becomes what enforces; where that fails, the file is again as it was. */
import { type ApplyOptions, type ApplyOutcome, applyRuleset } from '../operate/apply';
import type { Context } from '../operate/context';
import { type Candidate, UnfinishedError } from '../operate/enforce';
import { takeBackInterrupted, withNote } from '../operate/interrupted';
import { type RulesetText, writeRulesetText } from '../operate/ruleset-file';
import { type ConfirmOptions, confirmSeconds } from './confirm-option';
import type { Run } from './run';

/** Applies the candidate, whose text is in its file already. `undo` takes the writing back. Throws as `applyRuleset`. */
export async function applyWritten(
  run: Run<ConfirmOptions & { readonly force?: boolean }>,
  context: Context,
  candidate: Candidate,
  undo: () => void,
  options: ApplyOptions & { readonly dryRun?: false },
): Promise<ApplyOutcome> {
  try {
    return await applyRuleset(context, candidate, {
      force: run.options.force ?? false,
      ...options,
      ...(await confirmSeconds(run.options, context, candidate.ruleset)),
    });
  } catch (error) {
    // An unfinished one enforces already: its text belongs where it is.
    if (!(error instanceof UnfinishedError)) putBack(run, candidate.file, undo);
    throw error;
  }
}

/** Exchanges the text of the enforced file and applies it; whoever is killed in between is noted. Throws as `applyRuleset`. */
export async function writeAndApply(
  run: Run<ConfirmOptions & { readonly force?: boolean }>,
  context: Context,
  candidate: Candidate,
  {
    source,
    written: tell,
    ...options
  }: ApplyOptions & { readonly dryRun?: false; readonly source: RulesetText; readonly written?: () => void },
): Promise<ApplyOutcome> {
  const { path: file, digest: before } = source;
  return withNote(context.folder, { file, before: source.text, after: candidate.text }, async () => {
    const written = writeRulesetText(file, candidate.text, before);
    tell?.();
    const undo = (): void => {
      writeRulesetText(file, source.text, written.digest);
    };
    return applyWritten(run, context, candidate, undo, options);
  });
}

/** What a writer that was killed left in the enforced file is taken back, and said. The caller holds the writers' lock. */
export async function putInterruptedBack(run: Run<object>, context: Context): Promise<void> {
  const file = await takeBackInterrupted(context);
  if (file !== null) run.output.say(`note: ${file} was put back as it was applied: a change of it was cut short`);
}

/** Where that fails too, the failure that led here is still the one to report. */
function putBack(run: Run<object>, file: string, undo: () => void): void {
  try {
    undo();
    run.output.say(`${file} was put back as it was`);
  } catch (error) {
    run.output.say(`${file} was not put back: ${error instanceof Error ? error.message : String(error)}`);
  }
}
