/** Bans that hold: changing, ending and listing them, in the kernel where something enforces, and in a file always. */
import { MAX_BANS } from '../kernel/datapath-maps';
import { SluiceError } from '../kernel/errors';
import { SLC_LIMITS } from '../abi/layout.gen';
import { type KernelBan, prefixKey } from '../load/ban-table';
import { SharedState } from '../load/state';
import { byPosition, longestNesting } from '../model/ban';
import { formatPrefix, type Prefix, prefixCovers } from '../model/prefix';
import { type Ban, readBans, writeBans } from './ban-file';
import type { Context } from './context';
import { withLock } from './lock';
import type { StateFolder } from './state-files';

/** The bans that hold. */
export interface BanList {
  /** By address. */
  readonly bans: readonly Ban[];
  /** Whether they are enforced; else they are once `enable` is. */
  readonly active: boolean;
  /** What is wrong with the file that keeps them. */
  readonly warning?: string;
}

/** What became of a wish to end bans. */
export interface UnbanOutcome {
  readonly ended: readonly Ban[];
  /** Asked for, and not banned under this prefix. */
  readonly unknown: readonly Prefix[];
  /** Bans that still hold sources of what was asked for: wider ones, and narrower ones inside; by address. */
  readonly remaining: readonly Ban[];
  readonly active: boolean;
  readonly total: number;
}

/** The bans that hold now; with `source` those that hold all of it. */
export async function listBans(context: Context, source: Prefix | null = null): Promise<BanList> {
  const state = SharedState.find(context.kernel, context.pins);
  try {
    const list = await currentBans(context, state);
    return source ? { ...list, bans: list.bans.filter(({ prefix }) => prefixCovers(prefix, source)) } : list;
  } finally {
    state?.close();
  }
}

/** Ends bans: those of exactly these prefixes, or all. */
export async function unbanSources(context: Context, prefixes: readonly Prefix[] | 'all'): Promise<UnbanOutcome> {
  return changeBans(context, (current) => {
    const wanted = prefixes === 'all' ? current.map(({ prefix }) => prefix) : prefixes;
    const keys = new Set(wanted.map(prefixKey));
    const ended = current.filter(({ prefix }) => keys.has(prefixKey(prefix)));
    const after = current.filter(({ prefix }) => !keys.has(prefixKey(prefix)));
    const known = new Set(ended.map(({ prefix }) => prefixKey(prefix)));
    const outcome = {
      ended,
      unknown: wanted.filter((prefix) => !known.has(prefixKey(prefix))),
      remaining: after
        .filter(({ prefix }) => wanted.some((gone) => prefixCovers(prefix, gone) || prefixCovers(gone, prefix)))
        .sort((one, other) => byPosition(one.prefix, other.prefix)),
    };
    return { put: [], remove: ended.map(({ prefix }) => prefix), after, outcome };
  });
}

/** Puts the bans that outlived a `disable` or a reboot into a state that was made anew. The caller holds the lock. */
export async function restoreBans({ kernel, folder }: Context, state: SharedState): Promise<void> {
  const now = clockOf(kernel.bootTimeNs());
  const table = state.bans;
  const present = await table.list();
  const known = new Set(present.map(({ prefix }) => prefixKey(prefix)));
  const lost = (readBans(folder, now.ms).value ?? []).filter(({ prefix }) => !known.has(prefixKey(prefix)));
  await table.change(
    present,
    lost.map((ban) => toKernel(ban, now)),
    [],
  );
}

/** Writes what the kernel holds, with its hits, before it goes. The caller holds the lock. */
export async function keepBans(context: Context, state: SharedState): Promise<void> {
  const { bans } = await currentBans(context, state);
  writeBans(context.folder, bans, Date.now());
}

/** What one change does: entries to write and to remove, and all bans after it. */
interface Change<Outcome> {
  readonly put: readonly Ban[];
  readonly remove: readonly Prefix[];
  readonly after: readonly Ban[];
  readonly outcome: Outcome;
}

