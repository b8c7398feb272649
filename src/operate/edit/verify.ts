/** The last word on an edit: does the new text mean what was intended, and nothing else? */
import { isDeepStrictEqual } from 'node:util';
import { SluiceError } from '../../kernel/errors';
import type { LogLevel } from '../../model/logging';
import type { Rule, Ruleset, Section } from '../../model/ruleset';
import { type EditedSection, sectionIn, withSection } from './edited-section';
import { type Opened, parseText } from './opened';
import type { EditOutcome } from './outcome';

/** What a row is, apart from its place. A derived id is null: it may get another number when rows change. */
export interface RowShape {
  readonly text: string;
  readonly enabled: boolean;
  readonly log?: Rule['log'];
  readonly untilMs?: number;
  readonly note?: string;
  readonly owner?: string;
  readonly review?: string;
  readonly id: string | null;
}

/** What an edit is to come to. */
export interface Intention {
  readonly rules: readonly RowShape[];
  readonly default?: Section['default'];
  readonly logging?: LogLevel;
  readonly udp?: 'on' | 'off';
  readonly message: string;
  readonly removedComments?: readonly string[];
}

/** What an edit can change of a rule. */
export function shapeOf(rule: Rule): RowShape {
  const { text, enabled, log, untilMs, note, owner, review } = rule;
  return { text, enabled, log, untilMs, note, owner, review, id: rule.idIsExplicit ? rule.id : null };
}

/**
 * Parses the ruleset with the edited text of the section's file. Findings about it refuse the edit (a row that makes the ruleset invalid); a text that is
 * valid but is not what was intended is a fault of the editor and throws `operate/edit`.
 */
export function accept(opened: Opened, edited: string, intention: Intention): EditOutcome {
  const text = opened.at.whole(edited);
  const { ruleset, diagnostics } = parseText(opened.document, text);
  if (!ruleset) return { kind: 'refused', text, diagnostics };
  const sameRules = isDeepStrictEqual(sectionIn(ruleset, opened.section)?.rules.map(shapeOf), intention.rules);
  const sameRest = isDeepStrictEqual(rest(ruleset, opened.section), rest(opened.ruleset, opened.section, intention));
  if (!sameRules || !sameRest)
    throw new SluiceError('operate/edit', `the edit would not have done exactly this: ${intention.message}`, {
      hint: 'nothing was written; edit the file by hand, and please report this',
    });
  const { message, removedComments = [] } = intention;
  return { kind: 'changed', text, message, removedComments, diagnostics };
}

/** Everything but the rows, without places in the text. */
function rest(
  ruleset: Ruleset,
  name: EditedSection,
  changed: Pick<Intention, 'default' | 'udp' | 'logging'> = {},
): unknown {
  const now = sectionIn(ruleset, name);
  // Of the switch only "off" stands in the model.
  const settings = { rules: [], default: changed.default ?? now?.default };
  const plain = { ...withSection(ruleset, name, settings), logging: changed.logging ?? ruleset.logging };
  const udp = changed.udp ?? now?.udp ?? 'on';
  return JSON.parse(
    JSON.stringify({ plain: withSection(plain, name, { udp: undefined }), udp }, (key, value: unknown) =>
      key === 'source' ? undefined : value,
    ),
  );
}
