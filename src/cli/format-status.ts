/** A snapshot as the table people know from ufw. */
import type { Reason } from '../model/reason';
import {
  isImplicit,
  type Snapshot,
  type SnapshotOpening,
  type SnapshotRejects,
  type SnapshotRoom,
  type SnapshotRow,
  type SnapshotSection,
  type SnapshotShare,
  type SnapshotTable,
} from '../observe/snapshot';
import { optionFor } from '../operate/trials';
import { formatMoment } from '../parse/time';
import { formatServers, serverHead } from './format-servers';
import { type ServerSection, serversOf } from '../observe/server-page';
import { ago, type Column, renderTable, span } from './table';

export type StatusForm = 'plain' | 'numbered' | 'verbose';

/** The status of one server. */
export function formatServerStatus(
  section: ServerSection,
  snapshot: Pick<Snapshot, 'takenAt' | 'active' | 'pending'>,
  form: StatusForm,
): string {
  const { allowed, denied } = section.server;
  return [
    ...(snapshot.active ? [] : ['Status: inactive, no interface is filtered: nothing judges its packets']),
    serverHead(section),
    ...(snapshot.pending ? [formatPending(snapshot.pending)] : []),
    ...(section.waiting ? [formatWaiting({ section: section.name, ...section.waiting })] : []),
    ...(section.allowAll ? formatOpening(section.allowAll) : []),
    `packets: ${allowed} passed, ${denied} dropped`,
    ...(section.server.room ? formatRoom(section.server.room) : []),
    '',
    formatRows(section, snapshot, form),
  ].join('\n');
}

/** What the server has of what all share: its own use; what found no place only where something did not. */
function formatRoom({ flows, limits, events }: SnapshotRoom): string[] {
  const lost = (what: string, { evicted, refused }: SnapshotShare): string[] =>
    evicted === '0' && refused === '0'
      ? []
      : [`no room: ${evicted} ${what} made room for others, ${refused} found none`];
  return [
    `room: ${flows.live} flows (${flows.share} and what is free), ${limits.live} sources at limits (${limits.share} and what is free), ${events.share} events a second`,
    ...lost('flows', flows),
    ...lost('sources at limits', limits),
    ...(events.capped === '0' ? [] : [`events: ${events.told} told, ${events.capped} held back`]),
  ];
}

/** Begins with what is not filtered: that is what a person must not overlook. */
export function formatStatus(snapshot: Snapshot, form: StatusForm): string {
  const lines: string[] = [];
  if (snapshot.notFiltered.length > 0) {
    const list = snapshot.notFiltered.map(({ name, addresses }) =>
      addresses.length > 0 ? `${name} (${addresses.join(', ')})` : name,
    );
    lines.push(`not filtered: ${list.join(', ')}`);
  }
  lines.push(`Status: ${snapshot.active ? 'active' : 'inactive'}`);
  const warnings = snapshot.warnings.flatMap((warning) => ['', `warning: ${warning}`]);
  if (!snapshot.active) return [...lines, ...warnings].join('\n');
  lines.push(`filtered: ${snapshot.interfaces.map((each) => formatInterface(each, form)).join(', ')}`);
  lines.push(...snapshot.interfaces.flatMap(formatFilter));
  lines.push(
    `ruleset: ${snapshot.file ?? 'unknown file'}, generation ${snapshot.generation}, applied ${ago(snapshot.appliedAt, snapshot.takenAt)}`,
  );
  if (snapshot.pending) lines.push(formatPending(snapshot.pending));
  lines.push(...snapshot.waiting.map(formatWaiting));
  lines.push(...snapshot.allowAll.flatMap(formatOpening));
  if (snapshot.booted) lines.push(formatBooted(snapshot.booted, snapshot.takenAt));
  if (snapshot.flows) lines.push(formatTable('flows', 'opened from inside', snapshot.flows));
  if (snapshot.events) lines.push(formatLogging(snapshot.events));
  const { fragments, bans } = snapshot;
  if (fragments && (form === 'verbose' || fragments.evicted !== '0'))
    lines.push(formatTable('fragments', 'packets whose first one passed', fragments));
  if (snapshot.limits && snapshot.limits.made !== '0') lines.push(formatLimits(snapshot.limits));
  lines.push(...formatRejects('rejects', snapshot.rejects));
  lines.push(...formatRejects('rejects of what goes out', snapshot.outgoing.rejects));
  lines.push(...formatEchoes(snapshot));
  if (bans.hosts + bans.prefixes > 0)
    lines.push(`bans: ${bans.hosts} hosts, ${bans.prefixes} other prefixes (sluice bans)`);
  for (const section of snapshot.sections) {
    if (section.server || !isWorthShowing(section)) continue;
    const ssh = section.sshPorts.length > 0 ? `, ssh ${section.sshPorts.join(',')}` : '';
    const head = section.default === null ? 'above every section' : `default ${section.default}${ssh}`;
    lines.push('', `${section.name}: ${head}`, '', formatRows(section, snapshot, form));
  }
  const servers = serversOf(snapshot);
  if (servers.length > 0)
    lines.push(
      '',
      `servers: ${servers.length}, each with rows of its own (sluice status NAME)`,
      '',
      formatServers(servers),
    );
  if (form === 'verbose') {
    if (snapshot.events) lines.push('', formatEvents(snapshot.events));
    lines.push('', formatReasons('packets in', snapshot), '', formatReasons('packets out', snapshot.outgoing));
  }
  return [...lines, ...warnings].join('\n');
}

