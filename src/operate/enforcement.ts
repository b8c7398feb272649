/** What enforces now: read from the kernel, explained by the files. */
import { join } from 'node:path';
import type { BpfMap } from '../kernel/kernel';
import { type Interface, listInterfaces } from '../kernel/interfaces';
import { currentAttachments } from '../load/attach';
import { isHostBan } from '../load/ban-filter';
import { type PendingGate, pendingGate } from '../load/confirm';
import { staleFilters } from '../load/egress-filter';
import { SharedState } from '../load/state';
import { readEventFigures } from '../observe/events';
import { buildSnapshotInTurns, type SnapshotInput } from '../observe/build-snapshot';
import type { Snapshot } from '../observe/snapshot';
import type { Attachment } from '../observe/attachment';
import type { Ban } from './ban-file';
import { listBans } from './bans';
import { bootWarning, readBooted } from './booted';
import type { Context } from './context';
import { pinnedFigures, readGates, readSettledTotals } from './counts';
import { currentEventReader } from './event-source';
import { endedRules } from '../model/until';
import { formatMoment } from '../parse/time';
import { type GenerationRecord, readGenerationRecord } from './generation-record';
import { currentOpenings, type LiveOpening } from './openings';
import { spareOf } from './ready';
import { rulesetDigest, sectionDigests } from './section-digest';
import { type EnforcedState, readEnforced } from './state-files';
import { judgingRuleset, type LiveTrial, liveTrials, waits } from './trial-state';
import { describeReturned, readReturned } from './returned';
import { tableFigures } from './table-figures';
import { addFigures, foldGates, type GateTotals, isFolded } from './totals';

/** The generation that judges packets of a namespace. */
export interface Enforcement {
  readonly generation: number;
  readonly instance: string;
  readonly hz: number;
  /** Packets the gates themselves decided, since they were attached. */
  readonly gates: GateTotals;
  readonly attachments: readonly Attachment[];
  /** What its ranks mean; null where the file is lost. */
  readonly record: GenerationRecord | null;
  /** From which file it came; null where that is lost. */
  readonly enforced: EnforcedState | null;
  /** Set while the generation waits to be confirmed: what judges once its time is over, and what is left of it. */
  readonly pending: (PendingGate & { readonly leftNs: bigint }) | null;
  /** Sections that wait by themselves, or did and nobody has tidied up; `record` has the rows that wait. */
  readonly trials: readonly LiveTrial[];
}

/** What judges, without what other threads ask the kernel for. */
export type Judging = Omit<Enforcement, 'hz' | 'gates' | 'attachments'>;

/** What enforces, or null where sluice is not active. Throws where pins of another version are found. */
export async function readEnforcement(context: Context): Promise<Enforcement | null> {
  const { kernel, pins, netns } = context;
  const state = SharedState.find(kernel, pins);
  if (!state) return null;
  try {
    const attachments = await currentAttachments(kernel, pins, netns);
    const judging = judgingIn(context, state, attachments);
    return judging && { ...judging, hz: state.hz, gates: readGates(state), attachments };
  } finally {
    state.close();
  }
}

/** The same at once, but for what is attached: for whoever asks what rows judge, not whose packets. */
export function readJudging(context: Context): Judging | null {
  const state = SharedState.find(context.kernel, context.pins);
  try {
    return state && judgingIn(context, state);
  } finally {
    state?.close();
  }
}

function judgingIn(
  { kernel, folder }: Context,
  state: SharedState,
  attachments: readonly Attachment[] = [],
): Judging | null {
  const now = kernel.bootTimeNs();
  const generation = state.judging(now);
  const pending = pendingGate(state);
  if (generation === null) return null;
  const { instance } = state;
  const record = readGenerationRecord(folder, generation, instance);
  const enforced = readEnforced(folder).value;
  return {
    ...{ generation, instance, record, trials: record ? liveTrials(state, record, now) : [] },
    enforced: enforced?.generation === generation ? enforced : record && stateOf(record, attachments),
    pending: pending && pending.deadlineNs > now ? { ...pending, leftNs: pending.deadlineNs - now } : null,
  };
}

