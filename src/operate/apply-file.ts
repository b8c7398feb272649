/** A ruleset file is read, checked, compiled and enforced: what programs ask for in one call. */
import { settle } from './pending';
import type { CheckMemory } from './check-memory';
import type { Diagnostic } from '../diagnostics/diagnostic';
import { type ApplyOutcome, applyRuleset } from './apply';
import { checkRuleset } from './check';
import type { Context } from './context';
import type { Candidate } from './enforce';
import { readRulesetText, type RulesetText } from './ruleset-file';
import type { Seen } from './seen';
import { beginKeepText } from './state-files';

/** How `Firewall.apply` goes about it. */
export interface ApplyOptions {
  /** Also when the ruleset cuts a live SSH session. */
  readonly force?: boolean;
  /**
   * The change waits so long, in whole seconds, for `confirm`; then what it replaced judges again, by itself. Left out:
   * it holds at once.
   */
  readonly confirmSeconds?: number;
  /** Only where this revision of `sluice history` (0: none yet) is enforced; else a `RefusedError` `operate/revision`. */
  readonly expectRevision?: number;
  /**
   * Only where what is enforced has a digest that begins so (of a snapshot, `written`), or the section (`sections[].digest`):
   * else somebody changed it since, and a `RefusedError` `operate/ruleset` or `operate/section` names both.
   */
  readonly seen?: Seen;
  /** Warnings are errors. */
  readonly strict?: boolean;
  /** Filter these interfaces instead of those the ruleset names. */
  readonly interfaces?: readonly string[];
}

/** What became of a ruleset; `refused` means that its findings hold errors and that nothing was changed. */
export type FirewallApplied =
  | { readonly kind: 'refused'; readonly diagnostics: readonly Diagnostic[] }
  | (ApplyOutcome & { readonly diagnostics: readonly Diagnostic[] });

/** See `Firewall.apply`. */
export async function applyFile(
  context: Context,
  file: string,
  options: ApplyOptions,
  memory: CheckMemory,
): Promise<FirewallApplied> {
  // A caller that lives long has nobody else who tidies up after what waited and was not confirmed.
  await settle(context);
  const source = readRulesetText(file);
  // Of thousands of servers the text is megabytes: it goes to the disk meanwhile.
  const giveUp = beginKeepText(context.folder, source.text);
  try {
    const { strict = false } = options;
    const { diagnostics, ruleset, image } = checkRuleset(source.path, source.text, { strict, memory });
    if (!ruleset || !image) return { kind: 'refused', diagnostics };
    return { ...(await applyChecked(context, source, { ruleset, image }, options, memory)), diagnostics };
  } finally {
    await giveUp();
  }
}

async function applyChecked(
  context: Context,
  source: RulesetText,
  { ruleset, image }: Pick<Candidate, 'ruleset' | 'image'>,
  options: ApplyOptions,
  memory: CheckMemory,
): Promise<ApplyOutcome> {
  const { interfaces } = options;
  const candidate = {
    file: source.path,
    text: source.text,
    ruleset: interfaces ? { ...ruleset, interfaces } : ruleset,
    image,
    ...(interfaces && { interfaceOverride: interfaces }),
  };
  const { confirmSeconds, expectRevision, seen } = options;
  return applyRuleset(context, candidate, {
    ...{ force: options.force ?? false, asRead: true, memory },
    ...(confirmSeconds !== undefined && { confirmSeconds }),
    ...(expectRevision !== undefined && { expectRevision }),
    ...(seen && { seen }),
  });
}
