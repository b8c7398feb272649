/** What a command wrote into a ruleset file becomes what enforces; where that fails, the file is again as it was. */
import { type ApplyOptions, type ApplyOutcome, applyRuleset } from '../operate/apply';
import type { Context } from '../operate/context';
import { type Candidate, UnfinishedError } from '../operate/enforce';
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

/** Where that fails too, the failure that led here is still the one to report. */
function putBack(run: Run<object>, file: string, undo: () => void): void {
  try {
    undo();
    run.output.say(`${file} was put back as it was`);
  } catch (error) {
    run.output.say(`${file} was not put back: ${error instanceof Error ? error.message : String(error)}`);
  }
}