/** What `enforced.json` would say, had the apply not been cut short before it was written. */
export function stateOf(record: GenerationRecord, attachments: readonly Attachment[]): EnforcedState {
  return {
    ...record.source,
    rulesetDigest: record.digest,
    generation: record.generation,
    appliedAt: record.since,
    interfaces: record.interfaces ?? attachments.map((attachment) => attachment.name),
    mode: record.ruleset.mode,
  };
}

/** The frozen image map of the generation that enforces; the caller closes it. */
export function openEnforcedImage({ kernel, pins }: Context, enforcement: Enforcement): BpfMap {
  return kernel.openPinnedMap(join(pins.generation(enforcement.generation), 'image'));
}

/** What `status`, `metrics` and dashboards show. */
export async function takeSnapshot(context: Context): Promise<Snapshot> {
  const { kernel, netns, folder } = context;
  const warnings: string[] = [];
  const enforcement = await readEnforcement(context);
  // Before the totals: what is folded in between stands in them then.
  const unfolded = enforcement ? await pinnedFigures(context, enforcement) : [];
  const totalsRead = readSettledTotals(context, enforcement?.instance ?? null);
  if (totalsRead.warning !== undefined) warnings.push(totalsRead.warning);
  const now = new Date().toISOString();
  let totals = totalsRead.value!;
  for (const { generation, figures } of unfolded) {
    if (!isFolded(totals, generation)) totals = addFigures(totals, figures);
  }
  if (enforcement) totals = foldGates(totals, enforcement.gates);
  if (enforcement && !enforcement.record) {
    warnings.push(
      `the record of generation ${enforcement.generation} is lost: hits of its rules cannot be named until the next apply`,
    );
  }
  const interfaces = await listInterfaces(kernel, netns);
  const attachments = enforcement?.attachments ?? [];
  warnings.push(...detachedWarnings(enforcement), ...overdueWarnings(enforcement), ...(await staleWarnings(context)));
  warnings.push(...readReturned(folder).map(describeReturned));
  const booted = readBooted(folder, enforcement);
  const bootWarns = booted && bootWarning(booted);
  if (bootWarns) warnings.push(bootWarns);
  const { bans, warning } = await listBans(context);
  if (warning !== undefined) warnings.push(warning);
  const filtered = new Set(attachments.map((attachment) => attachment.ifindex));
  const record = enforcement?.record;
  const ruleset = record ? judgingRuleset(record.ruleset, enforcement.trials) : null;
  return buildSnapshotInTurns({
    takenAt: now,
    active:
      enforcement && attachments.length > 0
        ? {
            generation: enforcement.generation,
            digest: enforcement.record?.digest ?? '',
            appliedAt: enforcement.record?.since ?? now,
          }
        : null,
    file: enforcement?.enforced?.file ?? null,
    pending: enforcement && pendingOf(enforcement, now),
    waiting: (enforcement?.trials ?? []).filter(waits).map((trial) => waitingOf(trial, now)),
    ruleset,
    written: ruleset && rulesetDigest(ruleset),
    ...(ruleset && { digestOf: sectionDigests(ruleset) }),
    interfaces: attachments,
    notFiltered: interfaces.filter((device) => !device.loopback && !filtered.has(device.index)).map(describeInterface),
    figures: totals,
    ...(enforcement && (await tableFigures(context, ruleset))),
    bans: countBans(bans),
    allowAll: currentOpenings(context).map(openingOf),
    booted: booted && { loaded: booted.loaded, at: booted.at, since: booted.since, reasons: booted.reasons },
    events: enforcement && eventFigures(context),
    spare: enforcement && spareOf(context),
    warnings,
  });
}

