/** Servers in a plan, in figures and in a snapshot. */
import { compile } from '../../../src/compile/compile';
import { UDP_OFF } from '../../../src/compile/ranks';
import type { Ruleset } from '../../../src/model/ruleset';
import { nameFigures } from '../../../src/observe/figures';
import { renderMetrics } from '../../../src/observe/metrics';
import { buildSnapshot } from '../../../src/observe/build-snapshot';
import type { Snapshot } from '../../../src/observe/snapshot';
import { formatServers } from '../../../src/cli/format-servers';
import { serversOf } from '../../../src/observe/server-page';
import { formatServerStatus, formatStatus } from '../../../src/cli/format-status';
import { isEmptyPlan, planRuleset } from '../../../src/operate/plan';
import { renderPlan } from '../../../src/operate/render-plan';
import { type PackedRuleset, packRuleset, unpackRuleset } from '../../../src/operate/packed-ruleset';
import { parseRuleset } from '../../../src/parse/parse';

const read = (servers: string): Ruleset =>
  parseRuleset(`version: 1\ninbound: { udp: off, default: allow }\nservers:\n${servers}`, { file: 'rules.yaml' })
    .ruleset!;
const GPU = `  gpu:
    address: [198.51.100.7, 198.51.100.9, "2001:db8::7"]
    ports: 14500-14599
    target: 10.0.0.17
    ssh: { port: 14541, from: anyone }
    rules: [{ id: web, action: allow, port: 14511 }, { id: often, action: limit, port: 14512/tcp }]
`;
const BOX = '  box: { address: 198.51.100.8, rules: [allow 80/tcp] }\n';

describe('plan', () => {
  const plan = (before: string, after: string): string => renderPlan(planRuleset(read(before), read(after)));

  test('rows, settings and addresses of one server', () => {
    expect(plan(GPU + BOX, GPU + BOX)).toBe('no changes\n');
    const changed = GPU.replace('port: 14511', 'port: 14513')
      .replace('198.51.100.9', '198.51.100.10')
      .replace('.17', '.18');
    expect(plan(GPU + BOX, changed + BOX))
      .toBe(`  ~ gpu server: 198.51.100.7, 198.51.100.10, 2001:db8::7 port 14500:14599 (was 198.51.100.7, 198.51.100.9, 2001:db8::7 port 14500:14599)
  ~ gpu target: 10.0.0.18 (was 10.0.0.17)
  ~ gpu/web  allow 14513 (was allow 14511)
1 changed, 2 other
`);
  });

  test('servers that come and go', () => {
    expect(plan(GPU, GPU + BOX)).toBe(`  ~ box server: 198.51.100.8 (was none)
  + box/allow-80_tcp  allow 80/tcp (rule 1)
1 added, 1 other
`);
    expect(plan(GPU + BOX, GPU)).toContain('  - box/allow-80_tcp  allow 80/tcp (was rule 1)');
    expect(isEmptyPlan(planRuleset(read(GPU), read(GPU + BOX)))).toBe(false);
  });

  test('a ruleset in a state file has its servers, with the lists that rows share', () => {
    const ruleset = read(GPU + BOX);
    expect(unpackRuleset(JSON.parse(JSON.stringify(packRuleset(ruleset))) as PackedRuleset)).toEqual(ruleset);
  });
});

