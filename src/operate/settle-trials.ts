/**
 * Sections that do not wait any more, because they were confirmed, taken back, or their time is over: the kernel judges by
 * that already. Here the files are made to say so, and an image without what is no longer wanted takes the place of the
 * one that held both. Cut short anywhere, it is done again.
 */
import { compile } from '../compile/compile';
import { failpoint } from '../load/failpoint';
import { resolveInterfaces } from '../load/attach';
import { CONFIRM_WORDS_MAX } from '../load/confirm-words';
import { SharedState } from '../load/state';
import { rulesetReturned } from '../model/trial';
import { rulesetAt } from '../model/until';
import type { Author } from './change-note';
import type { Context } from './context';
import { enforce } from './enforce';
import { type Enforcement, readEnforcement } from './enforcement';
import type { GenerationRecord, PendingSection } from './generation-record';
import { catchUp, endTrials, type RevisionOutcome, tolerate } from './history';
import { addReturned, type Returned } from './returned';
import { readEnforcedText } from './state-files';
import { hasReturned, type LiveTrial, storedTrial, usedWords, waits } from './trial-state';
import { putSectionsBack, textReturned } from './trial-text';

/** What became of sections that waited: names; `putBack`: in whose place the file says again what it did. */
export interface SettledTrials {
  readonly confirmed: readonly string[];
  readonly returned: readonly string[];
  readonly putBack: readonly string[];
  readonly file: string;
  /** Those that were not confirmed in time. */
  readonly late: readonly Returned[];
}

/** Whose words decided, and which: of others the time was over. */
export interface DecidedBy {
  readonly by: Author;
  readonly words: ReadonlySet<number>;
}

/** Tidies up after sections that do not wait any more; null where there are none. The caller holds the lock. */
export async function settleTrials(context: Context, decided?: DecidedBy): Promise<SettledTrials | null> {
  const { folder, kernel, netns } = context;
  const enforcement = await readEnforcement(context);
  const { record, pending, enforced } = enforcement ?? {};
  // What waits as a whole holds both states of each; when that has ended, this comes.
  if (!enforcement || !record || pending) return null;
  const over = enforcement.trials.filter((trial) => !waits(trial));
  if (over.length === 0) {
    freeWords(context);
    return null;
  }
  const returned = over.filter(hasReturned);
  const confirmed = over.filter((trial) => !hasReturned(trial));
  const applied = enforced ? readEnforcedText(folder, enforced) : null;
  const { file, interfaceOverride } = record.source;
  const putBack = putSectionsBack(file, applied, returned);
  failpoint('after-trial-file');
  const late = changesReturned(enforcement, record, putBack);
  // Before nothing is left to tidy up after: whoever is cut short here says it again.
  tolerate(() => {
    for (const one of late) addReturned(folder, one);
  });
  tolerate(() => {
    // Whoever made the change may have been killed before the history told of it.
    catchUp(folder, enforcement);
    for (const trial of over)
      endTrials(folder, record.instance, [trial], {
        outcome: outcomeOf(trial),
        ...(decided?.words.has(trial.word) && { by: decided.by }),
      });
  });
  failpoint('after-trial-outcome');
  const ruleset = rulesetAt(
    rulesetReturned(record.ruleset, returned, () => true),
    Date.now(),
  );
  const trials = enforcement.trials.filter(waits).map(storedTrial);
  const candidate = {
    ...{ file, ruleset, image: compile(ruleset, undefined, trials) },
    // Lost, or without a place for what was before, it makes the next verb say that the file differs from what is enforced.
    text: (applied === null ? null : textReturned(applied, returned)) ?? applied ?? '',
    ...(interfaceOverride && { interfaceOverride }),
  };
  const filtered = enforcement.attachments.map(({ name }) => name);
  await enforce(context, candidate, {
    // Those that are gone for the moment are filtered again by what comes next.
    interfaces: filtered.length > 0 ? await resolveInterfaces(kernel, filtered, netns) : [],
    ...{ names: enforced?.interfaces ?? filtered, before: enforcement.generation, byItself: true },
    trials: { trials, begin: [] },
  });
  failpoint('after-trial-settled');
  freeWords(context);
  return { confirmed: confirmed.map(nameOf), returned: returned.map(nameOf), putBack, file, late };
}

/** Changes whose time was over: what went together is one. */
function changesReturned(
  { generation, trials }: Enforcement,
  { since, source: { file } }: GenerationRecord,
  putBack: readonly string[],
): readonly Returned[] {
  const late = trials.filter((trial) => hasReturned(trial) && trial.state !== 'taken-back');
  return [...new Set(late.map(({ word }) => word))].map((word) => {
    const together = late.filter((trial) => trial.word === word);
    const isPutBack = together.every((trial) => putBack.includes(nameOf(trial)));
    return {
      ...{ generation, previous: generation, seconds: together[0].seconds },
      since: together[0].began.at(-1)?.at ?? since,
      ...{ file, fate: isPutBack ? 'put-back' : 'kept' },
      sections: together.map(nameOf),
    };
  });
}

function nameOf({ previous }: PendingSection): string {
  return previous.name;
}

function outcomeOf(trial: LiveTrial): RevisionOutcome {
  if (!hasReturned(trial)) return 'confirmed';
  return trial.state === 'taken-back' ? 'rolled-back-by-hand' : 'rolled-back-by-deadline';
}

/** Whether a word is set: then somebody waits, or what waited has not been tidied up after. */
export function hasWords(state: SharedState): boolean {
  const words = state.confirmWords();
  try {
    return Array.from({ length: CONFIRM_WORDS_MAX }, (_, i) => words.get(i + 1)).some((word) => word !== 'free');
  } finally {
    words.close();
  }
}

/** Clears the words that no generation names. The caller holds the lock. */
export function freeWords({ kernel, pins, folder }: Context): void {
  const state = SharedState.find(kernel, pins);
  if (!state) return;
  const words = state.confirmWords();
  try {
    if (!hasWords(state)) return;
    const used = usedWords(folder, state);
    if (!used) return;
    for (let word = 1; word <= CONFIRM_WORDS_MAX; word++) if (!used.has(word)) words.set(word, 'free');
  } finally {
    words.close();
    state.close();
  }
}
