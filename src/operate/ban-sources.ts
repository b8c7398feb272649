/** Banning sources: who may be, and what becomes of the bans there are. */
import { KeptSources } from '../analyse/kept-sources';
import { RefusedError, SluiceError } from '../kernel/errors';
import { prefixKey } from '../load/ban-table';
import { formatPrefix, type Prefix, prefixContains } from '../model/prefix';
import { NO_GUARD } from '../model/ruleset';
import type { Ban } from './ban-file';
import { changeBans, refuseTooMany } from './bans';
import type { Context } from './context';
import { readEnforcement } from './enforcement';
import { callerConnectionOf } from './ssh-sessions';

/** A source that was asked to be banned, and was. */
export interface Banned {
  readonly ban: Ban;
  /** The ban of the same prefix that it replaces. */
  readonly before: Ban | null;
}

/** What became of a wish to ban sources. */
export interface BanOutcome {
  readonly banned: readonly Banned[];
  /** Asked for, and not banned: the caller would be cut, or it is kept reachable. */
  readonly leftOut: readonly { readonly prefix: Prefix; readonly why: string }[];
  readonly active: boolean;
  /** Bans that hold now. */
  readonly total: number;
}

/** A ban would cut off whoever asks for it, or a source that is kept reachable. */
export class BanRefusedError extends RefusedError {
  constructor(prefix: Prefix, why: string, hint: string) {
    super('operate/ban-refused', `"${formatPrefix(prefix)}" is not banned: ${why}`, {
      hint: `nobody was banned; ${hint}`,
    });
  }
}

/** Why a source is not banned, and what to do. */
interface WhyNot {
  readonly why: string;
  readonly hint: string;
}

const YEAR_MS = 365.25 * 24 * 3600e3;
/** The kernel's clock ends 584 years after the boot. */
const MAX_BAN_MS = 500 * YEAR_MS;

/**
 * Bans sources until `untilMs`, without end where that is null; a prefix that is banned already gets the new end. Throws
 * `BanRefusedError` where the caller's own SSH source is among them, unless `force`, and where a prefix holds, or lies
 * in, a source that the enforced ruleset keeps reachable; with `leaveOut` those are left out instead. Throws
 * `SluiceError` `operate/moment` where the end lies beyond the kernel's clock.
 */
export async function banSources(
  context: Context,
  prefixes: readonly Prefix[],
  options: { untilMs: number | null; force: boolean; leaveOut: boolean },
): Promise<BanOutcome> {
  if (options.untilMs !== null && options.untilMs - Date.now() > MAX_BAN_MS) {
    const message = `the bans would end in ${Math.round((options.untilMs - Date.now()) / YEAR_MS)} years; ${MAX_BAN_MS / YEAR_MS} is the most`;
    throw new SluiceError('operate/moment', message, { hint: 'nobody was banned; without an end bans hold for ever' });
  }
  const whyNot = await banProblem(context, options.force);
  const leftOut = prefixes.flatMap((prefix) => {
    const problem = whyNot(prefix);
    return problem ? [{ prefix, ...problem }] : [];
  });
  if (leftOut.length > 0 && !options.leaveOut) {
    const [{ prefix, why, hint }] = leftOut;
    throw new BanRefusedError(prefix, why, hint);
  }
  const refused = new Set(leftOut.map(({ prefix }) => prefix));
  return changeBans(context, (current) => {
    const known = new Map(current.map((ban) => [prefixKey(ban.prefix), ban]));
    const banned = new Map<string, Banned>();
    for (const prefix of prefixes) {
      const key = prefixKey(prefix);
      const before = known.get(key) ?? null;
      const { packets, lastHitMs } = before ?? { packets: 0n, lastHitMs: null };
      if (!refused.has(prefix))
        banned.set(key, { before, ban: { prefix, untilMs: options.untilMs, packets, lastHitMs } });
    }
    const put = [...banned.values()].map(({ ban }) => ban);
    const after = [...current.filter(({ prefix }) => !banned.has(prefixKey(prefix))), ...put];
    refuseTooMany(after, current.length);
    return { put, remove: [], after, outcome: { banned: [...banned.values()], leftOut } };
  });
}

/** What speaks against banning a prefix, by what is enforced and by where the caller is. */
async function banProblem(context: Context, force: boolean): Promise<(prefix: Prefix) => WhyNot | null> {
  const enforcement = await readEnforcement(context);
  const kept = new KeptSources(enforcement?.record?.ruleset.guard ?? NO_GUARD);
  const caller = force ? null : await callerConnectionOf(context.kernel, context.netns);
  return (prefix) => {
    const entry = kept.entryIn(prefix);
    if (entry) {
      const hint = `a source of keep-reachable is never banned; ban narrower prefixes${prefix.family === 6 && prefix.length === 64 ? ' (--exact)' : ''}, or take the entry out first`;
      return { why: `guard/${entry.id} "${entry.text}" keeps a source in it reachable`, hint };
    }
    if (caller?.family !== prefix.family || !prefixContains(prefix, caller.source)) return null;
    return { why: 'your own session comes from there', hint: 'to do it all the same: --force' };
  };
}
