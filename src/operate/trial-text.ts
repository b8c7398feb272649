/** Texts of rulesets with what was before in the place of sections that wait to be confirmed. */
import { SluiceError } from '../kernel/errors';
import { pathOf } from './edit/section-lines';
import { putText, takeText } from './edit/lazy-section-text';
import type { PendingSection } from './generation-record';
import { readRulesetText, writeRulesetText } from './ruleset-file';

/** The text with what was before in the place of what is on trial; null where there is no place for it. */
export function textReturned(
  text: string,
  trials: readonly Pick<PendingSection, 'previous' | 'before'>[],
): string | null {
  let now: string | null = text;
  for (const { previous, before } of trials) if (now !== null) now = putText(now, pathOf(previous.name), before);
  return now;
}

/**
 * The file with what was before in the place of what verbs wrote; sections whose text somebody has changed by hand since
 * are left as they are. Names of those that are as they were.
 */
export function putSectionsBack(file: string, applied: string | null, trials: readonly PendingSection[]): string[] {
  if (!trials.some(({ edited }) => edited)) return [];
  try {
    const { text, digest } = readRulesetText(file);
    const back = sectionsReturned(text, applied, trials);
    if (!back) return [];
    if (back.text !== text) writeRulesetText(file, back.text, digest);
    return back.names;
  } catch (error) {
    if (error instanceof SluiceError) return [];
    throw error;
  }
}

/** The same of its text; null where there is no place for it. */
export function sectionsReturned(
  text: string,
  applied: string | null,
  trials: readonly PendingSection[],
): { readonly text: string; readonly names: string[] } | null {
  const ours = trials.filter(({ edited, previous: { name }, before }) => {
    if (!edited) return false;
    const now = takeText(text, pathOf(name));
    return now === before || (applied !== null && now === takeText(applied, pathOf(name)));
  });
  const back = textReturned(text, ours);
  return back === null ? null : { text: back, names: ours.map(({ previous }) => previous.name) };
}
