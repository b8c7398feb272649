/**
 * What happens at boot, before the network is up: the last ruleset that enforced is loaded, else an older one, else one
 * that is built in. Never silently open.
 */
import { compile } from '../compile/compile';
import { SluiceError } from '../kernel/errors';
import { type Interface, listInterfaces } from '../kernel/interfaces';
import { rulesetReturned } from '../model/trial';
import { rulesetAt } from '../model/until';
import { type Applied, clearInterrupted } from '../load/apply';
import { currentAttachments } from '../load/attach';
import { unload } from '../load/unload';
import { attachEach, type KeptUp, keepUpWithInterfaces } from './attachments';
import {
  type BootPlan,
  type BuiltInFacts,
  readBootPlan,
  readSavedRuleset,
  saveForBoot,
  savedRulesets,
  type SavedRuleset,
} from './boot-files';
import { type Booted, writeBooted } from './booted';
import { bootId } from './namespace-key';
import { builtInRuleset } from './built-in';
import { describeChange, type Intent } from './change-note';
import type { Context } from './context';
import { foldInto } from './counts';
import { type Candidate, enforce, UnfinishedError, type Where } from './enforce';
import { readEnforcement, stateOf } from './enforcement';
import { type GenerationRecord, pruneGenerationRecords, readGenerationRecord } from './generation-record';
import { endUnconfirmed, endUnconfirmedTrials } from './boot-return';
import { tolerate } from './history';
import { withBootLock } from './lock';
import type { StateFolder } from './state-files';
import { addReturned, type Returned } from './returned';
import { textReturned } from './trial-text';
import { type OlderReplaced, replaceOlderLocked } from './replace-older';
import { messageOf } from './system-error';

/** What `bootFirewall` did. */
export type BootOutcome =
  | {
      readonly kind: 'enforces-already';
      /** Set where an older version's pins were replaced. */
      readonly replaced: OlderReplaced | null;
      readonly generation: number;
      readonly attached: readonly string[];
      readonly refused: KeptUp['refused'];
    }
  | { readonly kind: 'disabled'; readonly returned: readonly Returned[] }
  | {
      readonly kind: 'booted';
      readonly booted: Booted;
      readonly interfaces: readonly string[];
      /** Interfaces that are there and cannot be filtered, with the reason. */
      readonly refused: KeptUp['refused'];
      /** What waited to be confirmed when the machine went down. */
      readonly returned: readonly Returned[];
    };

/** What a candidate was loaded as. */
interface Loaded {
  readonly applied: Judging;
  readonly missing: readonly string[];
  readonly refused: KeptUp['refused'];
  readonly returned: readonly Returned[];
}

/** What a candidate became. */
type Judging = Pick<Applied, 'generation' | 'instance' | 'attachments'>;

const POLL_MS = 100;

/**
 * Loads what a boot is to load. Interfaces that are not there yet are waited for, `waitMs` at most: the network waits
 * for this. Throws `SluiceError` `operate/boot`, with every reason, where nothing could be loaded.
 */
