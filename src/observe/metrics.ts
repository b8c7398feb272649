/** A snapshot as Prometheus text (exposition format 0.0.4). Labels are bounded by the ruleset, never by traffic. */
import type { Snapshot, SnapshotTable } from './snapshot';
import { isImplicit } from './snapshot';

type Labels = Readonly<Record<string, string>>;

/** Renders all metrics. `version` names this sluice. */
export function renderMetrics(snapshot: Snapshot, version: string): string {
  const text = new Exposition();
  text.family('sluice_build_info', 'gauge', 'Version of sluice; always 1.').add({ version }, '1');
  const active = text.family('sluice_active', 'gauge', 'Whether a ruleset judges packets.');
  active.add({}, snapshot.active ? '1' : '0');
  const attached = text.family('sluice_attached', 'gauge', 'Interfaces the gate is attached to; always 1.');
  for (const { name, mode } of snapshot.interfaces) attached.add({ interface: name, mode }, '1');
  if (snapshot.active) {
    text
      .family('sluice_ruleset_info', 'gauge', 'The ruleset that judges; always 1.')
      .add({ generation: String(snapshot.generation), digest: snapshot.digest ?? '' }, '1');
    text
      .family('sluice_ruleset_last_apply_timestamp_seconds', 'gauge', 'When the ruleset that judges was applied.')
      .add({}, seconds(snapshot.appliedAt));
  }
  if (snapshot.pending) {
    text
      .family('sluice_confirm_deadline_timestamp_seconds', 'gauge', 'When a change that is not confirmed is over.')
      .add({ generation: String(snapshot.pending.generation) }, seconds(snapshot.pending.deadline));
  }
  const open = text.family(
    'sluice_allow_all_until_timestamp_seconds',
    'gauge',
    'When ALLOW ALL ends, while it is on: of a section, or (section "") of the whole edge.',
  );
  const spared = text.family(
    'sluice_allow_all_packets',
    'gauge',
    'Packets that passed by ALLOW ALL and that rows would have refused, since it is on.',
  );
  for (const { section, until, secondsLeft, packets: count } of snapshot.allowAll) {
    if (secondsLeft === 0) continue;
    open.add({ section: section ?? '' }, seconds(until));
    spared.add({ section: section ?? '' }, count);
  }
  const ruleCount = text.family('sluice_ruleset_rules', 'gauge', 'Written rules of a section.');
  for (const section of snapshot.sections)
    ruleCount.add({ section: section.name }, String(section.rows.filter((row) => !isImplicit(row)).length));

  const packets = text.family('sluice_packets_total', 'counter', 'Packets judged, by verdict.');
  packets.add({ verdict: 'allow' }, snapshot.packets.allowed);
  packets.add({ verdict: 'deny' }, snapshot.packets.denied);

  const rulePackets = text.family(
    'sluice_rule_packets_total',
    'counter',
    'Packets a row decided; rules "ssh" and "default" are the implicit rows.',
  );
  eachRow(snapshot, (labels, row) => rulePackets.add(labels, row.packets));
  const ruleBytes = text.family('sluice_rule_bytes_total', 'counter', 'Frame bytes of the packets a row decided.');
  eachRow(snapshot, (labels, row) => ruleBytes.add(labels, row.bytes));
  const refused = text.family('sluice_rule_refused_packets_total', 'counter', 'Packets a limit row refused.');
  eachRow(snapshot, (labels, row) => {
    if (row.refused !== null) refused.add(labels, row.refused);
  });
  const lastHit = text.family(
    'sluice_rule_last_hit_timestamp_seconds',
    'gauge',
    'When a row last decided; absent where it never did.',
  );
  eachRow(snapshot, (labels, row) => {
    if (row.lastHit !== null) lastHit.add(labels, seconds(row.lastHit));
  });

  const reasonPackets = text.family(
    'sluice_reason_packets_total',
    'counter',
    'Packets that passed or dropped without a row, by reason.',
  );
  for (const { reason, verdict, packets: count } of snapshot.reasons) reasonPackets.add({ reason, verdict }, count);
  const reasonBytes = text.family(
    'sluice_reason_bytes_total',
    'counter',
    'Frame bytes of the packets that passed or dropped without a row.',
  );
  for (const { reason, verdict, bytes } of snapshot.reasons) reasonBytes.add({ reason, verdict }, bytes);
  const outgoingPackets = text.family(
    'sluice_outgoing_packets_total',
    'counter',
    'Packets that went out, by verdict and reason.',
  );
  for (const { reason, verdict, packets: count } of snapshot.outgoing.reasons)
    outgoingPackets.add({ reason, verdict }, count);
  const outgoingBytes = text.family('sluice_outgoing_bytes_total', 'counter', 'Bytes of the packets that went out.');
  for (const { reason, verdict, bytes } of snapshot.outgoing.reasons) outgoingBytes.add({ reason, verdict }, bytes);
  if (snapshot.flows)
    addTable(text, { name: 'flow', entries: 'Flows, connections opened from inside' }, snapshot.flows);
  if (snapshot.fragments)
    addTable(text, { name: 'fragment', entries: 'Packets in fragments whose first one passed' }, snapshot.fragments);
  if (snapshot.limits)
    addTable(text, { name: 'limit_window', entries: 'Sources that limit rules remember' }, snapshot.limits);
  if (snapshot.rejects) {
    const rejects = text.family('sluice_rejects_total', 'counter', 'Rejected packets, by what became of them.');
    for (const [outcome, count] of Object.entries(snapshot.rejects)) rejects.add({ outcome }, count);
  }
  if (snapshot.outgoing.rejects) {
    const words = 'Packets that were rejected on their way out, by what became of them.';
    const rejects = text.family('sluice_outgoing_rejects_total', 'counter', words);
    for (const [outcome, count] of Object.entries(snapshot.outgoing.rejects)) rejects.add({ outcome }, count);
  }
  const bans = text.family(
    'sluice_bans',
    'gauge',
    'Sources that are banned: IPv4 addresses and IPv6 /64s, other prefixes.',
  );
  bans.add({ kind: 'host' }, String(snapshot.bans.hosts));
  bans.add({ kind: 'prefix' }, String(snapshot.bans.prefixes));
  if (snapshot.events) addEvents(text, snapshot.events);
  return text.toString();
}

