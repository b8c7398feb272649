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
import { withLock, withWriterLock } from './lock';
import { NothingPendingError, settleLocked } from './pending';
import { readReturned } from './returned';
import { readEnforced } from './state-files';
import { type SettledTrials, settleTrials } from './settle-trials';
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

/** Sections whose rows hold from now on. Throws `NothingPendingError`, also where it comes too late. */
export async function confirmSections(context: Context, meant: SectionsMeant = {}): Promise<SettledTrials> {
  return decide(context, meant, 'confirmed');
}

/** Sections whose rows before judge again from now on. Throws `NothingPendingError`. */
export async function takeBackSections(context: Context, meant: SectionsMeant = {}): Promise<SettledTrials> {
  return decide(context, meant, 'taken-back');
}

type Decision = Extract<ConfirmWord, 'confirmed' | 'taken-back'>;

/** Not while somebody writes into the file: it is put back here. */
async function decide(context: Context, meant: SectionsMeant, word: Decision): Promise<SettledTrials> {
  return withWriterLock(
    context,
    async () => {
      await takeBackInterrupted(context);
      return withLock(context, () => decideLocked(context, meant, word));
    },
    meant.patienceMs,
  );
}

async function decideLocked(context: Context, meant: SectionsMeant, word: Decision): Promise<SettledTrials> {
  await settleLocked(context);
  await settleTrials(context);
  const enforcement = await readEnforcement(context);
  const waiting = (enforcement?.trials ?? []).filter(waits);
  const { section } = meant;
  const chosen = new Set(
    waiting.filter(({ previous }) => section === undefined || previous.name === section).map((trial) => trial.word),
  );
  const decided = waiting.filter((trial) => chosen.has(trial.word));
  if (decided.length === 0) throw new NothingPendingError(lateOf(context, meant), meant.section);
  meant.require?.(decided);
  const by = meant.by ?? (await authorOf(context));
  failpoint('before-confirm-words');
  const done = setWords(context, chosen, word);
  failpoint('after-confirm-words');
  const settled = await settleTrials(context, by);
  const inTime = decided.filter((trial) => done.has(trial.word));
  if (!settled && inTime.length > 0 && word === 'confirmed') {
    await keepConfirmed(context, enforcement!, done);
    tolerate(() => {
      endTrials(context.folder, enforcement!.instance, inTime, { outcome: 'confirmed', by });
    });
  }
  if (inTime.length === 0) throw new NothingPendingError(lateOf(context, meant), meant.section);
  const names = inTime.map(({ previous }) => previous.name);
  // What waits as a whole holds both states of each until it has ended: then the rest is done.
  const nothing = { confirmed: [], returned: [], putBack: [], file: enforcement!.record!.source.file };
  return settled ?? { ...nothing, [word === 'confirmed' ? 'confirmed' : 'returned']: names };
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

function lateOf({ folder }: Context, { section }: SectionsMeant): ReturnType<typeof readReturned> {
  const late = readReturned(folder);
  return section === undefined || late?.sections?.includes(section) ? late : null;
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