/** What is under ALLOW ALL, and the rows that would have refused what it let in. */
/** An owner is told neither who opened it and why, nor what it let in elsewhere. */
function formatOpening(
  opening: Pick<SnapshotOpening, 'until' | 'secondsLeft' | 'rows'> & Partial<SnapshotOpening>,
): string[] {
  const { section, until, secondsLeft, by, reason, packets, unlisted = '0', rows } = opening;
  const left = secondsLeft > 0 ? `${span(secondsLeft * 1000)} left` : 'over';
  const why = reason === undefined ? '' : `: ${reason}`;
  const who = by?.from === undefined ? by?.user : `${by.user} from ${by.from}`;
  const what = section === undefined ? '' : `${section ?? 'the whole edge'} `;
  return [
    `ALLOW ALL: ${what}until ${formatMoment(Date.parse(until))} (${left})${who === undefined ? '' : `, by ${who}`}${why}`,
    ...(packets === undefined ? [] : [`  packets that passed and would have been refused: ${packets}`]),
    ...rows.map((row) => `    ${row.packets} by ${row.section}/${row.rule} (${row.text}), the last from ${row.source}`),
    ...(unlisted === '0' ? [] : [`    ${unlisted} by rows beyond the first 16`]),
  ];
}

function formatPending({ previous, secondsLeft }: NonNullable<Snapshot['pending']>): string {
  const otherwise = previous === null ? 'everything passes again' : `generation ${previous} judges again`;
  return `not confirmed yet: ${secondsLeft} s left, then ${otherwise} (sluice confirm keeps it, sluice rollback takes it back now)`;
}

function formatWaiting({ section, secondsLeft }: Snapshot['waiting'][number]): string {
  const option = optionFor(section);
  return `${section} is not confirmed yet: ${secondsLeft} s left, then its rows before judge again (sluice confirm ${option} keeps them, sluice rollback ${option} takes them back now)`;
}

/** The modes of its hooks; of what goes out only where that is no link, or where all is asked for. */
function formatInterface({ name, mode, egress }: Snapshot['interfaces'][number], form: StatusForm): string {
  const out = egress === 'clsact' || (form === 'verbose' && egress !== null) ? `, out by ${egress}` : '';
  return `${name} (${mode}${out})`;
}

/** What others have to do with the filter that meets what goes out. */
function formatFilter({ name, filter }: Snapshot['interfaces'][number]): string[] {
  if (!filter) return [];
  const notOurs = filter.ours ? [] : ['its clsact discipline is not of sluice, and stays when sluice goes'];
  const others = filter.others.length === 0 ? [] : [`beside the filter of sluice hangs ${filter.others.join(', ')}`];
  const parts = [...notOurs, ...others];
  return parts.length === 0 ? [] : [`${name}: ${parts.join('; ')}`];
}

/** Inbound always, of the others what can decide something. */
function isWorthShowing({ name, default: otherwise, rows }: SnapshotSection): boolean {
  if (name === 'inbound') return true;
  return rows.some((row) => !isImplicit(row)) || (otherwise !== null && otherwise !== 'allow');
}

function formatRows(section: SnapshotSection, snapshot: Pick<Snapshot, 'takenAt'>, form: StatusForm): string {
  const verbose = form === 'verbose';
  const columns: Column[] = [
    { title: '' },
    { title: 'To' },
    { title: 'Action' },
    { title: 'From' },
    { title: 'Id' },
    { title: 'Hits', right: true },
    ...(verbose ? [{ title: 'Bytes', right: true }] : []),
    { title: 'Last hit' },
    ...(verbose ? [{ title: 'Watched' }] : []),
    { title: '' },
  ];
  const cells = (row: SnapshotRow): string[] => [
    row.number === null
      ? row.tier.startsWith('out')
        ? row.tier
        : `tier ${row.tier}`
      : `[${String(row.number).padStart(2)}]`,
    row.to,
    `${row.action.toUpperCase()} ${row.direction.toUpperCase()}`,
    row.from,
    row.id,
    row.packets,
    ...(verbose ? [row.bytes] : []),
    ago(row.lastHit, snapshot.takenAt),
    ...(verbose ? [row.watchedSince === null ? '' : `since ${ago(row.watchedSince, snapshot.takenAt)}`] : []),
    remarks(row, snapshot.takenAt, verbose),
  ];
  return renderTable(columns, section.rows.map(cells));
}