describe('figures', () => {
  const ruleset = read(GPU + BOX);
  const { ranks } = compile(ruleset);
  const rankOf = (name: string): number =>
    [UDP_OFF, ...ranks].find(({ section, id }) => `${section}/${id}` === name)!.rank;
  const hits = new Map(
    Object.entries({
      'gpu/web': 5n,
      'gpu/often': 2n,
      'gpu/udp-off': 3n,
      'gpu/ssh': 1n,
      'gpu/default': 10n,
      'box/default': 20n,
      'inbound/udp-off': 40n,
      'inbound/default': 80n,
    }).map(([name, packets]) => [rankOf(name), { packets, bytes: packets * 60n, lastHitJiffies: null }]),
  );
  hits.set(rankOf('gpu/often') + 1, { packets: 4n, bytes: 240n, lastHitJiffies: null });
  const time = { clock: { jiffies: 0n, bootNs: 0n, tickNs: 0n }, hz: 250, nowMs: 0 };
  const figures = nameFigures(hits, ranks, time);

  test('each row of a server has its own; what the switch of inbound drops is its reason', () => {
    expect(figures.rules['gpu/udp-off'].packets).toBe(3n);
    expect(figures.rules['gpu/often/refused'].packets).toBe(4n);
    expect(figures.reasons['udp-off'].packets).toBe(40n);
    expect(figures.rules['inbound/udp-off']).toBeUndefined();
    expect(figures.verdicts).toEqual({ allow: { packets: 88n, bytes: 5280n }, deny: { packets: 77n, bytes: 4620n } });
  });

  const text = (each: Readonly<Record<string, { packets: bigint; bytes: bigint; lastHit: string | null }>>) =>
    Object.fromEntries(
      Object.entries(each).map(([name, { packets, bytes, lastHit }]) => [
        name,
        { packets: String(packets), bytes: String(bytes), lastHit, watchedSince: '2026-01-01T00:00:00Z' },
      ]),
    );
  const verdicts = { allow: { packets: '88', bytes: '5280' }, deny: { packets: '77', bytes: '4620' } };
  const none = { allow: { packets: '0', bytes: '0' }, deny: { packets: '0', bytes: '0' } };
  const snapshot: Snapshot = buildSnapshot({
    takenAt: '2026-01-01T00:00:10Z',
    active: { generation: 1, digest: 'd', appliedAt: '2026-01-01T00:00:00Z' },
    ...{
      file: '/rules.yaml',
      pending: null,
      ruleset,
      interfaces: [],
      notFiltered: [],
      booted: null,
      spare: null,
      allowAll: [],
      events: null,
    },
    figures: {
      rules: text(figures.rules),
      reasons: text(figures.reasons),
      verdicts,
      outgoing: { reasons: {}, verdicts: none },
    },
    bans: { hosts: 0, prefixes: 0 },
    warnings: [],
  });

  test('what a server let in and refused', () => {
    expect(formatServers(serversOf(snapshot)))
      .toBe(`Server  Address                Ports        SSH    Target     Default  Rules  Passed  Dropped  Flows  Limited
box     198.51.100.8           all                            deny         1       0       20
gpu     198.51.100.7 + 2 more  14500:14599  14541  10.0.0.17  deny         2       8       17`);
    expect(formatStatus(snapshot, 'plain')).toContain('servers: 2, each with rows of its own (sluice status NAME)');
  });

  test('the status of one', () => {
    const [, gpu] = serversOf(snapshot);
    const lines = formatServerStatus(gpu, snapshot, 'plain').split('\n');
    expect(lines.slice(0, 2)).toEqual([
      'gpu: 198.51.100.7, 198.51.100.9, 2001:db8::7 port 14500:14599, behind it 10.0.0.17; default deny, ssh 14541',
      'packets: 8 passed, 17 dropped',
    ]);
    expect(lines.slice(4).map((line) => line.replace(/ {2,}/g, '|').trim())).toEqual([
      'tier 6|udp|DENY IN|anywhere|udp-off|3|never',
      '[ 1]|14511/tcp (udp off)|ALLOW IN|anywhere|web|5|never',
      '[ 2]|14512/tcp|LIMIT IN|anywhere|often|2|never|6/30s refused 4',
      'tier 8|14541/tcp|ALLOW IN|anywhere|ssh|1|never',
      'tier 9|anywhere|DENY IN|anywhere|default|10|never',
    ]);
    const waiting = { deadline: '2026-01-01T00:00:40Z', secondsLeft: 30 };
    expect(formatServerStatus({ ...gpu, waiting }, snapshot, 'plain').split('\n')[1]).toMatch(
      /^gpu is not confirmed yet: 30 s left, then its rows before judge again \(sluice confirm --server gpu keeps them/,
    );
    // What is so of the whole edge is so of it.
    const whole = { generation: 2, previous: 1, deadline: '2026-01-01T00:00:40Z', secondsLeft: 30 };
    const [state, head, pending] = formatServerStatus(
      gpu,
      { ...snapshot, active: false, pending: whole },
      'plain',
    ).split('\n');
    expect(state).toBe('Status: inactive, no interface is filtered: nothing judges its packets');
    expect(head).toBe(lines[0]);
    expect(pending).toMatch(/30 s left/);
  });

  test('metrics add up to all packets: rows of servers, and inbound’s switch once', () => {
    const metrics = renderMetrics(snapshot, { version: '1' });
    const sum = (name: string): number =>
      [...metrics.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, 'gm'))].reduce(
        (n, [, count]) => n + Number(count),
        0,
      );
    expect(metrics).toContain('section="gpu",rule="udp-off"');
    expect(metrics).not.toContain('section="inbound",rule="udp-off"');
    expect(sum('sluice_rule_packets_total') + sum('sluice_reason_packets_total')).toBe(165 - 4);
  });
});
