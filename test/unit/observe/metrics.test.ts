/** Metrics: each there is has a sample, rows are told of within a ceiling, and dashboards ask for none there is not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { METRICS, type MetricName } from '../../../src/observe/metric-names';
import { renderMetrics } from '../../../src/observe/metrics';
import { serverPage, serversOf } from '../../../src/observe/server-page';
import { parseEventLine } from '../../../src/observe/events';
import { buildSnapshot, type SnapshotInput } from '../../../src/observe/build-snapshot';
import type { Snapshot } from '../../../src/observe/snapshot';
import { parseRuleset } from '../../../src/parse/parse';

const TEXT = `version: 1
inbound: { udp: off, ssh: { port: 22, from: anyone }, rules: [allow 80/tcp] }
servers:
  red:
    address: 198.51.100.1
    target: 10.9.8.7
    owner: { group: 4711 }
    rules:
      - { id: web, action: allow, port: 443/tcp, note: secret words, owner: bob }
      - { id: often, action: limit, port: 8000/tcp, limit: 6/30s }
      - { id: no, action: deny, from: 203.0.113.77, port: 9000/tcp }
  green:
    address: 198.51.100.2
    rules:
      - { id: a, action: allow, port: 1/tcp }
      - { id: b, action: allow, port: 2/tcp }
      - { id: c, action: allow, port: 3/tcp }
      - { id: d, action: deny, port: 4/tcp }
      - { id: e, action: reject, port: 5/tcp }
      - { id: f, action: allow, port: 6/tcp }
`;
/** As the README has it; told of one by one is `DEFAULT_RULE_SERIES`. */
const MOST_SERIES = 113_000;
const DASHBOARDS = join(__dirname, '../../../scripts/dashboards');
const ruleset = parseRuleset(TEXT, { file: 'rules.yaml' }).ruleset!;
const AT = '2026-01-01T00:00:00Z';
const hits = (packets: number) => ({
  packets: String(packets),
  bytes: String(packets * 60),
  lastHit: AT,
  watchedSince: AT,
});
const table = { live: 1, ways: 8, pressure: 0.5, bytes: 64, made: 3n, evicted: 2n, liveBy: new Map<number, number>() };
const room = {
  flows: { live: 2, share: 9, evicted: 4n, refused: 5n },
  limits: { live: 3, share: 8, evicted: 6n, refused: 7n },
  events: { share: 32, told: 10n, capped: 11n },
};
const sum = { packets: '7', bytes: '420' };
const input: SnapshotInput = {
  takenAt: '2026-01-01T00:00:10Z',
  active: { generation: 4, digest: 'd', appliedAt: AT },
  file: '/rules.yaml',
  pending: { generation: 4, previous: 3, deadline: '2026-01-01T00:01:00Z', secondsLeft: 50 },
  waiting: [
    { section: 'red', deadline: '2026-01-01T00:00:40Z', secondsLeft: 30 },
    { section: 'outbound', deadline: '2026-01-01T00:00:50Z', secondsLeft: 40 },
  ],
  ruleset,
  interfaces: [{ name: 'eth"0', ifindex: 2, mode: 'native', egress: 'tcx' }],
  notFiltered: [{ name: 'wg0', addresses: [] }],
  figures: {
    rules: {
      'red/web': hits(5),
      'red/often': hits(2),
      'red/often/refused': hits(4),
      'red/no': hits(9),
      'red/default': hits(11),
      'green/a': hits(1),
      'green/b': hits(2),
      'green/d': hits(20),
    },
    reasons: { 'udp-off': { packets: '3', bytes: '180' } },
    verdicts: { allow: sum, deny: sum },
    outgoing: { reasons: { flow: { packets: '3', bytes: '180' } }, verdicts: { allow: sum, deny: sum } },
  },
  rooms: new Map([['red', room]]),
  ...{ flows: table, fragments: table, limits: table },
  rejects: { answered: 1n, capped: 2n, unanswered: 3n },
  rejectsOut: { answered: 4n, capped: 5n, unanswered: 6n },
  bans: { hosts: 1, prefixes: 2 },
  allowAll: [
    {
      ...{ section: 'red', since: AT, until: '2026-01-01T00:10:00Z', secondsLeft: 590, by: { user: 'root', uid: 0 } },
      ...{ packets: '6', bytes: '360', unlisted: '0', rows: [] },
    },
  ],
  events: { written: 1n, capped: { all: 0n, server: 0n, rule: 0n, source: 0n }, ringFull: 0n, made: 1n, reader: null },
  booted: null,
  spare: null,
  warnings: ['careful'],
};
const snapshot: Snapshot = buildSnapshot(input);
const red = serversOf(snapshot).find(({ name }) => name === 'red')!;
const render = (options: { ruleSeries?: number; section?: string } = {}): string =>
  renderMetrics(snapshot, { version: '1', ...options });