/** Makes a change under the lock: in the kernel first, then in the file; what has ended is cleared away with it. */
export async function changeBans<Outcome>(
  context: Context,
  decide: (current: readonly Ban[]) => Change<Outcome>,
): Promise<Outcome & { active: boolean; total: number }> {
  return withLock(context, async () => {
    const { kernel, pins, folder } = context;
    const state = SharedState.find(kernel, pins);
    try {
      const now = clockOf(kernel.bootTimeNs());
      const present = state ? await state.bans.list() : [];
      const current = state ? holding(present, now) : (readBans(folder, now.ms).value ?? []);
      const { put, remove, after, outcome } = decide(current);
      const held = new Set(current.map(({ prefix }) => prefixKey(prefix)));
      const written = new Set(put.map(({ prefix }) => prefixKey(prefix)));
      const ended = present.filter(({ prefix }) => !held.has(prefixKey(prefix)) && !written.has(prefixKey(prefix)));
      await state?.bans.change(
        present,
        put.map((ban) => toKernel(ban, now)),
        [...remove, ...ended.map(({ prefix }) => prefix)],
      );
      if (put.length > 0 || remove.length > 0 || ended.length > 0) save(folder, after, now.ms, state !== null);
      return { ...outcome, active: state !== null, total: after.length };
    } finally {
      state?.close();
    }
  });
}

function save(folder: StateFolder, bans: readonly Ban[], nowMs: number, enforced: boolean): void {
  try {
    writeBans(folder, bans, nowMs);
  } catch (error) {
    if (!enforced || !(error instanceof SluiceError)) throw error;
    const message = `the kernel enforces the change, but it is not saved for the next start: ${error.message}`;
    throw new SluiceError('operate/bans-unsaved', message, { hint: error.hint, cause: error });
  }
}

async function currentBans({ kernel, folder }: Context, state: SharedState | null): Promise<BanList> {
  const now = clockOf(kernel.bootTimeNs());
  const saved = state ? null : readBans(folder, now.ms);
  const bans = state ? holding(await state.bans.list(), now) : (saved?.value ?? []);
  const sorted = [...bans].sort((one, other) => byPosition(one.prefix, other.prefix));
  return { bans: sorted, active: state !== null, ...(saved?.warning !== undefined && { warning: saved.warning }) };
}

/** Refuses more bans than there can be, and deeper ones. */
export function refuseTooMany(bans: readonly Ban[], before: number): void {
  if (bans.length > MAX_BANS) {
    throw new SluiceError(
      'operate/too-many-bans',
      `${bans.length - before} more bans than the ${before} there are would be ${bans.length}; ${MAX_BANS} is the most`,
      { hint: 'nobody was banned; ban whole prefixes, or put a long list into a set and write deny from it' },
    );
  }
  const chain = longestNesting(bans.map(({ prefix }) => prefix));
  if (chain.length <= SLC_LIMITS.BAN_STEPS + 1) return;
  throw new SluiceError(
    'operate/ban-nesting',
    `bans lie ${chain.length} deep inside one another: ${chain.map(formatPrefix).join(', ')}; ${SLC_LIMITS.BAN_STEPS + 1} is the most`,
    { hint: `nobody was banned; end one of them first: sluice unban ${formatPrefix(chain[1])}` },
  );
}

/** The wall clock and the kernel's clock at one moment. */
interface Clock {
  readonly ms: number;
  readonly bootNs: bigint;
}

function clockOf(bootNs: bigint): Clock {
  return { ms: Date.now(), bootNs };
}

function toKernel({ prefix, untilMs, packets, lastHitMs }: Ban, now: Clock): KernelBan {
  const ns = (ms: number | null): bigint | null => {
    if (ms === null) return null;
    const at = now.bootNs + BigInt(Math.round((ms - now.ms) * 1e6));
    return at > 0n ? at : 1n;
  };
  return { prefix, expiresNs: ns(untilMs), packets, lastHitNs: ns(lastHitMs) };
}

/** The entries that have not ended, by the wall clock. */
function holding(entries: readonly KernelBan[], now: Clock): Ban[] {
  const ms = (ns: bigint | null): number | null => (ns === null ? null : now.ms + Number(ns - now.bootNs) / 1e6);
  return entries
    .filter(({ expiresNs }) => expiresNs === null || expiresNs > now.bootNs)
    .map(({ prefix, expiresNs, packets, lastHitNs }) => {
      return { prefix, untilMs: ms(expiresNs), packets, lastHitMs: ms(lastHitNs) };
    });
}
