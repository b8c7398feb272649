/** A ruleset at a moment: what has ended is off, and compiles to what is written without it. */
import { lintEnded, lintNobodyEnds } from '../../../src/analyse/ends';
import { analyse } from '../../../src/analyse/analyse';
import { explainByModel } from '../../../src/analyse/explain';
import { compile } from '../../../src/compile/compile';
import { evaluatePacket } from '../../../src/model/evaluate';
import type { Packet } from '../../../src/model/packet';
import { endedRules, nextEnd, rulesetAt } from '../../../src/model/until';
import { checkRuleset } from '../../../src/operate/check';
import { planRuleset } from '../../../src/operate/plan';
import { renderPlan } from '../../../src/operate/render-plan';
import { good } from '../parse/support';

const FIRST = Date.UTC(2027, 0, 1);
const SECOND = Date.UTC(2027, 0, 2);
const text = (middle: string): string => `version: 1
inbound:
  rules:
    - allow 22/tcp
    ${middle}
    - allow 8000/tcp
outbound: { rules: [{ action: deny, port: 25, until: 2027-01-02T00:00Z, enabled: off }] }
guard: { rules: [deny from 10.0.0.0/8 until 2027-01-02T00:00Z] }
`;
const ruleset = good(text('- deny 8000/tcp until 2027-01-01T00:00Z'));
const packet: Packet = {
  family: 4,
  source: [0xcb007109],
  destination: [0xc0000201],
  protocol: 6,
  sourcePort: 40000,
  destinationPort: 8000,
  hopLimit: 64,
  fragment: 'none',
  tcpFlags: 2,
};

test('a rule matches until its end, and not from that moment on', () => {
  const verdictAt = (ms: number): string => evaluatePacket(rulesetAt(ruleset, ms), packet).verdict;
  expect([FIRST - 1, FIRST, FIRST + 1].map(verdictAt)).toEqual(['deny', 'allow', 'allow']);
  const compiledAt = (ms: number): string => compile(rulesetAt(ruleset, ms)).digest;
  expect(compiledAt(FIRST - 1)).toBe(compile(ruleset).digest);
  expect(compiledAt(FIRST)).toBe(compile(good(text('- { action: deny, port: 8000/tcp, enabled: off }'))).digest);
});

test('the next end is that of rules that are on, the guard’s too', () => {
  expect(nextEnd(ruleset)).toBe(FIRST);
  const later = rulesetAt(ruleset, FIRST);
  expect(nextEnd(later)).toBe(SECOND);
  expect(endedRules(later, SECOND).map(({ name }) => name)).toEqual(['guard/deny-from-10.0.0.0_8']);
  const last = rulesetAt(later, SECOND);
  expect([nextEnd(last), endedRules(last, SECOND)]).toEqual([null, []]);
  // Nothing to end, nothing copied.
  expect(rulesetAt(last, SECOND + 1)).toBe(last);
});

test('explain names the end of a row that was passed over', () => {
  const { steps } = explainByModel(rulesetAt(ruleset, FIRST), packet);
  expect(steps.map(({ mismatch, until }) => [mismatch, until])).toEqual([
    ['port', undefined],
    ['enabled', '2027-01-01T00:00:00.000Z'],
    [null, undefined],
  ]);
});

test('check says what has ended, and where nobody ends what will', () => {
  const check = (nowMs: number, daemon?: boolean | null): string[] =>
    checkRuleset('rules.yaml', text('- deny 8000/tcp until 2027-01-01T00:00Z'), {
      nowMs,
      ...(daemon !== undefined && { daemon }),
    })
      .diagnostics.filter(({ code }) => /end/.test(code))
      .map(({ severity, message }) => `${severity} ${message}`);
  expect(check(FIRST - 1)).toEqual([]);
  expect(check(FIRST - 1, true)).toEqual([]);
  expect(check(FIRST - 1, false)).toEqual([
    expect.stringMatching(
      /^warning inbound\/deny-8000_tcp "deny 8000\/tcp" is to end 2027-01-01T00:00Z \(and 1 more\), and no daemon runs/,
    ),
  ]);
  expect(check(FIRST - 1, null)).toEqual([expect.stringMatching(/^note .* cannot be seen without privilege$/)]);
  expect(check(FIRST, false)).toEqual([
    expect.stringMatching(/^warning rule 2 "deny 8000\/tcp" has ended \(until 2027-01-01T00:00Z\)/),
    expect.stringMatching(
      /^warning guard\/deny-from-10.0.0.0_8 "deny from 10.0.0.0\/8" is to end 2027-01-02T00:00Z, and no daemon/,
    ),
  ]);
  expect(check(SECOND, false).filter((line) => line.includes('is to end'))).toEqual([]);
  expect(lintEnded(ruleset, FIRST - 1)).toEqual([]);
  expect(lintNobodyEnds(rulesetAt(ruleset, SECOND), false)).toEqual([]);
});

test('a rule with an end shadows nothing for good, and is shadowed like any other', () => {
  const shadowed = (rows: string): string[] =>
    analyse(good(`version: 1\ninbound: { rules: [${rows}] }\n`))
      .filter(({ code }) => code === 'lint/shadowed')
      .map(({ message }) => message);
  expect(shadowed('deny 22/tcp until 2027-01-01, allow 22/tcp')).toEqual([]);
  expect(shadowed('allow 22/tcp, deny 22/tcp until 2027-01-01')).toEqual([expect.stringContaining('rule 2')]);
});

test('the plan shows an end that comes, changes and goes', () => {
  const plan = (from: string, to: string): string => {
    const [before, after] = [from, to].map((row) => good(`version: 1\ninbound: { rules: ["${row}"] }\n`));
    return renderPlan(planRuleset(before, after));
  };
  expect(plan('allow 22/tcp', 'allow 22/tcp until 2027-01-01T00:00Z')).toContain('(now until 2027-01-01T00:00Z)');
  expect(plan('allow 22/tcp until 2027-01-01T00:00Z', 'allow 22/tcp')).toContain('(now without end)');
  expect(plan('allow 22/tcp until 2027-01-01T00:00Z', 'allow 22/tcp until 2027-01-01T00:00Z')).toBe('no changes\n');
});