/** Values of the samples of a metric, by the text of their labels. */
function samples(text: string, name: MetricName): Record<string, number> {
  const found = text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'));
  return Object.fromEntries([...found].map(([, labels = '', value]) => [labels, Number(value)]));
}
const total = (text: string, name: MetricName): number =>
  Object.values(samples(text, name)).reduce((all, value) => all + value, 0);

test('every metric there is has a sample, and there is no sample of another', () => {
  const heads = [...render().matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => ({ name, type }));
  expect(heads).toEqual(Object.entries(METRICS).map(([name, { type }]) => ({ name, type })));
  const names = new Set([...render().matchAll(/^(sluice_\w+)/gm)].map(([, name]) => name));
  expect([...names].sort()).toEqual(Object.keys(METRICS).sort());
});

test('labels are what the table says, escaped', () => {
  for (const [, name, labels] of render().matchAll(/^(sluice_\w+)\{(.*)\} \S+$/gm)) {
    const keys = [...labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)].map(([, key]) => key);
    expect({ name, keys }).toEqual({ name, keys: METRICS[name as MetricName].labels });
  }
  expect(render()).toContain('sluice_attached{interface="eth\\"0",mode="native"} 1\n');
});

test('nothing of an owner, no address and no text of a row is in it', () => {
  for (const secret of ['secret words', 'bob', '4711', '10.9.8.7', '198.51.100', '203.0.113', 'port'])
    expect(render()).not.toContain(secret);
});

test('what a server let in and refused', () => {
  expect(samples(render(), 'sluice_server_packets_total')).toEqual({
    'server="red",verdict="allow"': 7,
    'server="red",verdict="deny"': 24,
    'server="green",verdict="allow"': 3,
    'server="green",verdict="deny"': 20,
  });
});

test('what a server has of what all share', () => {
  const text = render();
  const of = (name: MetricName): Record<string, number> => samples(text, name);
  expect(of('sluice_server_room_used')).toEqual({
    'server="red",table="flows"': 2,
    'server="red",table="limits"': 3,
  });
  expect(of('sluice_server_room_share')).toEqual({
    'server="red",table="flows"': 9,
    'server="red",table="limits"': 8,
  });
  expect(of('sluice_server_room_lost_total')).toEqual({
    'server="red",table="flows",outcome="evicted"': 4,
    'server="red",table="flows",outcome="refused"': 5,
    'server="red",table="limits",outcome="evicted"': 6,
    'server="red",table="limits",outcome="refused"': 7,
  });
  expect(of('sluice_server_events_total')).toEqual({
    'server="red",outcome="told"': 10,
    'server="red",outcome="held-back"': 11,
  });
  expect(red.server.room?.limits).toEqual({ live: 3, share: 8, evicted: '6', refused: '7' });
});

test('beyond the ceiling the largest servers are added up, and no packet is lost', () => {
  const rows = snapshot.sections.flatMap((section) =>
    section.rows.filter(({ tier }) => section.name !== 'inbound' || tier !== '6'),
  ).length;
  const green = snapshot.sections.find(({ name }) => name === 'green')!.rows.length;
  const whole = render({ ruleSeries: rows });
  expect(samples(whole, 'sluice_folded_sections')).toEqual({ '': 0 });
  expect(Object.keys(samples(whole, 'sluice_rule_packets_total'))).toHaveLength(rows);
  const folded = render({ ruleSeries: rows - 1 });
  expect(samples(folded, 'sluice_folded_sections')).toEqual({ '': 1 });
  expect(Object.keys(samples(folded, 'sluice_rule_packets_total'))).toHaveLength(rows - green + 3);
  expect(samples(folded, 'sluice_rule_packets_total')).toMatchObject({
    'section="green",rule="*",verdict="allow"': 3,
    'section="green",rule="*",verdict="deny"': 20,
    'section="red",rule="web",verdict="allow"': 5,
  });
  const none = render({ ruleSeries: 0 });
  expect(samples(none, 'sluice_folded_sections')).toEqual({ '': 4 }); // the guard has no rows
  for (const name of [
    'sluice_rule_packets_total',
    'sluice_rule_bytes_total',
    'sluice_rule_refused_packets_total',
  ] as const)
    expect({ name, total: total(none, name) }).toEqual({ name, total: total(whole, name) });
  expect(samples(none, 'sluice_rule_last_hit_timestamp_seconds')).toMatchObject({
    'section="green",rule="*",verdict="allow"': Date.parse(AT) / 1000,
  });
});

