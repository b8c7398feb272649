/**
 * A snapshot as metrics. Labels are bounded by the ruleset, never by traffic: no address is one. Names of sections and
 * ids of rows are labels; notes, targets, who owns what, and texts of rows are not.
 */
import { isFixedSection } from '../model/trial';
import type { Snapshot, SnapshotRoom, SnapshotSection, SnapshotTable } from './snapshot';
import { sumOf } from './build-snapshot';
import { isImplicit } from './snapshot';
import { Exposition } from './exposition';

type SnapshotRow = SnapshotSection['rows'][number];

/** Rows that are told of one by one unless somebody wants more: with four samples each what a scrape of a server takes. */
export const DEFAULT_RULE_SERIES = 2_000;
/** What of a snapshot is told of. */
export interface MetricsOptions {
  /** Names this sluice. */
  readonly version: string;
  /**
   * Rows told of one by one (`DEFAULT_RULE_SERIES`). Sections come in their order, servers by size, small ones first, so that as many as can be
   * are told of whole; of the others there is one row for each verdict, by the id `*`.
   */
  readonly ruleSeries?: number;
  /** Only series that have this section (or server) in a label, its rows one by one; left out: all there are. */
  readonly section?: string;
}

/** Renders the metrics as text. */
export function renderMetrics(snapshot: Snapshot, options: MetricsOptions): string {
  const text = new Exposition();
  const sections = snapshot.sections.filter(({ name }) => options.section === undefined || name === options.section);
  if (options.section === undefined) addWhole(text, snapshot, options.version);
  for (const { section, deadline } of snapshot.waiting) {
    const of = isFixedSection(section) ? 'section' : 'server';
    if (options.section === undefined || section === options.section)
      text.add(`sluice_${of}_confirm_deadline_timestamp_seconds`, [section], seconds(deadline));
  }
  addOpenings(text, snapshot, options.section);
  for (const section of sections) {
    const written = section.rows.filter((row) => !isImplicit(row)).length;
    text.add('sluice_ruleset_rules', [section.name], String(written));
    if (!section.server) continue;
    text.add('sluice_server_packets_total', [section.name, 'allow'], section.server.allowed);
    text.add('sluice_server_packets_total', [section.name, 'deny'], section.server.denied);
    if (section.server.room) addRoom(text, section.name, section.server.room);
  }
  const folded =
    options.section === undefined
      ? foldedSections(sections, options.ruleSeries ?? DEFAULT_RULE_SERIES)
      : new Set<string>();
  for (const section of sections) {
    if (folded.has(section.name)) addFolded(text, section);
    else for (const row of ownRows(section)) addRow(text, [section.name, row.id, row.action], row);
  }
  if (options.section === undefined) text.add('sluice_folded_sections', [], String(folded.size));
  return text.toString();
}

/** What is about no section. */
function addWhole(text: Exposition, snapshot: Snapshot, version: string): void {
  text.add('sluice_build_info', [version], '1');
  text.add('sluice_active', [], snapshot.active ? '1' : '0');
  for (const { name, mode } of snapshot.interfaces) text.add('sluice_attached', [name, mode], '1');
  text.add('sluice_unfiltered_interfaces', [], String(snapshot.notFiltered.length));
  text.add('sluice_warnings', [], String(snapshot.warnings.length));
  if (snapshot.active) {
    text.add('sluice_ruleset_info', [String(snapshot.generation), snapshot.digest ?? ''], '1');
    text.add('sluice_ruleset_last_apply_timestamp_seconds', [], seconds(snapshot.appliedAt));
  }
  if (snapshot.pending) {
    const { generation, deadline } = snapshot.pending;
    text.add('sluice_confirm_deadline_timestamp_seconds', [String(generation)], seconds(deadline));
  }
  text.add('sluice_packets_total', ['allow'], snapshot.packets.allowed);
  text.add('sluice_packets_total', ['deny'], snapshot.packets.denied);
  for (const { reason, verdict, packets, bytes } of snapshot.reasons) {
    text.add('sluice_reason_packets_total', [reason, verdict], packets);
    text.add('sluice_reason_bytes_total', [reason, verdict], bytes);
  }
  for (const { reason, verdict, packets, bytes } of snapshot.outgoing.reasons) {
    text.add('sluice_outgoing_packets_total', [reason, verdict], packets);
    text.add('sluice_outgoing_bytes_total', [reason, verdict], bytes);
  }
  addTable(text, 'flow', snapshot.flows);
  addTable(text, 'fragment', snapshot.fragments);
  addTable(text, 'limit_window', snapshot.limits);
  for (const [outcome, count] of Object.entries(snapshot.rejects ?? {}))
    text.add('sluice_rejects_total', [outcome], count);
  for (const [outcome, count] of Object.entries(snapshot.outgoing.rejects ?? {}))
    text.add('sluice_outgoing_rejects_total', [outcome], count);
  text.add('sluice_bans', ['host'], String(snapshot.bans.hosts));
  text.add('sluice_bans', ['prefix'], String(snapshot.bans.prefixes));
  if (snapshot.events) {
    const { written, capped, ringFull } = snapshot.events;
    text.add('sluice_events_total', ['written'], written);
    for (const cap of ['all', 'server', 'rule', 'source'] as const)
      text.add('sluice_events_total', [`capped-${cap}`], capped[cap]);
    text.add('sluice_events_total', ['ring-full'], ringFull);
  }
}

