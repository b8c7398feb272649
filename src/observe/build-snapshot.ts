/** A snapshot is put together of what others have read; nothing is read here. */
import { setImmediate } from 'node:timers/promises';
import { reasonPasses } from '../abi/codec';
import type { Attachment } from './attachment';
import type { EventFigures } from './events';
import { refusedKey } from './figures';
import type { RejectFigures } from './limits';
import type { Room, RoomInTable } from './rooms';
import type { TableFigures } from './tables';
import { ANY } from '../model/match';
import { originalOf } from '../model/moved';
import { formatPorts } from '../model/port-range';
import { formatPrefix } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import { type Direction, type Rule, type Ruleset, type Section, type Server, sshVerdict } from '../model/ruleset';
import { formatAddressMatch, formatTarget } from '../model/format-match';
import type { Limit } from '../model/limit';
import { REASON_WORDS, type Reason } from '../model/reason';
import { tierOfReason } from '../model/reason-tier';
import { formatRate } from '../parse/limit';
import type {
  Snapshot,
  SnapshotBoot,
  SnapshotReason,
  SnapshotRejects,
  SnapshotRoom,
  SnapshotRow,
  SnapshotSection,
  SnapshotShare,
  SnapshotTable,
} from './snapshot';

/** Figures by `section/id` and by reason, totals and the running generation together. */
export interface TotalFigures {
  readonly rules: Readonly<
    Record<string, { packets: string; bytes: string; lastHit: string | null; watchedSince: string }>
  >;
  readonly reasons: Readonly<Record<string, { packets: string; bytes: string }>>;
  readonly verdicts: Readonly<Record<'allow' | 'deny', { packets: string; bytes: string }>>;
  readonly outgoing: Pick<TotalFigures, 'reasons' | 'verdicts'>;
}

/** What a snapshot is made of. */
export interface SnapshotInput {
  readonly takenAt: string;
  readonly active: { generation: number; digest: string; appliedAt: string } | null;
  readonly file: string | null;
  readonly pending: Snapshot['pending'];
  readonly waiting?: Snapshot['waiting'];
  readonly ruleset: Ruleset | null;
  /** Digest of what is written in the ruleset. */
  readonly written?: string | null;
  /** Digest of a section by its name. */
  readonly digestOf?: (section: string) => string | null;
  readonly interfaces: readonly Attachment[];
  readonly notFiltered: Snapshot['notFiltered'];
  readonly figures: TotalFigures;
  /** By the name of the server. */
  readonly rooms?: ReadonlyMap<string, Room>;
  readonly flows?: TableFigures;
  readonly fragments?: TableFigures;
  readonly limits?: TableFigures;
  readonly rejects?: RejectFigures;
  readonly rejectsOut?: RejectFigures;
  readonly bans: Snapshot['bans'];
  readonly allowAll: Snapshot['allowAll'];
  readonly booted: SnapshotBoot | null;
  readonly spare: Snapshot['spare'];
  readonly events: (EventFigures & { readonly reader: { pid: number; role: 'daemon' | 'events' } | null }) | null;
  readonly warnings: readonly string[];
}

/** Puts a snapshot together; reads nothing itself. */
export function buildSnapshot(input: SnapshotInput): Snapshot {
  return snapshotOf(input, [...sectionsIn(input)]);
}

/** The same; of thousands of servers it is most of a second's work, so that others have their turn in between. */
export async function buildSnapshotInTurns(input: SnapshotInput): Promise<Snapshot> {
  const sections: SnapshotSection[] = [];
  let rows = 0;
  for (const section of sectionsIn(input)) {
    sections.push(section);
    rows += section.rows.length;
    if (rows < ROWS_A_TURN) continue;
    rows = 0;
    await setImmediate();
  }
  return snapshotOf(input, sections);
}

/** Some tens of milliseconds. */
const ROWS_A_TURN = 5000;

