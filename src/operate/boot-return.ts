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

/** Ends a change that waited as a whole; null where none did. `plan`: what was confirmed last. The caller holds the lock. */
export function endUnconfirmed(context: Context, plan: BootPlan | null): Returned | null {
  const record = unconfirmed(context, plan);
  tolerate(() => {
    endPending(context.folder, 'rolled-back-at-boot');
  });
  if (!record?.confirm) return null;
  return {
    ...{ generation: record.generation, previous: null, seconds: record.confirm.seconds, since: record.since },
    ...putFilesBackOrNote(context, record),
    atBoot: true,
  };
}

/** Ends what waited by itself in what is loaded; null where nothing did. The caller holds the lock. */
export function endUnconfirmedTrials(context: Context, { record, text }: SavedRuleset): Returned | null {
  const trials = (record.trials ?? []).filter(({ confirmed }) => !confirmed);
  if (trials.length === 0) return null;
  const { file } = record.source;
  return {
    ...{ generation: record.generation, previous: null, seconds: trials[0].seconds },
    since: trials[0].began.at(-1)?.at ?? record.since,
    ...{ file, fate: putSectionsBackOrNote(context, file, text, trials) },
    sections: trials.map(({ previous }) => previous.name),
    atBoot: true,
  };
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
