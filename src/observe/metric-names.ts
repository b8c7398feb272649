/** Every metric there is: its type, what it says, its labels. `metrics`, the README's table and tests are made of it. */

interface Metric {
  readonly type: 'counter' | 'gauge';
  /** The HELP line. */
  readonly help: string;
  /** In the order in which they are printed. */
  readonly labels: readonly string[];
}

/** Metrics of a state table. */
type TableMetric<T extends string> =
  | `sluice_${T}s`
  | `sluice_${T}_ways`
  | `sluice_${T}_pressure`
  | `sluice_${T}s_made_total`
  | `sluice_${T}s_evicted_total`;

function ofTable<T extends string>(name: T, entries: string): Record<TableMetric<T>, Metric> {
  const metrics: Record<string, Metric> = {
    [`sluice_${name}s`]: gauge(`${entries}: those that live.`),
    [`sluice_${name}_ways`]: gauge(`Ways of the ${name} table; it is made for half as many.`),
    [`sluice_${name}_pressure`]: gauge(`Share of the ${name} table's buckets that are full of live entries.`),
    [`sluice_${name}s_made_total`]: counter(`${entries}: those remembered so far.`),
    [`sluice_${name}s_evicted_total`]: counter(`Live ${name}s that made room for others: the table is too small.`),
  };
  return metrics;
}

function gauge(help: string, ...labels: string[]): Metric {
  return { type: 'gauge', help, labels };
}

function counter(help: string, ...labels: string[]): Metric {
  return { type: 'counter', help, labels };
}

/** By name, in the order of the exposition. */
export const METRICS = {
  sluice_build_info: gauge('Version of sluice; always 1.', 'version'),
  sluice_active: gauge('Whether a ruleset judges packets.'),
  sluice_attached: gauge('Interfaces the gate is attached to; always 1.', 'interface', 'mode'),
  sluice_unfiltered_interfaces: gauge('Interfaces that are not filtered, without the loopback.'),
  sluice_warnings: gauge('What status warns of at this moment.'),
  sluice_ruleset_info: gauge('The ruleset that judges; always 1.', 'generation', 'digest'),
  sluice_ruleset_last_apply_timestamp_seconds: gauge('When the ruleset that judges was applied.'),
  sluice_confirm_deadline_timestamp_seconds: gauge('When a change that is not confirmed is over.', 'generation'),
  sluice_server_confirm_deadline_timestamp_seconds: gauge(
    'When the rows before judge a server again, while it waits to be confirmed by itself.',
    'server',
  ),
  sluice_section_confirm_deadline_timestamp_seconds: gauge('The same of inbound, outbound or the guard.', 'section'),
  sluice_allow_all_until_timestamp_seconds: gauge(
    'When ALLOW ALL ends, while it is on: of a section, or (section "") of the whole edge.',
    'section',
  ),
  sluice_allow_all_packets: gauge(
    'Packets that passed by ALLOW ALL and that rows would have refused, since it is on.',
    'section',
  ),
  sluice_ruleset_rules: gauge('Written rules of a section.', 'section'),
  sluice_packets_total: counter('Packets judged, by verdict.', 'verdict'),
  sluice_server_packets_total: counter(
    'Packets that the rows, SSH row, default and UDP switch of a server decided, by verdict.',
    'server',
    'verdict',
  ),
  sluice_server_room_used: gauge(
    'Flows, and sources that limit rules remember, of a server: those that live.',
    'server',
    'table',
  ),
  sluice_server_room_share: gauge(
    'For how many of them a server has room, whatever comes to others.',
    'server',
    'table',
  ),
  sluice_server_room_lost_total: counter(
    'Of them those that made room for others (evicted), and newcomers that found none (refused).',
    'server',
    'table',
    'outcome',
  ),
  sluice_server_events_total: counter(
    'Events of the packets of a server, by what became of them.',
    'server',
    'outcome',
  ),
  sluice_folded_sections: gauge('Sections whose rows are added up, since there are more than are told of one by one.'),
  sluice_rule_packets_total: counter(
    'Packets a row decided; rules "ssh", "default" and "udp-off" are the implicit rows, "*" all of a folded section.',
    'section',
    'rule',
    'verdict',
  ),
  sluice_rule_bytes_total: counter('Frame bytes of the packets a row decided.', 'section', 'rule', 'verdict'),
  sluice_rule_refused_packets_total: counter('Packets a limit row refused.', 'section', 'rule', 'verdict'),
  sluice_rule_last_hit_timestamp_seconds: gauge(
    'When a row last decided; absent where it never did.',
    'section',
    'rule',
    'verdict',
  ),
  sluice_reason_packets_total: counter('Packets that passed or dropped without a row, by reason.', 'reason', 'verdict'),
  sluice_reason_bytes_total: counter(
    'Frame bytes of the packets that passed or dropped without a row.',
    'reason',
    'verdict',
  ),
  sluice_outgoing_packets_total: counter('Packets that went out, by verdict and reason.', 'reason', 'verdict'),
  sluice_outgoing_bytes_total: counter('Bytes of the packets that went out.', 'reason', 'verdict'),
  ...ofTable('flow', 'Flows, connections opened from inside'),
  ...ofTable('fragment', 'Packets in fragments whose first one passed'),
  ...ofTable('limit_window', 'Sources that limit rules remember'),
  sluice_rejects_total: counter('Rejected packets, by what became of them.', 'outcome'),
  sluice_outgoing_rejects_total: counter(
    'Packets that were rejected on their way out, by what became of them.',
    'outcome',
  ),
  sluice_bans: gauge('Sources that are banned: IPv4 addresses and IPv6 /64s, other prefixes.', 'kind'),
  sluice_events_total: counter('Events by what became of them; the sum is all that were made.', 'outcome'),
} as const satisfies Record<string, Metric>;

/** The name of a metric. */
export type MetricName = keyof typeof METRICS;
