/** The file behind what enforces: which one verbs edit, and whether it is still the text that was applied. */
import { BUILT_IN } from './built-in';
import type { Context } from './context';
import { contentDigest } from './digest';
import { type Enforcement, type Judging, readEnforcement } from './enforcement';
import type { GenerationRecord } from './generation-record';
import { readEnforced, readEnforcedText, type EnforcedState } from './state-files';
import { renderTextDiff } from './ruleset-diff';
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

/** The file that enforces, or did until `disable` or a boot that could not load it; null where none ever did. */
export async function lastEnforced(context: Context): Promise<EnforcedState | null> {
  const enforced = (await readable(context))?.enforced ?? null;
  return enforced && enforced.file !== BUILT_IN ? enforced : readEnforced(context.folder).value;
}

/** What enforces; null also where it is damaged, or of another version: files know which text it came from. */
async function readable(context: Context): Promise<Enforcement | null> {
  try {
    return await readEnforcement(context);
  } catch (error) {
    if (error instanceof SluiceError && ['load/damaged', 'load/abi'].includes(error.code)) return null;
    throw error;
  }
}

/**
 * The file verbs edit: the enforced one, else the one `enable` would enforce. `enforced` is null where nothing enforces, `record`
 * (for `inPlaceOf` of an apply) also where it is lost; `known`: what the caller has just read of it. Throws
 * `SluiceError` where `named`, the file the user asked for, is not the enforced one, or where there is none to edit.
 */
export async function openForEdit(
  context: Context,
  fallback: string,
  named?: string,
  known?: Judging,
): Promise<{ source: RulesetText; enforced: EnforcedState | null; record: GenerationRecord | null }> {
  const enforcement: Judging | null = known ?? (await readEnforcement(context));
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
  const source = readRulesetText(enforced?.file ?? (await fileMeant(context, fallback, named)).file);
  if (enforced && contentDigest(source.text) !== enforced.textDigest) {
    const before = readEnforcedText(context.folder, enforced);
    throw new EditedError(
      enforced.file,
      before === null ? '(the applied text is lost)' : renderTextDiff(before, source.text),
    );
  }
  return { source, enforced, record: enforcement?.record ?? null };
}

/**
 * The file a command takes: the named one, else the one that enforces or did last, with the interfaces it was given, else
 * `fallback`. Throws `SluiceError` `operate/no-file` where the last one was read from standard input.
 */
export async function fileMeant(
  context: Context,
  fallback: string,
  named?: string,
): Promise<Pick<EnforcedState, 'file' | 'interfaceOverride'>> {
  const last = named === undefined ? await lastEnforced(context) : null;
  if (!last) return { file: named ?? fallback };
  if (last.file === STANDARD_INPUT) {
    throw new SluiceError('operate/no-file', 'what enforced last was read from standard input: there is no such file', {
      hint: `name one: --file ${fallback}`,
    });
  }
  const { file, interfaceOverride } = last;
  return { file, ...(interfaceOverride && { interfaceOverride }) };
}
