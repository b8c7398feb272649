/** Sections that wait to be confirmed, each by itself: what their words in the kernel say of them now. */
import type { ConfirmWord } from '../load/confirm-words';
import { liveGenerations } from '../load/generations';
import type { SharedState } from '../load/state';
import type { Ruleset } from '../model/ruleset';
import { rulesetReturned } from '../model/trial';
import { type GenerationRecord, type PendingSection, readGenerationRecord } from './generation-record';
import type { StateFolder } from './state-files';

/** A section that waits, and what its word says now. */
export interface LiveTrial extends PendingSection {
  readonly state: ConfirmWord;
  /** What is left of its time; 0 where it does not wait any more. */
  readonly leftNs: bigint;
}

/** Those of a record as they are at a boot time. */
export function liveTrials(
  state: SharedState,
  { trials = [] }: Pick<GenerationRecord, 'trials'>,
  nowNs: bigint,
): LiveTrial[] {
  if (trials.length === 0) return [];
  const words = state.confirmWords();
  try {
    return trials.map((trial) => {
      const found = words.get(trial.word);
      const leftNs = typeof found === 'bigint' && found > nowNs ? found - nowNs : 0n;
      return { ...trial, state: found, leftNs };
    });
  } finally {
    words.close();
  }
}

/** Whether it still waits: neither confirmed nor taken back, and in time. */
export function waits({ leftNs }: Pick<LiveTrial, 'leftNs'>): boolean {
  return leftNs > 0n;
}

/** Whether what was before judges again. */
export function hasReturned({ state, leftNs }: Pick<LiveTrial, 'state' | 'leftNs'>): boolean {
  return leftNs === 0n && state !== 'confirmed' && state !== 'free';
}

/** The ruleset by which packets are judged: of sections that were not confirmed with their rows before. */
export function judgingRuleset(ruleset: Ruleset, trials: readonly LiveTrial[]): Ruleset {
  const returned = new Set(trials.filter(hasReturned).map(({ previous }) => previous.name));
  return rulesetReturned(ruleset, trials, (name) => returned.has(name));
}

/** As a record keeps it. */
export function storedTrial({ previous, word, seconds, before, edited, began, confirmed }: LiveTrial): PendingSection {
  return { previous, word, seconds, before, edited, began, ...(confirmed && { confirmed }) };
}

/** Words that a generation names which judges, or may judge again. Null where a record is lost: nobody knows. */
export function usedWords(folder: StateFolder, state: SharedState): ReadonlySet<number> | null {
  const used = new Set<number>();
  for (const generation of liveGenerations(state)) {
    const record = readGenerationRecord(folder, generation, state.instance);
    if (!record) return null;
    for (const { word } of record.trials ?? []) used.add(word);
  }
  return used;
}
