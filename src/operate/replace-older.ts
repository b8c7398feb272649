/**
 * What an older version of sluice has pinned is taken over: the same ruleset, compiled by this version, judges in its
 * place, and of the state as much goes on as is laid out as before. The rest is said to be lost, by name.
 */
import { compile } from '../compile/compile';
import type { Image } from '../compile/image';
import { SluiceError } from '../kernel/errors';
import { listInterfaces } from '../kernel/interfaces';
import { clearInterrupted, seedDevice } from '../load/apply';
import { findOlder, lostWords, type OlderState } from '../load/older';
import { replaceState } from '../load/replace';
import { restoreBans } from './bans';
import { saveForBoot } from './boot-files';
import type { Context } from './context';
import { foldInto } from './counts';
import { recordOf } from './enforce';
import { stateOf } from './enforcement';
import {
  type GenerationRecord,
  pruneGenerationRecords,
  readGenerationRecord,
  writeGenerationRecord,
} from './generation-record';
import { withLock } from './lock';
import { readEnforced, readEnforcedText, type StateFolder, writeEnforced } from './state-files';

/** What took the place of what an older version pinned. */
export interface OlderReplaced {
  /** Layout of the older one. */
  readonly version: number;
  readonly generation: number;
  /** What of its state is lost, in words. */
  readonly lost: readonly string[];
}

/** Takes over from an older version; null where none has pinned anything, or nothing that this one can take over. */
export async function replaceOlder(context: Context): Promise<OlderReplaced | null> {
  if (!findOlder(context.kernel, context.pins) && !isHalfReplaced(context)) return null;
  return withLock(context, async () => {
    const replaced = await replaceOlderLocked(context);
    // Who was cut short has left the generations of the older one.
    if (!replaced) await clearInterrupted(context, foldInto(context));
    return replaced;
  });
}

/** What was cut short between two places is finished by whoever takes the lock. */
function isHalfReplaced({ pins }: Context): boolean {
  return pins.exists() && pins.isHalfReplaced();
}

/** The same for who holds the lock. */
export async function replaceOlderLocked(context: Context): Promise<OlderReplaced | null> {
  const { kernel, pins, folder, netns } = context;
  const older = findOlder(kernel, pins);
  if (!older) return null;
  // Nothing is attached: there is nothing to take over, and what is made anew clears it away.
  if (pins.links().length === 0) {
    pins.clear();
    return null;
  }
  if (older.pending && older.pending.fresh === null) throw waits(older);
  const records = recordsOf(folder, older);
  const named = netns !== undefined && { netns };
  const replaced = await replaceState({ kernel, pins, ...named }, older, {
    rulesets: [...records].map(([number, record]) => ({ older: number, image: imageOf(record) })),
    record: (generation, number) => {
      writeGenerationRecord(folder, recordHere(records.get(number)!, generation));
    },
    fillState: async (state, changed) => {
      if (changed.has('bans')) await restoreBans(context, state);
    },
    seed: async (state, made, flows) => {
      const indexes = new Set(pins.links().map(({ ifindex }) => ifindex));
      for (const device of await listInterfaces(kernel, netns))
        if (indexes.has(device.index)) await seedDevice(kernel, pins, state, { ...made, ...named }, device, flows);
    },
    fold: foldInto(context),
  });
  const generationOf = (number: number): number => replaced.generations.get(number)!;
  // What waits is neither what files name nor what a boot loads.
  const lasting = older.pending ? older.pending.previous : older.judging;
  const waiting = older.pending ? records.get(older.judging!)! : null;
  if (lasting !== null)
    await remember(context, recordHere(records.get(lasting)!, generationOf(lasting)), {
      before: records.get(lasting)!,
      keep: waiting ? [waiting.source.textDigest, ...(waiting.confirm?.edits ?? []).map((edit) => edit.before)] : [],
    });
  pruneGenerationRecords(folder, new Set(pins.generations()));
  return {
    version: older.version,
    generation: generationOf(older.judging!),
    lost: [...replaced.lost].map(lostWords),
  };
}

/** Of each generation that judges or may judge again, the last of them what the gate names; throws where one is lost. */
function recordsOf(folder: StateFolder, older: OlderState): ReadonlyMap<number, GenerationRecord> {
  const instance = Buffer.from(older.seed).toString('hex');
  const { judging, pending } = older;
  const records = [...(pending?.previous ? [pending.previous] : []), judging ?? 0].map((number) => {
    const record = readGenerationRecord(folder, number, instance);
    if (!record) throw unknown(older);
    return [number, record] as const;
  });
  return new Map(records);
}

function imageOf({ ruleset, trials }: Pick<GenerationRecord, 'ruleset' | 'trials'>): Image {
  return compile(ruleset, undefined, trials);
}

/** The record of the same ruleset as this version has compiled it. It is no change of anybody's. */
function recordHere(before: GenerationRecord, generation: number): GenerationRecord {
  const { instance, since, interfaces, keep, confirm, trials, ruleset, source } = before;
  const named = {
    ...{ generation, instance, since: confirm ? since : new Date().toISOString(), interfaces },
    ...{ ...(keep && { keep }), ...(confirm && { confirm }), ...(trials && { trials }) },
  };
  return { ...recordOf({ file: source.file, text: '', ruleset, image: imageOf(before) }, named), source };
}

/** What files say of it: the same as before, under its new number; `keep`: texts that may become it, or stand in files again. */
async function remember(
  context: Context,
  record: GenerationRecord,
  { before, keep }: { readonly before: GenerationRecord; readonly keep: readonly string[] },
): Promise<void> {
  const { folder } = context;
  const enforced = readEnforced(folder).value;
  const same = enforced?.generation === before.generation ? enforced : stateOf(before, []);
  const state = { ...same, generation: record.generation, rulesetDigest: record.digest };
  if (!record.keep && readEnforcedText(folder, state) !== null)
    await saveForBoot(context, record.ruleset, { ...state, instance: record.instance });
  writeEnforced(folder, state, null, keep);
}

function waits({ version }: OlderState): SluiceError {
  return new SluiceError(
    'operate/older-waits',
    `a change of an older sluice (layout ${version}) waits to be confirmed, and this one cannot tell all of what it is to take back`,
    { hint: 'nothing was changed; with that version: sluice confirm, or sluice rollback; then again' },
  );
}

function unknown({ version }: OlderState): SluiceError {
  return new SluiceError(
    'operate/older-unknown',
    `what an older sluice (layout ${version}) enforces cannot be told: the record of its generation is lost`,
    { hint: 'it goes on judging; end it and begin anew: sluice disable, sluice enable' },
  );
}

/** In words, for who asked for something else. */
export function describeReplaced({ version, generation, lost }: OlderReplaced): string {
  const gone = lost.length === 0 ? 'nothing of its state is lost' : `lost: ${lost.join('; ')}`;
  return `what an older sluice (layout ${version}) had pinned was replaced without a gap: generation ${generation} judges by the same rules; ${gone}`;
}