function remarks(row: SnapshotRow, now: string, verbose: boolean): string {
  const ended = row.until !== undefined && Date.parse(row.until) <= Date.parse(now);
  const parts = row.enabled || ended ? [] : ['(off)'];
  if (row.until !== undefined) parts.push(formatEnd(row, row.until, now));
  if (row.refused !== null) parts.push(`${row.limit} refused ${row.refused}`);
  if (row.log) parts.push(row.log === 'all' ? '(log-all)' : '(log)');
  if (row.note !== undefined) parts.push(`# ${row.note}`);
  if (verbose && row.owner !== undefined) parts.push(`owner ${row.owner}`);
  if (verbose && row.review !== undefined) parts.push(`review ${row.review}`);
  return parts.join(' ');
}

function formatBooted({ loaded, at, since }: NonNullable<Snapshot['booted']>, now: string): string {
  const what = loaded === 'built-in' ? 'the built-in ruleset' : `the ruleset of ${ago(since, now)}`;
  const why = loaded === 'last' ? '' : ', since nothing newer could be: see the warning';
  return `loaded at boot, ${ago(at, now)}: ${what}${why}`;
}

/** `(until 2027-01-31T18:00Z, in 3 h)`, `(ended 2 min ago)`. */
function formatEnd({ enabled }: SnapshotRow, until: string, now: string): string {
  const left = Date.parse(until) - Date.parse(now);
  if (left > 0) return `(until ${formatMoment(Date.parse(until))}, in ${span(left)})`;
  return enabled ? `(was to end ${ago(until, now)}, still enforced)` : `(ended ${ago(until, now)})`;
}

/** As ufw says it, and who writes: where nobody does, nothing of it is kept. */
function formatLogging({ level, reader }: NonNullable<Snapshot['events']>): string {
  if (level === 'off') return 'logging: off';
  if (reader?.role === 'daemon') return `logging: on (${level}), written by the daemon (pid ${reader.pid})`;
  const shown = reader ? `, only shown by sluice events (pid ${reader.pid})` : '';
  return `logging: on (${level})${shown}; nothing is written, no daemon runs: sluice daemon`;
}

/** Every event that was made: written to the ring, held back, or lost since nobody read. */
function formatEvents({ made, written, capped, ringFull }: NonNullable<Snapshot['events']>): string {
  const held = `held back ${capped.all} in all, ${capped.server} by server, ${capped.rule} by rule, ${capped.source} by source`;
  return `events: ${made} made, ${written} handed over, ${held}, ${ringFull} lost since nobody read them`;
}

/** Bytes from which on a table's memory is told: more than one takes that nobody made larger. */
const LARGE_TABLE = 16 * 2 ** 20;

function formatTable(name: string, entries: string, { live, ways, pressure, evicted, bytes }: SnapshotTable): string {
  const memory = bytes < LARGE_TABLE ? '' : `, ${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const full = pressure === 0 ? '' : `, ${(100 * pressure).toFixed(1)} % of its buckets are full`;
  const lost = evicted === '0' ? '' : `; ${evicted} made room for others: the table is too small`;
  return `${name}: ${live} ${entries} (made for ${ways / 2}${memory}${full})${lost}`;
}

function formatLimits({ live, ways, evicted }: SnapshotTable): string {
  const lost = evicted === '0' ? '' : `; ${evicted} below their limit made room for others`;
  return `limits: ${live} sources remembered (made for ${ways / 2})${lost}`;
}

function formatRejects(title: string, rejects: SnapshotRejects | null): string[] {
  if (!rejects || Object.values(rejects).every((count) => count === '0')) return [];
  const { answered, capped, unanswered } = rejects;
  return [`${title}: ${answered} answered, ${capped} dropped silently over the budget, ${unanswered} never answered`];
}

/** Pings that were too many: whoever watches the host by ping should learn why none comes back. */
function formatEchoes({ reasons }: Snapshot): string[] {
  const dropped = (word: Reason): string => reasons.find(({ reason }) => reason === word)?.packets ?? '0';
  const [bySource, inAll] = [dropped('icmp-echo-source'), dropped('icmp-echo-all')];
  if (bySource === '0' && inAll === '0') return [];
  return [`pings: ${bySource} dropped over the rate of their source, ${inAll} over that of all (icmp: echo-rate)`];
}

/** Every packet that no row decided, so that the figures add up to all that were seen. */
function formatReasons(title: string, { packets, reasons }: Pick<Snapshot, 'packets' | 'reasons'>): string {
  const head = `${title}: ${packets.seen} seen, ${packets.allowed} allowed, ${packets.denied} denied`;
  if (reasons.length === 0) return head;
  const rows = reasons.map(({ reason, tier, verdict, packets, words }) => [
    tier === null || tier.startsWith('out') ? (tier ?? '') : `tier ${tier}`,
    reason,
    verdict === 'allow' ? 'passed' : 'dropped',
    packets,
    words,
  ]);
  return `${head}\n${renderTable([{ title: '' }, { title: 'Without a row' }, { title: '' }, { title: 'Packets', right: true }, { title: 'Because' }], rows)}`;
}
