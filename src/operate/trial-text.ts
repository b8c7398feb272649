/** Texts of rulesets with what was before in the place of servers that wait to be confirmed. */
import { SluiceError } from '../kernel/errors';
import { pathOf } from './edit/section-lines';
import { putText, takeText } from './edit/section-text';
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
 * The file with what was before in the place of what verbs wrote; servers whose text somebody has changed by hand since
 * are left as they are. Names of those that are as they were.
 */
export function putSectionsBack(file: string, applied: string | null, trials: readonly PendingSection[]): string[] {
  const edited = trials.filter((trial) => trial.edited);
  if (edited.length === 0) return [];
  try {
    const { text, digest } = readRulesetText(file);
    const ours = edited.filter(({ previous: { name }, before }) => {
      const now = takeText(text, pathOf(name));
      return now === before || (applied !== null && now === takeText(applied, pathOf(name)));
    });
    const back = textReturned(text, ours);
    if (back === null) return [];
    if (back !== text) writeRulesetText(file, back, digest);
    return ours.map(({ previous }) => previous.name);
  } catch (error) {
    if (error instanceof SluiceError) return [];
    throw error;
  }
}
