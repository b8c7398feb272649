/**
 * What waited to be confirmed when the machine went down is no more: a boot loads what it was to replace, and files say that
 * again, as after any change that nobody confirmed.
 */
import { readdirSync } from 'node:fs';
import type { BootPlan, SavedRuleset } from './boot-files';
import type { Context } from './context';
import { type GenerationRecord, readRecordFile } from './generation-record';
import { endPending, tolerate } from './history';
import { putFilesBackOrNote, putSectionsBackOrNote } from './put-back';
import type { Returned } from './returned';

/** Ends a change that waited as a whole, where one did. `plan`: what was confirmed last. The caller holds the lock. */
export function endUnconfirmed(context: Context, plan: BootPlan | null): readonly Returned[] {
  const record = unconfirmed(context, plan);
  tolerate(() => {
    endPending(context.folder, 'rolled-back-at-boot');
  });
  if (!record?.confirm) return [];
  const { generation, confirm, since } = record;
  const files = putFilesBackOrNote(context, record);
  return [{ ...{ generation, previous: null, seconds: confirm.seconds, since }, ...files, atBoot: true }];
}

/** Ends what waited by itself in what is loaded; what went together is one. The caller holds the lock. */
export function endUnconfirmedTrials(context: Context, { record, text }: SavedRuleset): readonly Returned[] {
  const trials = (record.trials ?? []).filter(({ confirmed }) => !confirmed);
  if (trials.length === 0) return [];
  const { generation, since, source } = record;
  const { fate, names } = putSectionsBackOrNote(context, source.file, text, trials);
  return [...new Set(trials.map(({ word }) => word))].map((word) => {
    const together = trials.filter((trial) => trial.word === word);
    return {
      ...{ generation, previous: null, seconds: together[0].seconds },
      since: together[0].began.at(-1)?.at ?? since,
      ...{ file: source.file, fate: together.every(({ previous }) => names.includes(previous.name)) ? fate : 'kept' },
      sections: together.map(({ previous }) => previous.name),
      atBoot: true,
    };
  });
}

/** The newest that waited as a whole: what was confirmed is what a boot loads. */
function unconfirmed({ folder }: Context, plan: BootPlan | null): GenerationRecord | null {
  if (!plan) return null; // what was confirmed nobody knows, so no file is touched
  let names: string[];
  try {
    names = readdirSync(folder.path);
  } catch {
    return null; // there is no folder, so nothing ever waited
  }
  const records = names
    .filter((name) => /^generation-\d+\.json$/.test(name))
    .flatMap((name) => readRecordFile(folder, name).value ?? [])
    .filter(({ confirm }) => confirm !== undefined)
    .filter(({ instance, generation }) => instance !== plan?.instance || generation > plan.generation);
  return records.sort((a, b) => b.generation - a.generation).at(0) ?? null;
}
