/** Which packets change their verdict, as a person reads it. */
import { findDifference } from '../../../src/analyse/difference';
import type { GuardRule, Ruleset } from '../../../src/model/ruleset';
import { changesNothing, planChange } from '../../../src/operate/change-plan';
import { differenceToJson, renderChange, renderDifference } from '../../../src/operate/render-difference';
import { rule, rules, ruleset } from '../../support/findings';

const text = (before: Ruleset, after: Ruleset): string => renderDifference(planChange(before, after));

const TWO = rules(
  ['deny', { port: [14141], proto: [6] }],
  ['allow', { from: ['78.168.0.0/16'], port: [14141], proto: [6] }],
);

test('a row that is reached only now', () => {
  expect(text(ruleset(TWO), ruleset([TWO[1], TWO[0]]))).toBe(`packets whose verdict changes:
  deny → allow  tcp from 78.168.0.0/16 to any port 14141
                  as tcp from 78.168.0.0 port 40000 to 198.51.100.9 port 14141: r1 → r2
`);
});

test('a row that is never reached changes nothing, and that is a proof', () => {
  const more = [...TWO, rule(3, 'deny', { from: ['78.168.1.0/24'], port: [14141], proto: [6] })];
  expect(text(ruleset(TWO), ruleset(more))).toBe('no packet changes its verdict\n');
  const change = planChange(ruleset(TWO), ruleset(more));
  expect(differenceToJson(change)).toEqual({ exact: true, proven: true, notCompared: [], deciding: [], changes: [] });
});

test('a row the default would do for as well: what goes out asks for the row', () => {
  const open = { inbound: { default: 'allow' }, outbound: { name: 'outbound', default: 'deny', rules: [] } } as const;
  const [before, after] = [ruleset(rules(['allow', { port: [53], proto: [17] }]), open), ruleset([], open)];
  const { lists, changes } = findDifference(before, after);
  expect({ lists, traffic: changes.map(({ traffic }) => traffic) }).toEqual({ lists: ['inbound'], traffic: ['out'] });
  const quiet = { inbound: { default: 'allow' } } as const;
  expect(findDifference(ruleset(before.inbound.rules, quiet), ruleset([], quiet))).toMatchObject({
    lists: [],
    changes: [],
  });
});

test('a row split in two, or written otherwise, changes nothing', () => {
  const halves = rules(['allow', { from: ['10.0.0.0/9'] }], ['allow', { from: ['10.128.0.0/9'] }]);
  expect(text(ruleset(rules(['allow', { from: ['10.0.0.0/8'] }])), ruleset(halves))).toBe(
    'no packet changes its verdict\n',
  );
});

test('a switched default, the UDP switch, the SSH row: in few lines, both families in one', () => {
  const base = ruleset(rules(['allow', { port: [80], proto: [6] }]));
  const open = ruleset(base.inbound.rules, { inbound: { default: 'allow' } });
  expect(text(base, open)).toContain('deny → allow  any protocol but icmp, tcp, udp from any to any\n');
  expect(text(base, open)).toContain('tcp from any to any port any but 80');
  const ssh = { ports: [22], from: 'anyone', source: base.inbound.rules[0].source } as const;
  expect(text(base, ruleset(base.inbound.rules, { inbound: { ssh } }))).toBe(`packets whose verdict changes:
  deny → allow  tcp from any to any port 22
                  as tcp from 192.0.2.9 port 40000 to 198.51.100.9 port 22: default → SSH row
`);
  const dns = rules(['allow', { port: [53], proto: [17] }]);
  expect(text(ruleset(dns), ruleset(dns, { inbound: { udp: 'off' } }))).toContain(
    'allow → deny  udp from any to any port 53\n',
  );
});

test('limits: how much, and of which rule', () => {
  const limit = (count: number, id = 'r1'): Ruleset =>
    ruleset([
      {
        ...rule(1, 'limit', { port: [22], proto: [6] }),
        id,
        limit: { count, windowMs: 30_000, verdict: 'reject', prefix: { 4: 32, 6: 64 } },
      },
    ]);
  expect(text(limit(6), limit(20))).toContain('limit → limit 20/30s  tcp from any to any port 22\n');
  // Another rule counts anew: who was refused gets in again.
  expect(text(limit(6), limit(6, 'ssh'))).toContain('limit (r1) → limit (ssh)  tcp from any to any port 22\n');
});

test('what goes out: what begins inside, and answers', () => {
  const shut = (port: number): Ruleset =>
    ruleset(rules(['allow', { port: [8000], proto: [6] }]), {
      outbound: { name: 'outbound', default: 'deny', rules: rules(['allow', { port: [port], proto: [6] }]) },
    });
  const [from443, to80] = [shut(443), shut(80)];
  const found = text(from443, to80);
  expect(found).toContain('allow → deny  out tcp from any to any port 443\n');
  expect(found).toContain('deny → allow  out tcp from any to any port 80\n');
  // Answers from port 8000 pass before and after.
  expect(found).toContain('out (answers) tcp from any port any but 8000 to any port 443\n');
});

