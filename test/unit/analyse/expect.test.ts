import type { Expectation, Rule, Ruleset } from '../../../src/model/ruleset';
import { at, expectation, expectationProblems, type RuleText, rule, rules, ruleset } from '../../support/findings';

const check = (
  list: readonly Rule[],
  verdict: Expectation['verdict'],
  text: RuleText,
  more: Partial<Omit<Ruleset, 'inbound'>> = {},
) => expectationProblems(ruleset(list, { ...more, expect: [expectation(verdict, text)] }));

const list = rules(
  ['allow', { from: ['78.168.0.0/16'], port: [14541] }],
  ['deny', { from: ['78.168.7.0/24'], port: [[14000, 15000]] }],
  ['allow', { from: ['78.0.0.0/8'], port: [[14000, 15000]] }],
);

test('holds for every packet it describes', () => {
  expect(check(list, 'allow', { from: ['78.168.1.2'], port: [14541], proto: [6] })).toEqual([]);
  expect(check(list, 'allow', { from: ['78.168.0.0/16'], port: [14541] })).toEqual([]);
  expect(check(list, 'deny', { from: ['192.0.2.9'], proto: [6] })).toEqual([]);
});

test('one packet that contradicts it is found, with the rule that decides it', () => {
  const [finding] = check(list, 'allow', { from: ['78.168.0.0/16'], port: [[14541, 14542]], proto: [6] });
  expect(finding).toEqual({
    code: 'expect/failed',
    severity: 'error',
    message: '"allow …" does not hold: "tcp from 78.168.7.0 port 40000 to 198.51.100.9 port 14542" gets "deny"',
    source: at(90),
    notes: [{ message: 'rule 2 decides "deny": "deny from 78.168.7.0/24 to any port 14000,15000"', source: at(2) }],
    hint: 'sluice explain tcp from 78.168.7.0 port 40000 to 198.51.100.9 port 14542',
  });
});

test('the default and the SSH row are deciders too', () => {
  expect(check(list, 'allow', { port: [80], proto: [6] })[0].notes).toEqual([
    { message: 'the default decides "deny"' },
  ]);
  const ssh = { ports: [22], from: 'anyone' as const, source: at(80) };
  const line = expectation('deny', { port: [[1, 1023]], proto: [6] });
  expect(expectationProblems(ruleset([], { inbound: { ssh }, expect: [line] }))[0].notes).toEqual([
    { message: 'the SSH row decides "allow"' },
  ]);
});

test('reject is not deny', () => {
  expect(check([rule(1, 'reject', { port: [25] })], 'deny', { port: [25] })).toHaveLength(1);
  expect(check([rule(1, 'reject', { port: [25] })], 'reject', { port: [25] })).toEqual([]);
});

describe('ICMP', () => {
  const echo = { proto: [1], icmp: [{ type: 8 }], family: 4 as const };

  test('echo-requests pass in tier 5, whatever the rules say', () => {
    const deny = [rule(1, 'deny')];
    expect(check(deny, 'allow', echo)).toEqual([]);
    expect(check(deny, 'deny', echo)[0].notes[0].message).toContain('tier 5 passes echo-requests');
    expect(check(deny, 'deny', echo, { icmp: 'rules' })).toEqual([]);
  });

  test('a line without a protocol describes echo-requests as well', () => {
    expect(check([], 'deny', { from: ['192.0.2.9'] })).toMatchObject([
      { message: expect.stringContaining('icmp type 8 from 192.0.2.9') as string },
    ]);
    expect(check([], 'deny', { from: ['192.0.2.9'] }, { icmp: 'rules' })).toEqual([]);
  });

  test('ICMP errors depend on what they quote: a line about nothing else fails', () => {
    expect(check([], 'deny', { proto: [1], icmp: [{ type: 3 }], family: 4 })[0].message).toContain('depends on');
    expect(check([], 'deny', { proto: [1], icmp: [{ type: 3 }], family: 4 }, { icmp: 'rules' })).toEqual([]);
    expect(check([rule(1, 'allow')], 'allow', { proto: [1] })).toEqual([]);
  });

  test('multicast listener messages pass in tier 2 from link-local sources', () => {
    const report = { proto: [58], icmp: [{ type: 143 }] };
    expect(check([], 'deny', { ...report, from: ['fe80::1'] }, { icmp: 'rules' })).toHaveLength(1);
    expect(check([], 'deny', { ...report, from: ['2001:db8::1'] }, { icmp: 'rules' })).toEqual([]);
  });
});

test('a line that describes no packet fails', () => {
  expect(check([], 'deny', { from: [] })[0].message).toBe(
    '"deny …" describes no packet at all, so that it proves nothing',
  );
});

test('UDP under the switch drops, whatever the rules say', () => {
  const from = ['78.168.1.2'];
  const inbound = { udp: 'off' } as const;
  const holds = (verdict: Expectation['verdict'], proto: number[]) =>
    expectationProblems(
      ruleset(rules(['allow', { from }]), { inbound, expect: [expectation(verdict, { from, port: [53], proto })] }),
    );
  expect(holds('allow', [6])).toEqual([]);
  expect(holds('deny', [17])).toEqual([]);
  expect(holds('allow', [17])[0].notes).toEqual([{ message: 'the UDP switch, which is off, decides "deny"' }]);
  expect(holds('allow', [6, 17])).toHaveLength(1);
});