export async function bootFirewall(context: Context, { waitMs }: { waitMs: number }): Promise<BootOutcome> {
  return withBootLock(context, async (unwritten) => {
    const { folder } = context;
    const replaced = await replaceOlderLocked(context);
    const enforcement = await readEnforcement(context);
    if (enforcement) {
      // Generations that judge no more, of whoever was cut short.
      if (unwritten.length === 0) await clearInterrupted(context, foldInto(context));
      return {
        kind: 'enforces-already',
        replaced,
        generation: enforcement.generation,
        ...(await keepUpWithInterfaces(context)),
      };
    }
    const plan = readBootPlan(folder);
    const reasons = [...unwritten, ...(plan.warning === undefined ? [] : [plan.warning])];
    const returned = putBack(reasons, () => endUnconfirmed(context, plan.value));
    if (plan.value?.load === 'nothing') {
      keepReturned(folder, returned);
      pruneGenerationRecords(folder, new Set());
      return { kind: 'disabled', returned };
    }
    const loader = new Loader(context, plan.value, Date.now() + waitMs, reasons, returned);
    const numbers = savedRulesets(folder);
    if (numbers.length === 0) reasons.push(`no ruleset is saved in "${folder.path}"`);
    for (const [i, number] of numbers.entries()) {
      const saved = readSavedRuleset(folder, number);
      if (!saved.value) {
        reasons.push(saved.warning ?? `what "${folder.path}" saved as number ${number} is lost`);
        continue;
      }
      if (saved.warning !== undefined) reasons.push(saved.warning);
      try {
        const { record } = saved.value;
        const last = i === 0 && (plan.value === null || isNewest(record, plan.value));
        const loaded = await loader.loadSaved(saved.value, last ? null : { what: 'boot: an older ruleset' });
        // Only now, so that no file keeps a filter from being loaded; of an older one nobody knows what was confirmed.
        const alone = last ? putBack(reasons, () => endUnconfirmedTrials(context, saved.value!)) : [];
        // No later boot does that again, or says so.
        if (alone.length > 0) reasons.push(...(await keepConfirmed(context, loaded.applied)));
        const done = { ...loaded, returned: [...loaded.returned, ...alone] };
        if (i === 0 && !last) reasons.push('the ruleset that enforced last is lost');
        return outcome(folder, { ...done, loaded: last ? 'last' : 'older', since: record.since, reasons });
      } catch (error) {
        reasons.push(`the ruleset of ${saved.value.record.since} does not load: ${messageOf(error)}`);
      }
    }
    if (plan.value?.builtIn.boot === 'open') {
      return outcome(folder, {
        ...{ applied: null, missing: [], refused: [], returned },
        loaded: 'nothing',
        since: null,
        reasons,
      });
    }
    try {
      const done = await loader.loadBuiltIn();
      return outcome(folder, { ...done, loaded: 'built-in', since: null, reasons });
    } catch (error) {
      reasons.push(`the built-in ruleset does not load: ${messageOf(error)}`);
    }
    throw new SluiceError(
      'operate/boot',
      `nothing is filtered, no ruleset could be loaded:\n  ${reasons.join('\n  ')}`,
      {
        hint: 'sluice enable, once that is mended',
      },
    );
  });
}

/** What was loaded is what boots load from now on, without what was not confirmed of it; why it is not, where it is not. */
async function keepConfirmed(context: Context, { generation, instance, attachments }: Judging): Promise<string[]> {
  const record = readGenerationRecord(context.folder, generation, instance);
  if (!record) return []; // said already: it could not be written
  try {
    const enforced = { ...stateOf(record, attachments), instance };
    await saveForBoot(context, record.ruleset, enforced, { instead: true });
    return [];
  } catch (error) {
    return [`the next boot says again what was not confirmed: ${messageOf(error)}`];
  }
}

/** What a boot does to files must not keep it from filtering: where it fails, that is said. */
function putBack(reasons: string[], end: () => readonly Returned[]): readonly Returned[] {
  try {
    return end();
  } catch (error) {
    reasons.push(`files are not put back as they were before what was not confirmed: ${messageOf(error)}`);
    return [];
  }
}

/** Whether no later ruleset enforced: the plan is written after the record. */
function isNewest({ digest, source, instance, generation }: GenerationRecord, plan: BootPlan): boolean {
  const same = digest === plan.digest && source.textDigest === plan.textDigest;
  return same || (instance === plan.instance && generation > plan.generation);
}

class Loader {
  constructor(
    private readonly context: Context,
    private readonly plan: BootPlan | null,
    private readonly deadline: number,
    /** Why what was loaded is not all that it should be. */
    private readonly reasons: string[],
    /** What waited as a whole when the machine went down. */
    private readonly returned: readonly Returned[],
  ) {}

  /** Loads a ruleset that enforced before. Only `auto` may stand for other interfaces than then. */
  async loadSaved(saved: SavedRuleset, intent: Intent | null): Promise<Loaded> {
    const { record, text } = saved;
    const { source } = record;
    const trials = (record.trials ?? []).filter(({ confirmed }) => !confirmed);
    const ruleset = rulesetAt(
      rulesetReturned(record.ruleset, trials, () => true),
      Date.now(),
    );
    const candidate: Candidate = {
      file: source.file,
      text: textReturned(text, trials) ?? text,
      ruleset,
      image: compile(ruleset),
      ...(source.interfaceOverride && { interfaceOverride: source.interfaceOverride }),
    };
    const listed = ruleset.interfaces === 'auto' ? undefined : ruleset.interfaces;
    const names = record.interfaces ?? listed ?? this.plan?.builtIn.interfaces ?? [];
    const loaded = await this.load(candidate, names, ruleset.interfaces === 'auto', { keep: 'file', intent });
    return { ...loaded, returned: this.returned };
  }