function* sectionsIn(input: SnapshotInput): Generator<SnapshotSection> {
  const { ruleset, figures, rooms } = input;
  if (!ruleset) return;
  const finish = finisher(input);
  for (const section of sectionsOf(ruleset, figures, rooms)) yield finish(section);
}

function snapshotOf(input: SnapshotInput, sections: readonly SnapshotSection[]): Snapshot {
  const { active, ruleset, figures } = input;
  return {
    schemaVersion: 1,
    active: active !== null,
    takenAt: input.takenAt,
    generation: active?.generation ?? null,
    digest: active?.digest ?? null,
    written: input.written ?? null,
    file: input.file,
    appliedAt: active?.appliedAt ?? null,
    pending: input.pending,
    waiting: input.waiting ?? [],
    mode: ruleset?.mode ?? null,
    interfaces: input.interfaces,
    notFiltered: input.notFiltered,
    allowAll: input.allowAll,
    sections,
    ...directionOf(figures, 'in'),
    outgoing: { ...directionOf(figures.outgoing, 'out'), rejects: rejectsOf(input.rejectsOut) },
    flows: tableOf(input.flows),
    fragments: tableOf(input.fragments),
    limits: tableOf(input.limits),
    rejects: rejectsOf(input.rejects),
    bans: input.bans,
    events: input.events && {
      level: ruleset?.logging ?? 'off',
      reader: input.events.reader,
      made: input.events.made.toString(),
      written: input.events.written.toString(),
      capped: {
        all: input.events.capped.all.toString(),
        server: input.events.capped.server.toString(),
        rule: input.events.capped.rule.toString(),
        source: input.events.capped.source.toString(),
      },
      ringFull: input.events.ringFull.toString(),
    },
    spare: input.spare,
    booted: input.booted,
    warnings: input.warnings,
  };
}

/** What a section is made of. */
type SectionInput = Pick<SnapshotInput, 'figures' | 'rooms' | 'digestOf' | 'waiting' | 'allowAll'>;

/** One server as it stands in a snapshot; of the figures those of its own rows are looked at. */
export function buildServerSection(server: Server, input: SectionInput): SnapshotSection {
  return finisher(input)(serverSection(server, input.figures, input.rooms?.get(server.name)));
}

/** Adds what its rows and counters do not say. */
function finisher({
  digestOf = () => null,
  waiting = [],
  allowAll,
}: Omit<SectionInput, 'figures'>): (section: SnapshotSection) => SnapshotSection {
  const leftOf = new Map(waiting.map(({ section, ...left }) => [section, left]));
  return ({ name, ...section }) => {
    const left = leftOf.get(name);
    return withOpening({ name, digest: digestOf(name), ...section, ...(left && { waiting: left }) }, allowAll);
  };
}

function rejectsOf(figures: RejectFigures | undefined): SnapshotRejects | null {
  if (!figures) return null;
  const { answered, capped, unanswered } = figures;
  return { answered: answered.toString(), capped: capped.toString(), unanswered: unanswered.toString() };
}

function tableOf(figures: TableFigures | undefined): SnapshotTable | null {
  if (!figures) return null;
  const { live, ways, pressure, bytes, made, evicted } = figures;
  return { live, ways, pressure, bytes, made: made.toString(), evicted: evicted.toString() };
}

function roomOf(room: Room | undefined): SnapshotRoom | null {
  if (!room) return null;
  const inTable = ({ live, share, evicted, refused }: RoomInTable): SnapshotShare => ({
    ...{ live, share },
    ...{ evicted: evicted.toString(), refused: refused.toString() },
  });
  const { share, told, capped } = room.events;
  return {
    ...{ flows: inTable(room.flows), limits: inTable(room.limits) },
    events: { share, told: told.toString(), capped: capped.toString() },
  };
}

