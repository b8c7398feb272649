/**
 * Servers at one moment, for whoever asks about one of them: what they share is read once, and put together is only the one
 * that is asked for. Of a hundred thousand rows all would take most of a second.
 */
import { SLC_LIMIT_REFUSED_RANK } from '../abi/layout.gen';
import { readClock, wallTimeAt } from '../kernel/clock';
import type { Ruleset, Server } from '../model/ruleset';
import { nameFigures, refusedKey } from '../observe/figures';
import type { ServerSection } from '../observe/server-page';
import { buildServerSection } from '../observe/build-snapshot';
import type { Snapshot } from '../observe/snapshot';
import type { Context } from './context';
import { type PinnedSlots, pinnedSlots, readSettledTotals } from './counts';
import { type Enforcement, openingOf, pendingOf, readEnforcement, waitingOf } from './enforcement';
import type { GenerationRecord } from './generation-record';
import { currentOpenings } from './openings';
import { sectionDigests } from './section-digest';
import { serverRooms } from './table-figures';
import { addFigures, type CounterTotals, isFolded } from './totals';
import { judgingRuleset, waits } from './trial-state';

/** What was read at one moment. */
export interface ServersSeen extends Pick<Snapshot, 'takenAt' | 'active' | 'generation' | 'appliedAt' | 'pending'> {
  readonly names: readonly string[];
  /** A server as a snapshot of that moment has it; null where there is none of that name. */
  readonly section: (name: string) => ServerSection | null;
}

/** Reads what enforces. */
export async function lookAtServers(context: Context): Promise<ServersSeen> {
  const enforcement = await readEnforcement(context);
  const { record } = enforcement ?? {};
  const takenAt = new Date().toISOString();
  if (!enforcement || !record) return { ...NOTHING, takenAt };
  const ruleset = judgingRuleset(record.ruleset, enforcement.trials);
  const active = enforcement.attachments.length > 0;
  return {
    ...{ takenAt, active, pending: pendingOf(enforcement, takenAt) },
    ...{ generation: active ? record.generation : null, appliedAt: active ? record.since : null },
    names: (ruleset.servers ?? []).map(({ name }) => name),
    section: await sectionsSeen(context, { enforcement, ruleset, takenAt }),
  };
}

const NOTHING: Omit<ServersSeen, 'takenAt'> = {
  ...{ active: false, generation: null, appliedAt: null, pending: null, names: [] },
  section: () => null,
};

interface Seen {
  readonly enforcement: Enforcement;
  readonly ruleset: Ruleset;
  readonly takenAt: string;
}

async function sectionsSeen(
  context: Context,
  { enforcement, ruleset, takenAt }: Seen,
): Promise<(name: string) => ServerSection | null> {
  const { kernel } = context;
  // Before the totals: what is folded in between stands in them then.
  const pinned = pinnedSlots(context, enforcement);
  const totals = readSettledTotals(context, enforcement.instance).value!;
  const clock = await readClock(kernel);
  const time = { clock, hz: enforcement.hz, nowMs: wallTimeAt(kernel, clock) };
  const input = {
    rooms: await serverRooms(context, ruleset, clock),
    digestOf: sectionDigests(ruleset),
    waiting: enforcement.trials.filter(waits).map((trial) => waitingOf(trial, takenAt)),
    allowAll: currentOpenings(context).map(openingOf),
  };
  const unfolded = pinned.filter(({ generation }) => !isFolded(totals, generation));
  const servers = new Map((ruleset.servers ?? []).map((server) => [server.name, server]));
  const made = new Map<string, ServerSection>();
  return (name) => {
    const server = servers.get(name);
    if (!server) return null;
    const known = made.get(name);
    if (known) return known;
    let figures = totalsOf(totals, server);
    for (const one of unfolded) figures = addFigures(figures, figuresOf(one, name, time));
    const section = buildServerSection(server, { ...input, figures }) as ServerSection;
    made.set(name, section);
    return section;
  };
}

/** Totals that hold no rows but a server's. */
function totalsOf(totals: CounterTotals, { name, rules }: Server): CounterTotals {
  const keys = [...rules.map(({ id }) => id), ...IMPLICIT].map((id) => `${name}/${id}`);
  const own = keys
    .flatMap((key) => [key, refusedKey(key)])
    .flatMap((key) => (Object.hasOwn(totals.rules, key) ? [[key, totals.rules[key]] as const] : []));
  return { ...totals, rules: Object.fromEntries(own) };
}

/** Ids of the rows of a server that nobody wrote. */
const IMPLICIT = ['udp-off', 'ssh', 'default'];

function figuresOf(
  { slots, record }: PinnedSlots,
  section: string,
  time: Parameters<typeof nameFigures>[2],
): Parameters<typeof addFigures>[1] {
  const ranks = (record && ranksOf(record.ranks).get(section)) ?? [];
  const own = ranks
    .flatMap(({ rank }) => [rank, rank + SLC_LIMIT_REFUSED_RANK])
    .flatMap((slot) => (slots.has(slot) ? [[slot, slots.get(slot)!] as const] : []));
  return { ...nameFigures(new Map(own), ranks, time), since: record?.since ?? new Date().toISOString() };
}

type Ranks = GenerationRecord['ranks'];

const RANKS = new WeakMap<Ranks, ReadonlyMap<string, Ranks>>();

/** Ranks by their section; those of one follow each other, but for a state of it that may return. */
function ranksOf(ranks: Ranks): ReadonlyMap<string, Ranks> {
  const known = RANKS.get(ranks);
  if (known) return known;
  const by = new Map<string, Ranks[number][]>();
  let last: Ranks[number][] = [];
  let name: string | null = null;
  for (const entry of ranks) {
    if (entry.section !== name) {
      name = entry.section;
      last = by.get(name) ?? [];
      by.set(name, last);
    }
    last.push(entry);
  }
  RANKS.set(ranks, by);
  return by;
}