  async loadBuiltIn(): Promise<Loaded> {
    const facts: BuiltInFacts | null = this.plan?.builtIn ?? null;
    const loaded = await this.load(builtInRuleset(facts), facts?.interfaces ?? [], true, {
      keep: 'nothing',
      intent: { what: 'boot: the built-in ruleset' },
    });
    return { ...loaded, returned: this.returned };
  }

  private async load(
    candidate: Candidate,
    meant: readonly string[],
    any: boolean,
    { keep, intent }: { readonly keep: 'file' | 'nothing'; readonly intent: Intent | null },
  ): Promise<Omit<Loaded, 'returned'>> {
    const found = await this.await(meant);
    // Names can change with a kernel. Who asked for none in particular gets those there are, rather than no filter.
    const interfaces = found.length > 0 || !any ? found : await this.others();
    const missing = found.length > 0 || !any ? meant.filter((name) => !found.some((one) => one.name === name)) : [];
    const names = [...interfaces.map(({ name }) => name), ...missing];
    // What enforced last and is loaded again is no change of anybody's.
    const change = intent && { change: await describeChange(this.context, intent, null) };
    const where = { names, before: null, keep, ...change };
    try {
      const applied = await this.enforce(candidate, { interfaces, ...where });
      return { applied, missing, refused: [] };
    } catch (error) {
      // One that cannot be filtered must not keep the others from it.
      if (interfaces.length < 2) throw error;
      const applied = await this.enforce(candidate, { interfaces: [], ...where });
      const { mode } = candidate.ruleset;
      const judging = { mode, generation: applied.generation, image: candidate.image };
      const { attached, refused } = await attachEach(this.context, interfaces, judging);
      if (attached.length > 0)
        return { applied: { ...applied, attachments: await this.attachments() }, missing, refused };
      await unload(this.context, foldInto(this.context));
      throw error;
    }
  }

  private attachments(): Promise<Applied['attachments']> {
    const { kernel, pins, netns } = this.context;
    return currentAttachments(kernel, pins, netns);
  }

  /** What judges already is what was loaded, whatever became of the files after that. */
  private async enforce(candidate: Candidate, where: Where): Promise<Judging> {
    const onUnwritten = (why: string): void => {
      this.reasons.push(`${why}; until sluice apply, interfaces that appear later are not filtered`);
    };
    try {
      return await enforce(this.context, candidate, { ...where, onUnwritten });
    } catch (error) {
      const now = error instanceof UnfinishedError ? await readEnforcement(this.context) : null;
      if (!now) throw error;
      this.reasons.push(messageOf(error));
      return now;
    }
  }

  /** Those of the named interfaces that exist, all of them or as many as there are in time. */
  private async await(names: readonly string[]): Promise<Interface[]> {
    for (;;) {
      const all = await listInterfaces(this.context.kernel, this.context.netns);
      const found = all.filter(({ name }) => names.includes(name));
      if (found.length === names.length || Date.now() >= this.deadline) return found;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  private async others(): Promise<Interface[]> {
    const all = await listInterfaces(this.context.kernel, this.context.netns);
    return all.filter(({ ethernet, loopback }) => ethernet && !loopback);
  }
}

/** Keeps what was loaded, for `status`; what filters goes on where that cannot be written. */
function outcome(
  folder: StateFolder,
  {
    applied,
    refused,
    returned,
    ...rest
  }: Pick<Booted, 'loaded' | 'since' | 'reasons' | 'missing'> & Omit<Loaded, 'applied'> & { applied: Judging | null },
): BootOutcome {
  const reasons = [...rest.reasons];
  const booted: Booted = {
    ...rest,
    reasons,
    at: new Date().toISOString(),
    generation: applied?.generation ?? null,
    instance: applied?.instance ?? null,
    bootId: bootId(),
  };
  try {
    writeBooted(folder, booted);
  } catch (error) {
    reasons.push(messageOf(error));
  }
  const told = keepReturned(folder, returned);
  if (told !== null) reasons.push(told);
  return { kind: 'booted', booted, interfaces: applied?.attachments.map(({ name }) => name) ?? [], refused, returned };
}

/** For `status`; why it could not be kept. */
function keepReturned(folder: StateFolder, returned: readonly Returned[]): string | null {
  return tolerate(() => {
    for (const one of returned) addReturned(folder, one);
  });
}