function directionOf(
  { reasons, verdicts }: Pick<TotalFigures, 'reasons' | 'verdicts'>,
  direction: Direction,
): Pick<Snapshot, 'reasons' | 'packets'> {
  const allowed = BigInt(verdicts.allow.packets);
  const denied = BigInt(verdicts.deny.packets);
  return {
    reasons: Object.entries(reasons)
      .map(([reason, figure]): SnapshotReason => {
        const known = reason as Reason;
        return {
          reason: known,
          tier: Object.hasOwn(REASON_WORDS, reason) ? tierOfReason(known, direction) : null,
          verdict: reasonPasses(known) ? 'allow' : 'deny',
          words: REASON_WORDS[known] ?? reason,
          packets: figure.packets,
          bytes: figure.bytes,
        };
      })
      .sort((a, b) => (a.reason < b.reason ? -1 : 1)),
    packets: { seen: (allowed + denied).toString(), allowed: allowed.toString(), denied: denied.toString() },
  };
}

/** What is left of a row whose UDP the switch drops before it. */
function underUdpSwitch({ udp }: Section, { match }: Rule): string {
  if (udp !== 'off') return '';
  const bare = match.toPorts !== ANY && match.protocols !== ANY && match.protocols.join() === '6,17';
  if (bare) return '/tcp (udp off)';
  return match.protocols === ANY || match.protocols.includes(PROTOCOL.UDP) ? ' (udp off)' : '';
}

/** What is open of a section that judges what comes in; its own before that of the whole edge. */
function withOpening(section: SnapshotSection, openings: Snapshot['allowAll']): SnapshotSection {
  if (section.name !== 'inbound' && !section.server) return section;
  const open = openings.filter(({ secondsLeft }) => secondsLeft > 0);
  const found = open.find((one) => one.section === section.name) ?? open.find((one) => one.section === null);
  return found ? { ...section, allowAll: found } : section;
}

/** Inbound, outbound, the guard that stands above both, and each server. */
function* sectionsOf(
  { guard, inbound, outbound, servers = [] }: Ruleset,
  figures: TotalFigures,
  rooms: SnapshotInput['rooms'],
): Generator<SnapshotSection> {
  const row = rowMaker(figures);
  const first = inbound.rules.length + 1;
  const outboundRows = [
    ...outbound.rules.map((rule, i) => row(outbound.name, writtenRow(rule, 'out', 'out 6', first + i))),
    row(outbound.name, defaultRow(outbound, 'out', 'out 7')),
  ];
  const guardRows = [
    ...guard.keepReachable.map((rule) => row('guard', writtenRow(rule, 'in', '3.1', null))),
    ...guard.rules.map((rule) => {
      const { direction } = rule;
      return row('guard', writtenRow(rule, direction, direction === 'in' ? '3.3' : 'out 3', null));
    }),
  ];
  yield incomingSection(inbound, figures);
  yield { name: outbound.name, default: outbound.default, ...NO_SWITCHES, rows: outboundRows };
  yield { name: 'guard', default: null, ...NO_SWITCHES, rows: guardRows };
  for (const server of servers) yield serverSection(server, figures, rooms?.get(server.name));
}

const NO_SWITCHES = { sshPorts: [], sshFrom: null, udp: null } as const;

/** Tiers 6 to 9 of inbound or a server. */
function incomingSection(section: Section, figures: TotalFigures): SnapshotSection {
  const { name, udp, ssh } = section;
  const row = rowMaker(figures);
  const rows = writtenRows(section).map(({ fields, limit }) => row(name, fields, limit));
  if (udp === 'off') {
    const fields = { ...IMPLICIT, id: 'udp-off', tier: '6', action: 'deny', to: 'udp' } as const;
    const dropped = row(name, { ...fields, text: 'deny proto udp (udp off)' });
    // Inbound's is counted as a reason.
    const { packets, bytes } = Object.hasOwn(figures.reasons, 'udp-off') ? figures.reasons['udp-off'] : dropped;
    rows.unshift(name === 'inbound' ? { ...dropped, packets, bytes } : dropped);
  }
  const sshDoes = sshVerdict(section);
  if (ssh && sshDoes) {
    const to = `${ssh.ports.join(',')}/tcp`;
    const text = `${sshDoes} ${to} (SSH row)`;
    rows.push(row(name, { ...IMPLICIT, id: 'ssh', tier: '8', action: sshDoes, text, to }));
  }
  rows.push(row(name, defaultRow(section, 'in', '9')));
  const switches = { sshPorts: ssh?.ports ?? [], sshFrom: ssh?.from ?? null, udp: udp ?? 'on' } as const;
  return { name, default: section.default, ...switches, rows };
}

