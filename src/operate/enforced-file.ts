/** The file behind what enforces: which one verbs edit, and whether it is still the text that was applied. */
import { BUILT_IN } from './built-in';
import type { Context } from './context';
import { contentDigest } from './digest';
import { diffLines, renderDiff } from './line-diff';
import { readEnforcement } from './enforcement';
import { readEnforcedText, type EnforcedState } from './state-files';
import { readRulesetText, type RulesetText, STANDARD_INPUT } from './ruleset-file';
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

/**
 * The file verbs edit: the enforced one, else `fallback`. `enforced` is null where nothing enforces. Throws
 * `SluiceError` where `named`, the file the user asked for, is not the enforced one, or where there is none to edit.
 */
export async function openForEdit(
  context: Context | null,
  fallback: string,
  named?: string,
): Promise<{ source: RulesetText; enforced: EnforcedState | null }> {
  const enforcement = context ? await readEnforcement(context) : null;
  const enforced = enforcement?.enforced ?? null;
  if (enforcement && !enforced) {
    const message = `generation ${enforcement.generation} enforces, but the record of its file is lost: no file can be changed in its place`;
    throw new SluiceError('operate/no-file', message, {
      hint: `sluice apply ${named ?? fallback} makes that file the enforced one`,
    });
  }
  if (enforced?.file === BUILT_IN) {
    throw new SluiceError('operate/no-file', 'what enforces is the built-in ruleset: there is no file to change', {
      hint: `sluice status tells why; sluice apply ${named ?? fallback} makes that file the enforced one`,
    });
  }
  if (enforced && named !== undefined && named !== enforced.file) {
    throw new SluiceError('operate/other-file', `"${named}" is not the enforced file, which is "${enforced.file}"`, {
      hint: `without --file the enforced one is changed; sluice apply ${named} makes that one the enforced`,
    });
  }
  if (enforced?.file === STANDARD_INPUT) {
    throw new SluiceError('operate/no-file', 'what enforces was read from standard input: there is no file to change', {
      hint: 'sluice apply FILE makes a file the enforced one',
    });
  }
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
