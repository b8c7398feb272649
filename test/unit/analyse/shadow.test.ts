import { analyse } from '../../../src/analyse/analyse';
import { sectionRegions } from '../../../src/analyse/decisions';
import { findShadowed } from '../../../src/analyse/shadow';
import { lintShadowed } from '../../../src/analyse/shadow-lint';
import type { Diagnostic } from '../../../src/diagnostics/diagnostic';
import type { Rule } from '../../../src/model/ruleset';
import { rule, rules, ruleset } from '../../support/findings';

const shadowFindings = (list: readonly Rule[]): Diagnostic[] =>
  analyse(ruleset(list, { icmp: 'rules', inbound: { default: 'allow' } })).filter(({ code }) =>
    ['lint/shadowed', 'lint/redundant', 'lint/not-proven'].includes(code),
  );
const brief = (list: readonly Rule[]): unknown[] =>
  shadowFindings(list).map(({ code, source, hint, notes }) => ({
    code: code.replace('lint/', ''),
    rule: source.line,
    hint,
    notes: notes.map((note) => note.source?.line),
  }));

test('allow under deny: names the rule, says that it denies, prints the move', () => {
  const [finding, ...others] = shadowFindings([
    rule(1, 'deny', { port: [14141], text: 'deny 14141' }),
    rule(2, 'allow', {
      from: ['78.168.0.0/16'],
      port: [14141],
      text: 'allow from 78.168.0.0/16 to any port 14141',
    }),
  ]);
  expect(others).toEqual([]);
  expect(finding).toMatchObject({
    code: 'lint/shadowed',
    severity: 'warning',
    message:
      'rule 2 "allow from 78.168.0.0/16 to any port 14141" is never reached: it sits under rule 1, which matches all its packets and denies them',
    hint: 'sluice move 2 before 1',
    source: { line: 2 },
    notes: [{ message: 'rule 1 "deny 14141" decides differently', source: { line: 1 } }],
  });
});

test('the other order is in order', () => {
  expect(brief(rules(['allow', { from: ['78.168.0.0/16'], port: [14141] }], ['deny', { port: [14141] }]))).toEqual([]);
});

test('a rule under one that says the same is redundant', () => {
  expect(brief(rules(['allow', { from: ['10.0.0.0/8'] }], ['allow', { from: ['10.1.0.0/16'], port: [22] }]))).toEqual([
    { code: 'redundant', rule: 2, hint: 'sluice delete 2', notes: [1] },
  ]);
});

test('a union covers what none of its members covers', () => {
  const list = rules(
    ['deny', { from: ['10.0.0.0/9'] }],
    ['deny', { from: ['192.0.2.0/24'] }],
    ['deny', { from: ['10.128.0.0/9'] }],
    ['allow', { from: ['10.0.0.0/8'] }],
  );
  expect(brief(list)).toEqual([{ code: 'shadowed', rule: 4, hint: 'sluice move 4 before 1', notes: [1, 3] }]);
  expect(shadowFindings(list)[0].message).toBe(
    'rule 4 "allow from 10.0.0.0/8 to any" is never reached: it sits under rules 1 and 3, which together match all its packets and deny them',
  );
});

test('a union over ports and protocols; one port short is reached', () => {
  const list = (last: number): Rule[] =>
    rules(
      ['deny', { port: [[1, 1023]], proto: [6] }],
      ['deny', { port: [[1024, last]], proto: [6] }],
      ['deny', { proto: [17] }],
      ['allow', { port: [[1, 2000]] }],
    );
  expect(brief(list(2000))).toMatchObject([{ code: 'shadowed', rule: 4 }]);
  expect(brief(list(1999))).toEqual([]);
});

test('ports 1 to 65535 of every protocol that has them are all of TCP, since port 0 is no packet', () => {
  expect(brief(rules(['deny', { port: [[1, 65535]], proto: [6] }], ['allow', { proto: [6] }]))).toMatchObject([
    { code: 'shadowed', rule: 2 },
  ]);
  expect(brief(rules(['deny', { port: [[1, 65535]] }], ['allow', {}]))).toEqual([]);
});

test('both families of "any" must be covered', () => {
  const one = rules(['deny', { from: ['0.0.0.0/0'], port: [22] }], ['allow', { port: [22] }]);
  expect(brief(one)).toEqual([]);
  const both = rules(
    ['deny', { from: ['0.0.0.0/0'], port: [22] }],
    ['deny', { from: ['::/0'], port: [22] }],
    ['allow', { port: [22] }],
  );
  expect(brief(both)).toMatchObject([{ code: 'shadowed', rule: 3, notes: [1, 2] }]);
});

test('ICMP types and codes', () => {
  const types = (list: readonly { type: number; code?: number }[]) => ({ proto: [1], icmp: list, family: 4 as const });
  expect(brief(rules(['deny', types([{ type: 3 }])], ['allow', types([{ type: 3, code: 1 }])]))).toMatchObject([
    { code: 'shadowed', rule: 2 },
  ]);
  expect(brief(rules(['deny', types([{ type: 3, code: 1 }])], ['allow', types([{ type: 3 }])]))).toEqual([]);
});

test('a rule that is switched off neither covers nor is reported', () => {
  expect(brief(rules(['deny', { port: [22], enabled: false }], ['allow', { port: [22] }]))).toEqual([]);
  expect(brief(rules(['deny', { port: [22] }], ['allow', { port: [22], enabled: false }]))).toEqual([]);
});