/** What is under ALLOW ALL, as a snapshot tells of it. */
export function openingOf(opening: LiveOpening): Snapshot['allowAll'][number] {
  const { section, at, until, leftNs, author, reason, packets, bytes, unlisted, rows } = opening;
  return {
    ...{ section, since: at, until, secondsLeft: Math.ceil(Number(leftNs) / 1e9), by: author },
    ...(reason !== undefined && { reason }),
    ...{ packets, bytes, unlisted, rows },
  };
}

/** The change that waits, as a snapshot tells of it. */
export function pendingOf({ pending, generation }: Enforcement, now: string): Snapshot['pending'] {
  if (!pending) return null;
  const leftMs = Number(pending.leftNs / 1_000_000n);
  return {
    ...{ generation, previous: pending.previous, secondsLeft: Math.ceil(leftMs / 1000) },
    deadline: new Date(Date.parse(now) + leftMs).toISOString(),
  };
}

/** A section that waits by itself, as a snapshot tells of it. */
export function waitingOf({ previous, leftNs }: LiveTrial, now: string): Snapshot['waiting'][number] {
  const leftMs = Number(leftNs / 1_000_000n);
  return {
    ...{ section: previous.name, secondsLeft: Math.ceil(leftMs / 1000) },
    deadline: new Date(Date.parse(now) + leftMs).toISOString(),
  };
}

/** What became of events, and who reads them. */
function eventFigures(context: Context): SnapshotInput['events'] {
  const state = SharedState.find(context.kernel, context.pins);
  if (!state) return null;
  try {
    return { ...readEventFigures(state.eventMaps.eventStats), reader: currentEventReader(context) };
  } finally {
    state.close();
  }
}

function countBans(bans: readonly Ban[]): Snapshot['bans'] {
  const hosts = bans.filter(({ prefix }) => isHostBan(prefix)).length;
  return { hosts, prefixes: bans.length - hosts };
}

/** Interfaces with a filter that the removal of the pins has left: it does nothing, but somebody may wonder. */
async function staleWarnings(context: Context): Promise<string[]> {
  return (await staleFilters(context)).map(
    ({ name }) =>
      `${name} keeps a filter of a sluice whose pins are gone: everything passes it; sluice enable or disable removes it`,
  );
}

/** What was filtered when the ruleset was applied and is not any more: its device went away, and maybe came again. */
function detachedWarnings(enforcement: Enforcement | null): string[] {
  if (!enforcement) return [];
  const filtered = enforcement.attachments.map((attachment) => attachment.name);
  const gone = (enforcement.enforced?.interfaces ?? []).filter((name) => !filtered.includes(name));
  if (gone.length > 0)
    return [
      `not filtered any more: ${gone.join(', ')} (removed since the last apply, or another program holds it); sluice apply attaches again`,
    ];
  const deaf = enforcement.attachments.filter(({ egress }) => egress === null).map(({ name }) => name);
  if (deaf.length > 0) {
    const names = deaf.join(', ');
    return [
      `packets that go out through ${names} are not seen: answers to them are judged like any other packet; sluice apply attaches again`,
    ];
  }
  if (filtered.length > 0) return [];
  return [`generation ${enforcement.generation} is loaded but filters no interface; sluice apply attaches it`];
}

/** Rules whose end came and went. A daemon that runs ends them within a second or two. */
function overdueWarnings(enforcement: Enforcement | null): string[] {
  const overdue = enforcement?.record ? endedRules(enforcement.record.ruleset, Date.now() - OVERDUE_MS) : [];
  return overdue.map(
    ({ name, rule }) =>
      `${name} "${rule.text}" was to end ${formatMoment(rule.untilMs!)} and is still enforced: sluice apply ends it now, sluice daemon at its moment`,
  );
}

const OVERDUE_MS = 2000;

function describeInterface(device: Interface): { name: string; addresses: string[] } {
  return { name: device.name, addresses: device.addresses.map((address) => address.text) };
}
