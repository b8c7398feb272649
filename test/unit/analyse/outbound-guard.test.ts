/** The lints of sections beside inbound: numbers as `status` has them, and remedies that fit the section. */
import { analyse } from '../../../src/analyse/analyse';
import { parseRuleset } from '../../../src/parse/parse';

/** Findings as `severity code: message → hint`, but for what is said about inbound. */
function findings(text: string): string[] {
  const inbound = 'inbound: { ssh: { port: 22, from: anyone }, rules: [allow 80/tcp, allow 443/tcp] }\n';
  const { ruleset, diagnostics } = parseRuleset(`version: 1\n${inbound}${text}\n`, { file: 'r.yaml' });
  if (!ruleset) throw new Error(JSON.stringify(diagnostics));
  return analyse(ruleset).map(({ severity, code, message, hint }) => `${severity} ${code}: ${message} → ${hint}`);
}

const outbound = (rows: string[], otherwise = 'allow'): string[] =>
  findings(`outbound: { default: ${otherwise}, rules: ${JSON.stringify(rows)} }`);
const guard = (rows: string[]): string[] => findings(`guard: { rules: ${JSON.stringify(rows)} }`);
const kept = (entry: string): string[] => findings(`guard: { keep-reachable: [${entry}] }`);

test('outbound: shadowed and redundant rows by the numbers that verbs take', () => {
  expect(outbound(['deny out 25', 'allow out 25/tcp'])).toEqual([
    expect.stringMatching(
      /^warning lint\/shadowed: rule 4 "allow out 25\/tcp" .* under rule 3.* → sluice move 4 before 3$/,
    ),
  ]);
  expect(outbound(['deny out 25', 'deny out 25/tcp'])).toEqual([
    expect.stringMatching(/^warning lint\/redundant: rule 4 .*: rule 3 above it .* → sluice delete 4$/),
  ]);
});

test('outbound: all of one family only, where the other gets another verdict', () => {
  expect(outbound(['deny out to 0.0.0.0/0 port 25'])).toEqual([
    expect.stringMatching(
      /^error lint\/ipv4-only-any: "0.0.0.0\/0" in rule 3 .* → write any: deny out to any port 25 /,
    ),
  ]);
  expect(outbound(['deny out to ::/0 port 25'])).toEqual([
    expect.stringMatching(/^note lint\/missing-twin: rule 3 "deny out to ::\/0 port 25" is for all of IPv6/),
  ]);
  expect(outbound(['deny out to 0.0.0.0/0 port 25'], 'deny')).toEqual([]);
  expect(outbound(['deny out to any port 25'])).toEqual([]);
});

test('outbound: a row that lets everything out above a default that would not', () => {
  expect(outbound(['allow out to any'], 'deny')).toEqual([
    expect.stringMatching(/^warning lint\/broad-allow: rule 3 "allow out from any" lets everything out/),
  ]);
  expect(outbound(['allow out to any'])).toEqual([]);
  expect(outbound(['allow out to any port 443', 'allow out to 192.0.2.0/24'], 'deny')).toEqual([]);
});

test('the guard: its rows have numbers of their own and no verbs', () => {
  expect(guard(['deny from 192.0.2.0/24', 'allow from 192.0.2.1'])).toEqual([
    expect.stringMatching(/^warning lint\/shadowed: guard row 2 .* under guard row 1.* → write it above guard row 1$/),
  ]);
  expect(guard(['deny from 192.0.2.0/24', 'deny from 192.0.2.1'])).toEqual([
    expect.stringMatching(/^warning lint\/redundant: guard row 2 .* → take guard row 2 out$/),
  ]);
  // Rows of one direction are no cover for those of the other.
  expect(guard(['deny from 192.0.2.0/24', 'deny out from 192.0.2.1'])).toEqual([]);
  expect(guard(['deny from 0.0.0.0/0 to any port 23'])).toEqual([
    expect.stringMatching(/^error lint\/ipv4-only-any: "0.0.0.0\/0" in guard row 1 /),
  ]);
});

test('the guard: what no row decides goes on, and a note says so', () => {
  const { ruleset } = parseRuleset('version: 1\nguard: { rules: ["deny from 0.0.0.0/0 to any port 23"] }\n', {
    file: 'r.yaml',
  });
  const [finding] = analyse(ruleset!).filter(({ code }) => code === 'lint/ipv4-only-any');
  expect(finding.notes[0].message).toMatch(/goes on to the sections$/);
});

test('keep-reachable for everybody', () => {
  expect(kept('{ to: 192.0.2.10 }')).toEqual([expect.stringMatching(/^warning lint\/broad-allow: keep-reachable "/)]);
  expect(kept('{ port: 22/tcp, from-port: 53 }')).toEqual([
    expect.stringMatching(/^warning lint\/source-port-trust: keep-reachable "/),
  ]);
  expect(kept('{ port: 22/tcp }')).toEqual([]);
  expect(kept('{ from: 192.0.2.1 }')).toEqual([]);
});