test('as many series as the README says, of as many servers as there can be, with rows of every kind', () => {
  const rows = ['allow 1/tcp', 'deny 2/tcp', 'reject 3/tcp', 'limit 4/tcp', 'limit 5/tcp 6/30s'];
  const many = 4000;
  const written = Array.from({ length: many }, (_, i): [string, object] => [
    `s${i}`,
    { address: `198.18.${i >> 8}.${i & 255}`, rules: [...rows, ...rows.map((row) => row.replace(/\d/, '1$&'))] },
  ]);
  const text = JSON.stringify({ version: 1, servers: Object.fromEntries(written) });
  const read = parseRuleset(text, { file: 'rules.yaml' }).ruleset!;
  const ids = read.servers!.flatMap(({ name, rules }) => [
    ...rules.map(({ id }) => `${name}/${id}`),
    `${name}/default`,
  ]);
  const few = read.servers!.slice(0, 255);
  const waiting = few.map(({ name: section }) => ({ ...input.waiting![0], section }));
  const allowAll = few.map(({ name: section }) => ({ ...input.allowAll[0], section }));
  const all = buildSnapshot({
    ...{ ...input, ruleset: read, waiting, allowAll, rooms: new Map(read.servers!.map(({ name }) => [name, room])) },
    figures: { ...input.figures, rules: Object.fromEntries(ids.map((id) => [id, hits(1)])) },
  });
  const series = renderMetrics(all, { version: '1' })
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#')).length;
  expect(series).toBeGreaterThan(MOST_SERIES * 0.9);
  expect(series).toBeLessThanOrEqual(MOST_SERIES);
});

test('one section alone has each of its rows, whatever the ceiling', () => {
  const text = render({ section: 'red', ruleSeries: 0 });
  expect(Object.keys(samples(text, 'sluice_rule_packets_total'))).toHaveLength(5);
  expect(text).toContain('sluice_allow_all_packets{section="red"} 6\n');
  expect(text).not.toMatch(/green|inbound|sluice_active|sluice_folded/);
});

test.each(['sluice.json', 'alerts.yaml'])('%s asks for no metric and no label there is not', (file) => {
  const text = readFileSync(join(DASHBOARDS, file), 'utf8').replaceAll('\\"', '"');
  const asked = [...new Set([...text.matchAll(/\b(sluice_\w+)/g)].map(([, name]) => name))];
  expect(asked.length).toBeGreaterThan(5);
  expect(asked.filter((name) => !(name in METRICS))).toEqual([]);
  for (const [, name, selector] of text.matchAll(/\b(sluice_\w+)\{([^}]*)\}/g)) {
    const keys = [...selector.matchAll(/(\w+)(?:=~|!=|!~|=)/g)].map(([, key]) => key);
    expect(
      keys.filter((key) => key !== 'instance' && !METRICS[name as MetricName].labels.some((l) => l === key)),
    ).toEqual([]);
  }
});

test('the page of a server: what refused, most first, and the newest refusals of its own', () => {
  const line = (time: string, word: string, rule: string, section = 'red') =>
    `${time} edge sluice: [SLUICE ${word}] IN=eth0 OUT= SRC=203.0.113.77 DST=198.51.100.1 PROTO=TCP SPT=5 DPT=9000 SRV=${section} RULE=${rule} REASON=rule GEN=1 EVENT=a-1`;
  const events = [
    line('2026-01-01T00:00:01Z', 'BLOCK', 'no'),
    line('2026-01-01T00:00:02Z', 'ALLOW', 'web'),
    line('2026-01-01T00:00:03Z', 'BLOCK', 'd', 'green'),
    line('2026-01-01T00:00:04Z', 'LIMIT BLOCK', 'often'),
  ].map((text) => parseEventLine(text)!);
  const page = serverPage(snapshot, red, events);
  expect(page.drops.map(({ by, packets }) => [by, packets])).toEqual([
    ['default', '11'],
    ['no', '9'],
    ['often', '4'],
  ]);
  expect(page.refusals).toEqual([
    expect.objectContaining({ time: '2026-01-01T00:00:04Z', rule: 'often' }),
    {
      ...{ time: '2026-01-01T00:00:01Z', source: '203.0.113.77', destination: '198.51.100.1', protocol: 'TCP' },
      ...{ sourcePort: 5, port: 9000, rule: 'no', reason: 'rule' },
    },
  ]);
  expect(page.server.rows.map(({ id }) => id)).toEqual(['udp-off', 'web', 'often', 'no', 'default']);
  expect(page.server).toMatchObject({ default: 'deny', sshPorts: [], sshFrom: null, udp: 'off' });
  expect(page.pending).toMatchObject({ generation: 4 });
  expect(page.server.waiting).toEqual({ deadline: '2026-01-01T00:00:40Z', secondsLeft: 30 });
  expect(JSON.stringify(page)).not.toContain('green');
  expect(serverPage(snapshot, red, null).refusals).toBeNull();
});
