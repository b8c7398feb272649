/** `fmt`: the canonical form of rows, and all that stays as it was. */
import { formatRuleset } from '../../../src/operate/edit-ruleset';
import { parseRuleset } from '../../../src/parse/parse';
import { type Rule, writtenSections } from '../../../src/model/ruleset';

const FILE = '/nowhere/rules.yaml';
const format = (text: string): string => {
  const outcome = formatRuleset({ text, file: FILE });
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.diagnostics));
  return outcome.text;
};
const meaning = (text: string): Partial<Rule>[] => {
  const sections = writtenSections(parseRuleset(text, { file: FILE }).ruleset!);
  return sections
    .flatMap(({ rules }) => rules)
    .map(({ id, match, action, log, limit, note, untilMs }) => ({
      ...{ id, match, action, log, limit, note, untilMs },
    }));
};

const MESSY = `# top
version: 1
sets: { office: [203.0.113.0/24] }
services: { metrics: 9100/tcp }
guard:
  keep-reachable: [ "Allow from 192.0.2.77/24 to any port 22/TCP id admin" ]   # us
  rules:
    - Deny from 198.51.100.1/24   # them
    - deny OUT log 25/TCP comment 'no mail'
    - { action: deny, port: 23 }
inbound:   # the door
  rules:
    # copied
    - 1 Deny 0.0.0.0/0 Port 14141   # beside
    - 2 ALLOW  IN log 8000:8080/TCP comment 'a  b'

    - 3 Allow from 10.0.0.1/8 to any port 80 id web until 2027-01-01
    - 4 allow ssh
    - 5 allow from office to any port metrics
    - 6 limit 22/tcp 6/30s
    - 7 allow from 2001:DB8:0:0::BEEF/64 to any port 22 proto tcp
outbound:
  rules: [ "Deny Out 25", { action: deny, port: 26 } ]
`;

test('rows are rewritten, names and everything around them stay', () => {
  expect(format(MESSY)).toBe(`# top
version: 1
sets: { office: [203.0.113.0/24] }
services: { metrics: 9100/tcp }
guard:
  keep-reachable: [ allow from 192.0.2.0/24 to any port 22 proto tcp id admin ]   # us
  rules:
    - deny from 198.51.100.0/24   # them
    - deny out log 25/tcp comment 'no mail'
    - { action: deny, port: 23 }
inbound:   # the door
  rules:
    # copied
    - 1 deny 14141   # beside
    - 2 allow log 8000:8080/tcp comment 'a  b'

    - 3 allow from 10.0.0.0/8 to any port 80 until 2027-01-01 id web
    - 4 allow ssh
    - 5 allow from office to any port metrics
    - 6 limit 22/tcp
    - 7 allow from 2001:db8::/64 to any port 22 proto tcp
outbound:
  rules: [ deny out 25, { action: deny, port: 26 } ]
`);
  expect(meaning(format(MESSY))).toEqual(meaning(MESSY));
});

test('what is canonical is left alone, and formatting twice is formatting once', () => {
  const once = format(MESSY);
  expect(formatRuleset({ text: once, file: FILE })).toMatchObject({ kind: 'unchanged', text: once });
});

test.each([
  [
    'a block of lines',
    'version: 1\ninbound:\n  rules: |\n    1 Deny 0.0.0.0/0 Port 1  # a\n    2 Allow 10.0.0.0/8 Port 2\n',
    ['1 deny 1  # a', '2 allow from 10.0.0.0/8 to any port 2'],
  ],
  ['JSON', '{"version":1,"inbound":{"rules":["Deny 0.0.0.0/0 Port 1"]}}', ['"deny 1"']],
  [
    'IPv4 alone stays IPv4',
    'version: 1\ninbound: { default: deny, rules: [Allow from 0.0.0.0/0 to any port 1] }\n',
    ['allow from 0.0.0.0/0 to any port 1'],
  ],
])('%s', (_, text, rows) => {
  const formatted = format(text);
  for (const row of rows) expect(formatted).toContain(row);
  expect(meaning(formatted)).toEqual(meaning(text));
});

test('a text with errors is not formatted', () => {
  expect(formatRuleset({ text: 'version: 1\ninbound: { rules: [allow 99999] }\n', file: FILE }).kind).toBe('refused');
});