/** What a server has of what all share. */
function addRoom(text: Exposition, server: string, { flows, limits, events }: SnapshotRoom): void {
  for (const [table, { live, share, evicted, refused }] of Object.entries({ flows, limits })) {
    text.add('sluice_server_room_used', [server, table], String(live));
    text.add('sluice_server_room_share', [server, table], String(share));
    text.add('sluice_server_room_lost_total', [server, table, 'evicted'], evicted);
    text.add('sluice_server_room_lost_total', [server, table, 'refused'], refused);
  }
  text.add('sluice_server_events_total', [server, 'told'], events.told);
  text.add('sluice_server_events_total', [server, 'held-back'], events.capped);
}

function addOpenings(text: Exposition, { allowAll }: Snapshot, wanted: string | undefined): void {
  for (const { section, until, secondsLeft, packets } of allowAll) {
    if (secondsLeft === 0 || (wanted !== undefined && section !== wanted)) continue;
    text.add('sluice_allow_all_until_timestamp_seconds', [section ?? ''], seconds(until));
    text.add('sluice_allow_all_packets', [section ?? ''], packets);
  }
}

function addRow(text: Exposition, labels: readonly string[], row: SnapshotRow): void {
  text.add('sluice_rule_packets_total', labels, row.packets);
  text.add('sluice_rule_bytes_total', labels, row.bytes);
  if (row.refused !== null) text.add('sluice_rule_refused_packets_total', labels, row.refused);
  if (row.lastHit !== null) text.add('sluice_rule_last_hit_timestamp_seconds', labels, seconds(row.lastHit));
}

/** One row for each verdict: what its rows add up to. */
function addFolded(text: Exposition, section: SnapshotSection): void {
  const own = ownRows(section);
  for (const verdict of ['allow', 'deny', 'reject', 'limit'] as const) {
    const rows = own.filter(({ action }) => action === verdict);
    if (rows.length === 0) continue;
    const labels = [section.name, '*', verdict];
    const sum = (of: (row: SnapshotRow) => string | null): string => sumOf(rows.map(of));
    const lastHit = rows.reduce<string | null>(
      (last, row) => (row.lastHit !== null && (last === null || row.lastHit > last) ? row.lastHit : last),
      null,
    );
    text.add(
      'sluice_rule_packets_total',
      labels,
      sum((row) => row.packets),
    );
    text.add(
      'sluice_rule_bytes_total',
      labels,
      sum((row) => row.bytes),
    );
    if (verdict === 'limit')
      text.add(
        'sluice_rule_refused_packets_total',
        labels,
        sum((row) => row.refused),
      );
    if (lastHit !== null) text.add('sluice_rule_last_hit_timestamp_seconds', labels, seconds(lastHit));
  }
}

/** Names of sections that are not told of row by row. */
function foldedSections(sections: readonly SnapshotSection[], most: number): ReadonlySet<string> {
  const folded = new Set<string>();
  let left = most;
  const inTurn = [...sections].sort((a, b) => sizeInTurn(a) - sizeInTurn(b));
  for (const section of inTurn) {
    const { length } = ownRows(section);
    if (length <= left) left -= length;
    else folded.add(section.name);
  }
  return folded;
}

/** Inbound, outbound and the guard first; the sort keeps the order of those that are alike. */
function sizeInTurn({ server, rows }: SnapshotSection): number {
  return server ? rows.length : -1;
}

/** Rows that decide by themselves; with the reasons they add up to all packets. */
function ownRows({ name, rows }: SnapshotSection): SnapshotRow[] {
  // What inbound's UDP switch drops is a reason: told of here too, it would be counted twice.
  return name === 'inbound' ? rows.filter(({ tier }) => tier !== '6') : [...rows];
}

function addTable(text: Exposition, name: 'flow' | 'fragment' | 'limit_window', table: SnapshotTable | null): void {
  if (!table) return;
  text.add(`sluice_${name}s`, [], String(table.live));
  text.add(`sluice_${name}_ways`, [], String(table.ways));
  text.add(`sluice_${name}_pressure`, [], String(table.pressure));
  text.add(`sluice_${name}s_made_total`, [], table.made);
  text.add(`sluice_${name}s_evicted_total`, [], table.evicted);
}

function seconds(iso: string | null): string {
  return iso === null ? 'NaN' : String(Date.parse(iso) / 1000);
}