/** A written row without what it has counted. */
interface WrittenRow {
  readonly fields: RowFields;
  readonly limit: Limit | undefined;
}

/** By the section: a daemon is asked for those of thousands of servers every few seconds, and few of them change. */
const WRITTEN = new WeakMap<Section, readonly WrittenRow[]>();

function writtenRows(section: Section): readonly WrittenRow[] {
  // What is shown of a row does not say where it stands.
  const original = originalOf(section);
  const known = WRITTEN.get(original);
  if (known) return known;
  const rows = original.rules.map((rule, i): WrittenRow => {
    const written = writtenRow(rule, 'in', '7', i + 1);
    return { fields: { ...written, to: written.to + underUdpSwitch(original, rule) }, limit: rule.limit };
  });
  WRITTEN.set(original, rows);
  return rows;
}

function serverSection(server: Server, figures: TotalFigures, room: Room | undefined): SnapshotSection {
  const section = incomingSection(server, figures);
  const sum = (of: (row: SnapshotRow) => string | null): string => sumOf(section.rows.map(of));
  const letsIn = ({ action }: SnapshotRow): boolean => action === 'allow' || action === 'limit';
  return {
    ...section,
    server: {
      addresses: server.addresses.map(formatPrefix),
      ports: server.ports ? formatPorts(server.ports) : null,
      target: server.target ?? null,
      allowed: sum((row) => (letsIn(row) ? row.packets : null)),
      denied: sum((row) => (letsIn(row) ? row.refused : row.packets)),
      room: roomOf(room),
    },
  };
}

/** Of decimal numbers; most rows of a hundred thousand have counted nothing. */
export function sumOf(counts: readonly (string | null)[]): string {
  return counts.reduce((sum, count) => (count === null || count === '0' ? sum : sum + BigInt(count)), 0n).toString();
}

type RowFields = Omit<SnapshotRow, 'limit' | 'refused' | 'packets' | 'bytes' | 'lastHit' | 'watchedSince'>;

const IMPLICIT = { number: null, direction: 'in', enabled: true, from: 'anywhere' } as const;

function rowMaker(figures: TotalFigures): (section: string, fields: RowFields, limit?: Limit) => SnapshotRow {
  return (section, fields, limit) => {
    const key = `${section}/${fields.id}`;
    const figure = figures.rules[key];
    return {
      ...fields,
      limit: limit ? formatRate(limit) : null,
      refused: limit ? (figures.rules[refusedKey(key)]?.packets ?? '0') : null,
      packets: figure?.packets ?? '0',
      bytes: figure?.bytes ?? '0',
      lastHit: figure?.lastHit ?? null,
      watchedSince: figure?.watchedSince ?? null,
    };
  };
}

function writtenRow(rule: Rule, direction: Direction, tier: SnapshotRow['tier'], number: number | null): RowFields {
  return {
    number,
    direction,
    id: rule.id,
    tier,
    action: rule.action,
    enabled: rule.enabled,
    text: rule.text,
    to: formatTarget(rule.match),
    from: formatAddressMatch(rule.match.from),
    ...(rule.log && { log: rule.log }),
    ...(rule.untilMs !== undefined && { until: new Date(rule.untilMs).toISOString() }),
    ...(rule.note !== undefined && { note: rule.note }),
    ...(rule.owner !== undefined && { owner: rule.owner }),
    ...(rule.review !== undefined && { review: rule.review }),
  };
}

function defaultRow({ default: action }: Section, direction: Direction, tier: SnapshotRow['tier']): RowFields {
  return { ...IMPLICIT, direction, id: 'default', tier, action, text: `${action} everything else`, to: 'anywhere' };
}