test('a guard that decides what the rows decided: no fresh packet fares otherwise, an open flow does', () => {
  const row = rule(1, 'deny', { from: ['192.0.2.0/24'] });
  const guarded: GuardRule = { ...row, id: 'g1', direction: 'in' };
  const before = ruleset([], { icmp: 'rules' });
  const after = ruleset([], { icmp: 'rules', guard: { keepReachable: [], rules: [guarded] } });
  expect(text(before, after)).toBe(
    'no packet that begins something changes its verdict; of open flows and ICMP errors some can (guard)\n',
  );
  expect(differenceToJson(planChange(before, after))).toMatchObject({
    exact: true,
    proven: false,
    deciding: ['guard'],
  });
});

test('settings that packets do not show are named, never passed over', () => {
  const one = ruleset(TWO);
  expect(text(one, { ...one, fragments: 'drop' })).toBe(
    'no packet changes its verdict\nnot compared: what another fragments does\n',
  );
  expect(differenceToJson(planChange(one, { ...one, fragments: 'drop' }))).toMatchObject({ proven: false });
});

test('icmp: rules in place of essentials', () => {
  const one = ruleset([]);
  const found = findDifference(one, { ...one, icmp: 'rules' });
  expect(found.lists).toEqual(['icmp']);
  expect(text(one, { ...one, icmp: 'rules' })).toContain('icmp type 8 from any to any (IPv4)\n');
});

test('what cannot be compared is said to be so', () => {
  const known = { notCompared: [] };
  expect(renderDifference({ ...known, difference: 'unfiltered' })).toBe(
    'nothing is filtered now: every packet passes\n',
  );
  expect(renderDifference({ ...known, difference: 'lost' })).toContain('is lost');
  expect(planChange(ruleset(TWO), ruleset(TWO), 3)).toMatchObject({ difference: 'large' });
  const spent = { ...findDifference(ruleset(TWO), ruleset([TWO[1], TWO[0]])), isExact: false };
  expect(renderDifference({ ...known, difference: spent })).toMatch(
    /among others:[\s\S]*these are not all: too many rules overlap/,
  );
  expect(renderDifference({ ...known, difference: { ...spent, changes: [] } })).toBe(
    'too many rules overlap to tell which packets change their verdict\n',
  );
});

test('the first ruleset of all is a change, also without a row', () => {
  const change = planChange('unfiltered', ruleset([]));
  expect(changesNothing(change)).toBe(false);
  expect(renderChange(change, ruleset([]))).toBe(
    'nothing is filtered now: every packet passes\n' +
      'this ruleset would be the first: default deny for what comes in, allow for what goes out\n',
  );
  const same = planChange(ruleset([]), ruleset([]));
  expect([changesNothing(same), renderChange(same, ruleset([]))]).toEqual([true, 'no changes\n']);
});

test('a line that is about one family says so, whatever its ports look like; ranges hold something', () => {
  for (const [port, words] of [
    [6000, '6000'],
    [[6000, 6007], '6000:6007'],
  ] as const) {
    const both = rules(['deny', { from: ['198.51.100.0/24'] }], ['allow', { port: [port], proto: [6] }]);
    const told = text(ruleset(both), ruleset([both[0]]));
    expect(told).toContain(`tcp from any to any port ${words} (IPv6)\n`);
    expect(told).toContain(`tcp from any but 198.51.100.0/24 to any port ${words}\n`);
  }
  const open = differenceToJson(planChange(ruleset([]), ruleset([], { inbound: { default: 'allow' } })));
  const ranges = [...JSON.stringify(open).matchAll(/\[(\d+),(\d+)\]/g)].map(([, ...ends]) => ends.map(Number));
  expect(ranges.length).toBeGreaterThan(0);
  expect(ranges.filter(([first, last]) => first > last)).toEqual([]);
});

test('JSON has what the text shortens', () => {
  const hosts = Array.from({ length: 9 }, (_, i) => `203.0.113.${2 * i}`);
  const change = planChange(ruleset([]), ruleset(rules(['allow', { from: hosts, port: [443], proto: [6] }])));
  expect(renderDifference(change)).toContain('203.0.113.6 and 5 more to any port 443');
  const { changes } = differenceToJson(change) as { changes: { regions: object[]; more: number }[] };
  expect(changes).toHaveLength(1);
  expect(changes[0].more).toBe(0);
  expect(changes[0].regions).toEqual([
    {
      family: 4,
      protocols: [[6, 6]],
      from: { in: hosts },
      ports: [[443, 443]],
      example: {
        packet: 'tcp from 203.0.113.0 port 40000 to 198.51.100.9 port 443',
        before: { section: 'inbound', tier: '9', rule: null },
        after: { section: 'inbound', tier: '7', rule: 'r1' },
      },
    },
  ]);
});