function addTable(
  text: Exposition,
  { name, entries }: { name: string; entries: string },
  { live, ways, pressure, made, evicted }: SnapshotTable,
): void {
  text.family(`sluice_${name}s`, 'gauge', `${entries}: those that live.`).add({}, String(live));
  text
    .family(`sluice_${name}_ways`, 'gauge', `Ways of the ${name} table; it is made for half as many.`)
    .add({}, String(ways));
  text
    .family(`sluice_${name}_pressure`, 'gauge', `Share of the ${name} table's buckets that are full of live entries.`)
    .add({}, String(pressure));
  text.family(`sluice_${name}s_made_total`, 'counter', `${entries}: those remembered so far.`).add({}, made);
  text
    .family(
      `sluice_${name}s_evicted_total`,
      'counter',
      `Live ${name}s that made room for others: the table is too small.`,
    )
    .add({}, evicted);
}

function addEvents(text: Exposition, { written, capped, ringFull }: NonNullable<Snapshot['events']>): void {
  const events = text.family(
    'sluice_events_total',
    'counter',
    'Events by what became of them; the sum is all that were made.',
  );
  events.add({ outcome: 'written' }, written);
  for (const cap of ['all', 'rule', 'source'] as const) events.add({ outcome: `capped-${cap}` }, capped[cap]);
  events.add({ outcome: 'ring-full' }, ringFull);
}

/** Rows that decide by themselves; with the reasons they add up to all packets. */
function eachRow(
  snapshot: Snapshot,
  visit: (labels: Labels, row: Snapshot['sections'][number]['rows'][number]) => void,
): void {
  for (const section of snapshot.sections) {
    // What inbound's UDP switch drops is a reason: told of here too, it would be counted twice.
    for (const row of section.rows)
      if (row.tier !== '6' || section.name !== 'inbound')
        visit({ section: section.name, rule: row.id, verdict: row.action }, row);
  }
}

function seconds(iso: string | null): string {
  return iso === null ? 'NaN' : String(Date.parse(iso) / 1000);
}

/** Families in order, each with its HELP and TYPE line; a family without samples is left out. */
class Exposition {
  private readonly families: { head: string; lines: string[] }[] = [];

  family(name: string, type: 'counter' | 'gauge', help: string): { add: (labels: Labels, value: string) => void } {
    const lines: string[] = [];
    this.families.push({ head: `# HELP ${name} ${help}\n# TYPE ${name} ${type}`, lines });
    return {
      add: (labels, value) => {
        const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
        lines.push(`${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`);
      },
    };
  }

  toString(): string {
    return this.families
      .filter(({ lines }) => lines.length > 0)
      .map(({ head, lines }) => `${head}\n${lines.join('\n')}\n`)
      .join('');
  }
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
