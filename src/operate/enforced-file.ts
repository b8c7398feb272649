/** The file behind what enforces: which one verbs edit, and whether it is still the text that was applied. */
import type { Context } from './context';
import { contentDigest } from './digest';
import { diffLines, renderDiff } from './line-diff';
import { readEnforcement } from './enforcement';
import { readEnforcedText, type EnforcedState } from './state-files';
import { readRulesetText, type RulesetText } from './ruleset-file';
import { SluiceError } from '../kernel/errors';

/** The enforced file was edited by hand since it was applied. */
export class EditedError extends SluiceError {
  readonly difference: string;

  constructor(file: string, difference: string) {
    super('operate/edited', `"${file}" was edited since it was applied:\n${difference}`, {
      hint: `look at the lines above, then: sluice apply ${file}`,
    });
    this.difference = difference;
  }
}

/** The file verbs edit: the enforced one, else `fallback`. `enforced` is null where nothing enforces. */
export async function openForEdit(
  context: Context | null,
  fallback: string,
): Promise<{ source: RulesetText; enforced: EnforcedState | null }> {
  const enforcement = context ? await readEnforcement(context) : null;
  const enforced = enforcement?.enforced ?? null;
  const source = readRulesetText(enforced?.file ?? fallback);
  if (context && enforced && contentDigest(source.text) !== enforced.textDigest) {
    const before = readEnforcedText(context.folder, enforced);
    throw new EditedError(
      enforced.file,
      before === null ? '(the applied text is lost)' : renderDiff(diffLines(before, source.text)),
    );
  }
  return { source, enforced };
}
