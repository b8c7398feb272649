/** Sections that wait to be confirmed by themselves: kept, or taken back before their time. */
import type { ConfirmWord } from '../load/confirm-words';
import { failpoint } from '../load/failpoint';
import { SharedState } from '../load/state';
import { type Author, authorOf } from './change-note';
import type { Context } from './context';
import { readBootPlan, saveForBoot } from './boot-files';
import { type Enforcement, readEnforcement } from './enforcement';
import { readGenerationRecord, writeGenerationRecord } from './generation-record';
import { endTrials, tolerate } from './history';
import { takeBackInterrupted } from './interrupted';
import { DECISION_PATIENCE_MS, withLock, withWriterLock } from './lock';
import { NothingPendingError, settleLocked, UnwrittenError } from './pending';
import { RecordLostError } from './record-lost';
import { readReturned, type Returned } from './returned';
import { readEnforced } from './state-files';
import { hasWords, type SettledTrials, settleTrials } from './settle-trials';
import { type LiveTrial, waits } from './trial-state';

/** What of it is meant. */
export interface SectionsMeant {
  /** Only with this section, and what waits in the same change; left out: all that wait. */
  readonly section?: string | undefined;
  /** Throws where all that would come with it is not the caller's to say: an owner decides for nobody else. */
  readonly require?: (decided: readonly LiveTrial[]) => void;
  /** Left out: whoever runs this. */
  readonly by?: Author;
  /** How long another writer is waited for; left out: as by every command. */
  readonly patienceMs?: number;
}

/** Names of sections that wait by themselves. */
export async function waitingSections(context: Context): Promise<string[]> {
  return ((await readEnforcement(context))?.trials ?? []).filter(waits).map(({ previous }) => previous.name);
}

/** Sections whose rows hold from now on. Throws `NothingPendingError`, also where it comes too late, and `UnwrittenError`. */
export async function confirmSections(context: Context, meant: SectionsMeant = {}): Promise<Decided> {
  return decide(context, meant, 'confirmed');
}

/** Sections whose rows before judge again from now on. Throws `NothingPendingError` and `UnwrittenError`. */
export async function takeBackSections(context: Context, meant: SectionsMeant = {}): Promise<Decided> {
  return decide(context, meant, 'taken-back');
}

/** What was decided: names; `putBack`: in whose place the file says again what it did. */
export type Decided = Pick<SettledTrials, 'putBack' | 'file'> & { readonly sections: readonly string[] };

type Decision = Extract<ConfirmWord, 'confirmed' | 'taken-back'>;

/** Not while somebody writes into the file: it is put back here. */
async function decide(context: Context, meant: SectionsMeant, word: Decision): Promise<Decided> {
  return withWriterLock(
    context,
    async () => {
      await takeBackInterrupted(context);
      return withLock(context, () => decideLocked(context, meant, word), meant.patienceMs ?? DECISION_PATIENCE_MS);
    },
    meant.patienceMs,
  );
}

async function decideLocked(context: Context, meant: SectionsMeant, word: Decision): Promise<Decided> {
  await settleLocked(context);
  await settleTrials(context);
  const enforcement = await readEnforcement(context);
  const waiting = (enforcement?.trials ?? []).filter(waits);
  const { section } = meant;
  const chosen = new Set(
    waiting.filter(({ previous }) => section === undefined || previous.name === section).map((trial) => trial.word),
  );
  const decided = waiting.filter((trial) => chosen.has(trial.word));
  if (decided.length === 0 && enforcement && !enforcement.record && anyWord(context))
    throw new RecordLostError('what waits to be confirmed cannot be told, and goes back at its deadline');
  if (decided.length === 0) throw new NothingPendingError(lateOf(context, meant), meant.section);
  meant.require?.(decided);
  const by = meant.by ?? (await authorOf(context));
  failpoint('before-confirm-words');
  const words = setWords(context, chosen, word);
  failpoint('after-confirm-words');
  const inTime = decided.filter((trial) => words.has(trial.word));
  const sections = inTime.map(({ previous }) => previous.name);
  let settled: SettledTrials | null;
  try {
    settled = await settleTrials(context, { by, words });
    if (!settled && inTime.length > 0 && word === 'confirmed') {
      await keepConfirmed(context, enforcement!, words);
      tolerate(() => {
        endTrials(context.folder, enforcement!.instance, inTime, { outcome: 'confirmed', by });
      });
    }
  } catch (error) {
    if (sections.length === 0) throw error;
    const what = `the rows of ${sections.join(', ')}`;
    throw new UnwrittenError(what, word, error);
  }
  if (inTime.length === 0) throw new NothingPendingError(lateOf(context, meant), meant.section);
  // What waits as a whole holds both states of each until it has ended: then the rest is done.
  const putBack = (settled?.putBack ?? []).filter((name) => sections.includes(name));
  return { sections, putBack, file: enforcement!.record!.source.file };
}

/** A change waits as a whole, and what is in both states of it was confirmed: a boot meanwhile, or `disable`, goes by that. */
async function keepConfirmed(
  context: Context,
  { generation, instance }: Enforcement,
  chosen: ReadonlySet<number>,
): Promise<void> {
  const { folder } = context;
  const enforced = readEnforced(folder).value;
  for (const number of new Set([generation, ...(enforced ? [enforced.generation] : [])])) {
    const record = readGenerationRecord(folder, number, instance);
    if (!record?.trials) continue;
    const trials = record.trials.map((trial) =>
      chosen.has(trial.word) ? { ...trial, confirmed: true as const } : trial,
    );
    writeGenerationRecord(folder, { ...record, trials });
    const plan = readBootPlan(folder).value;
    const isSaved = plan?.load === 'ruleset' && plan.instance === instance && plan.generation === number;
    if (enforced?.generation === number && isSaved)
      await saveForBoot(context, record.ruleset, { ...enforced, instance });
  }
}

/** Whether a section waits, whichever. */
function anyWord({ kernel, pins }: Context): boolean {
  const state = SharedState.find(kernel, pins);
  try {
    return state !== null && hasWords(state);
  } finally {
    state?.close();
  }
}

function lateOf({ folder }: Context, { section }: SectionsMeant): readonly Returned[] {
  return readReturned(folder).filter(({ sections }) => section === undefined || sections?.includes(section));
}

/** Words that were in time; of the others the time was over: what was before judges there, and nothing is written. */
function setWords({ kernel, pins }: Context, chosen: ReadonlySet<number>, value: Decision): ReadonlySet<number> {
  const done = new Set<number>();
  const state = SharedState.find(kernel, pins);
  if (!state) return done;
  const words = state.confirmWords();
  try {
    for (const word of chosen) {
      const deadline = words.get(word);
      if (typeof deadline !== 'bigint' || kernel.bootTimeNs() >= deadline) continue;
      if (value === 'taken-back') words.takeBack(word, kernel.bootTimeNs());
      else if (!words.confirm(word, deadline, () => kernel.bootTimeNs())) continue;
      done.add(word);
    }
    return done;
  } finally {
    words.close();
    state.close();
  }
}
