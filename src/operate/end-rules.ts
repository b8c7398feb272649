/** Rules whose end has come leave what is enforced (SPEC §2, `until`); the file stays as it is. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from '../compile/compile';
import type { CheckMemory } from './check-memory';
import type { Ruleset } from '../model/ruleset';
import { rulesetReturned } from '../model/trial';
import { endedRules, type NamedRule, nextEnd, rulesetAt } from '../model/until';
import type { LockoutFinding } from '../analyse/lockout';
import { findUsable } from '../load/unload';
import { applyRuleset } from './apply';
import type { Context } from './context';
import { type Enforcement, readEnforcement } from './enforcement';
import { readEnforcedText } from './state-files';
import { errnoOf } from './system-error';

/** Rules that were ended, and SSH connections that this cuts. */
export interface EndedRules {
  readonly ended: readonly NamedRule[];
  readonly overridden: readonly LockoutFinding[];
  readonly generation: number;
}

/**
 * Enforces what is enforced now without the rules that have ended by the moment; null where there are none. What is
 * enforced counts, not what stands in its file by now, and the interfaces that are filtered stay the same. A lock-out
 * does not stop it: somebody has set this moment. Throws what an apply throws; then nothing has changed.
 */
export async function endRules(context: Context, nowMs: number, memory?: CheckMemory): Promise<EndedRules | null> {
  const enforcement = await readEnforcement(context);
  const record = enforcement?.record;
  if (!record || enforcement.attachments.length === 0) return null;
  const ended = [...new Map(statesOf(enforcement).flatMap(byName(nowMs))).values()];
  if (ended.length === 0) return null;
  const ruleset = rulesetAt(record.ruleset, nowMs);
  const { file, interfaceOverride } = record.source;
  const { pending } = enforcement;
  const candidate = {
    file,
    // Lost, it makes the next verb say that the file differs from what is enforced: nobody knows better.
    text: (enforcement.enforced && readEnforcedText(context.folder, enforcement.enforced)) ?? '',
    ruleset,
    image: compile(ruleset, memory?.compiled),
    ...(interfaceOverride && { interfaceOverride }),
  };
  const outcome = await applyRuleset(context, candidate, {
    force: true,
    intent: { what: `end of ${ended.map(({ name }) => name).join(', ')}` },
    ...{ inPlaceOf: record, byItself: true },
    interfaces: enforcement.attachments.map(({ name }) => name),
    // What waits to be confirmed goes on waiting, for what is left of its time.
    ...(pending && { confirmSeconds: Math.ceil(Number(pending.leftNs) / 1e9) }),
  });
  const overridden = outcome.kind === 'applied' ? outcome.overridden : [];
  return { ended, overridden, generation: outcome.generation };
}

/** The ruleset, and what it is where nobody confirms what waits by itself. */
function statesOf({ record, trials }: Enforcement): Ruleset[] {
  if (!record) return [];
  const waiting = trials.filter(({ state }) => state !== 'confirmed');
  return [record.ruleset, ...(waiting.length > 0 ? [rulesetReturned(record.ruleset, waiting, () => true)] : [])];
}

function byName(nowMs: number): (ruleset: Ruleset) => [string, NamedRule][] {
  return (ruleset) => endedRules(ruleset, nowMs).map((rule) => [rule.name, rule]);
}

/** Looks for the next end among the rules that are enforced; reads them again only when they may have changed. */
export class NextEnd {
  #seen: string | null = null;
  #next: number | null = null;

  constructor(private readonly context: Context) {}

  /** Milliseconds since 1970; null where no rule has an end. */
  async read(): Promise<number | null> {
    const seen = `${judging(this.context)}\n${recordsOn(this.context.folder.path)}`;
    if (seen !== this.#seen) {
      const enforcement = await readEnforcement(this.context);
      const ends = (enforcement ? statesOf(enforcement) : []).map(nextEnd).filter((end) => end !== null);
      this.#next = ends.length > 0 ? Math.min(...ends) : null;
      this.#seen = seen;
    }
    return this.#next;
  }
}

/** Changes also where the kernel alone goes back to what judged before, since nobody confirmed what replaced it. */
function judging({ kernel, pins }: Context): string {
  const state = findUsable(kernel, pins);
  try {
    return state ? `${state.instance} ${state.judging(kernel.bootTimeNs())}` : '';
  } finally {
    state?.close();
  }
}

/** Changes whenever the record of a generation is written or removed, which each apply does. */
function recordsOn(folder: string): string {
  try {
    return readdirSync(folder)
      .filter((name) => name.startsWith('generation-'))
      .map((name) => {
        const { ino, mtimeNs } = statSync(join(folder, name), { bigint: true });
        return `${name} ${ino} ${mtimeNs}`;
      })
      .join('\n');
  } catch (error) {
    // No folder yet, or a record that an apply has just taken away: then the next look sees more.
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