test('numbers count rules that are switched off', () => {
  expect(
    brief(rules(['allow', { port: [80], enabled: false }], ['deny', {}], ['allow', { from: ['10.0.0.0/8'] }])),
  ).toMatchObject([{ rule: 3, hint: 'sluice move 3 before 2' }]);
});

test('an exception above both leaves the narrower rule redundant, and is mentioned', () => {
  const list = rules(
    ['deny', { from: ['10.0.0.0/24'] }],
    ['allow', { from: ['10.0.0.0/16'] }],
    ['allow', { from: ['10.0.0.0/16'], port: [22] }],
  );
  expect(brief(list)).toEqual([{ code: 'redundant', rule: 3, hint: 'sluice delete 3', notes: [2, 1] }]);
});

test('a rule that says the same but decides nothing is not named', () => {
  const list = rules(['deny', { from: ['10.0.0.0/8'] }], ['allow', {}], ['allow', { from: ['10.1.0.0/16'] }]);
  expect(brief(list)).toEqual([{ code: 'shadowed', rule: 3, hint: 'sluice move 3 before 1', notes: [1] }]);
});

test('where the move would only bury the other rule, one of the two is to be deleted', () => {
  expect(brief(rules(['deny', { port: [22] }], ['allow', { port: [22] }]))).toMatchObject([
    { code: 'shadowed', hint: 'both match the same packets; keep one: sluice delete 1, or: sluice delete 2' },
  ]);
});

test('only the members that are needed are named', () => {
  const list = rules(
    ['deny', { from: ['10.0.0.0/10'] }],
    ['deny', { from: ['10.0.0.0/9'] }],
    ['deny', { from: ['10.128.0.0/9'] }],
    ['allow', { from: ['10.0.0.0/8'] }],
  );
  expect(brief(list)).toMatchObject([{ rule: 4, notes: [2, 3] }]);
});

test('a long list of covering rules is cut with a count', () => {
  const halves = Array.from({ length: 16 }, (_, i): ['deny', { from: string[] }] => [
    'deny',
    { from: [`10.${i * 16}.0.0/12`] },
  ]);
  const [finding] = shadowFindings(rules(...halves, ['allow', { from: ['10.0.0.0/8'] }]));
  expect(finding.message).toContain('under rules 1, 2, 3, 4, 5 and 11 others');
  expect(finding.notes).toHaveLength(7);
  expect(finding.notes[6]).toEqual({ message: 'and 10 more' });
});

test('lists are one set: 20,000 prefixes above 1,000 rules are no work', () => {
  const hosts = Array.from({ length: 20_000 }, (_, i) => ({
    family: 4 as const,
    words: [0x0b000000 + 2 * i],
    length: 32,
  }));
  const blocklist = rule(1, 'deny');
  const list: Rule[] = [
    { ...blocklist, match: { ...blocklist.match, from: hosts } },
    ...Array.from({ length: 1000 }, (_, i) => rule(i + 2, 'allow', { port: [i + 1] })),
    rule(1002, 'allow', { from: ['11.0.0.2/32'], port: [22] }),
  ];
  const before = process.cpuUsage();
  const found = findShadowed(sectionRegions(ruleset(list).inbound));
  const seconds = process.cpuUsage(before).user / 1e6;
  expect(found.shadowed).toEqual([{ row: 1001, cover: [0], differing: [0] }]);
  expect(seconds).toBeLessThan(25);
});

test('10,000 rules with a catch-all every tenth are analysed in seconds, all proven', () => {
  const list = Array.from({ length: 10_000 }, (_, i) =>
    i % 10 === 9
      ? rule(i + 1, 'allow', { port: [i] })
      : rule(i + 1, 'deny', { from: [`${1 + (i % 200)}.${i % 251}.${i % 13}.${i % 7}`] }),
  );
  const before = process.cpuUsage();
  const found = findShadowed(sectionRegions(ruleset(list).inbound));
  expect(process.cpuUsage(before).user / 1e6).toBeLessThan(50);
  expect(found.unproven).toEqual([]);
});

test('overlaps too many to prove are said to be not proven, and nothing is guessed', () => {
  // Every rule takes a random half of each of four fields: what is left of the last rule is a needle in 2^24 parts.
  let state = 7;
  const half = (): number[] =>
    Array.from({ length: 64 }, (_, i) => i).filter(() => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >= 2 ** 31;
    });
  const part = (): string[] => half().map((i) => `${i * 4}.0.0.0/6`);
  const ports = (): [number, number][] => half().map((i) => [i * 1024 + 1, Math.min(65535, i * 1024 + 1024)]);
  const list = Array.from({ length: 260 }, (_, i) =>
    rule(i + 1, 'deny', { from: part(), to: part(), port: ports(), fromPort: ports(), proto: [6] }),
  );
  const last = rule(261, 'allow', { family: 4, proto: [6] });
  const findings = lintShadowed(sectionRegions(ruleset([...list, last]).inbound));
  expect(findings.map(({ source }) => source.line)).not.toContain(261);
  const told = findings.filter(({ code }) => code === 'lint/not-proven');
  expect(told).toMatchObject([
    { severity: 'note', message: expect.stringMatching(/^whether rules .* was not proven/) as string },
  ]);
});
