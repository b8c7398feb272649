/** `until` in rows and rule objects, and the form in which moments are written. */
import { formatMoment, parseMoment } from '../../../src/parse/time';
import { findings, good, inbound, parse } from './support';

const END = Date.UTC(2027, 0, 31, 18);

test.each([
  ['- allow 22/tcp until 2027-01-31T18:00Z'],
  ["- allow log 22/tcp until 2027-01-31T19:00+01:00 id door comment 'until when?'"],
  ['- "allow from 10.0.0.0/8 to any port 22 proto tcp until \'2027-01-31 18:00Z\'"'],
  ['- 1 Allow 10.0.0.0/8 Port 22 until 2027-01-31T18:00Z'],
  ['- { action: allow, port: 22, until: 2027-01-31T18:00Z }'],
  ['- { action: allow, port: 22, until: "2027-01-31 18:00Z" }'],
])('%s', (row) => {
  const [rule] = good(inbound(`    ${row}\n`)).inbound.rules;
  expect(rule.untilMs).toBe(END);
  // The end is no part of what the rule is: its text and derived id stay the same.
  expect(rule.text).not.toContain('until');
});

test('rows of the guard and of what goes out have ends too', () => {
  const { guard, outbound } = good(
    'version: 1\nguard: { rules: [deny 25 until 2027-01-31T18:00Z] }\noutbound: { rules: [deny out 25 until 2027-01-31T18:00Z] }\n',
  );
  expect([guard.rules[0].untilMs, outbound.rules[0].untilMs]).toEqual([END, END]);
});

test.each([
  ['- allow 22/tcp until', 'error parse/row 4:20+5', 'behind "until" something is missing'],
  ['- allow 22/tcp until soon', 'error parse/time 4:26+4', '"soon" is not a date or a time of one'],
  ['- allow 22/tcp until 2027-02-30', 'error parse/time 4:26+10', 'there is no "2027-02-30"'],
  ['- allow 22/tcp until 2027-01-01 until 2028-01-01', 'error parse/row 4:37+5', '"until" is there twice'],
  ['- { action: allow, until: tomorrow }', 'error parse/time 4:31+8', '"tomorrow" is not a date or a time of one'],
  ['- { action: allow, until: [2027-01-01] }', 'error parse/wrong-type 4:31+1', '"until" is a list, expected a moment'],
])('%s is refused in its place', (row, place, message) => {
  const text = inbound(`    ${row}\n`);
  expect(findings(text)).toEqual([place]);
  expect(parse(text).diagnostics[0].message).toContain(message);
});

test('what is kept reachable has no end', () => {
  const [row, map] = ['allow from 192.0.2.1 until 2027-01-01', '{ from: 192.0.2.1, until: 2027-01-01 }'].map((entry) =>
    parse(`version: 1\nguard: { keep-reachable: [${entry}] }\n`).diagnostics.map(({ code }) => code),
  );
  expect([row, map]).toEqual([['parse/time'], ['parse/unknown-key']]);
});

test.each([Date.UTC(2027, 0, 31, 18), Date.UTC(2027, 6, 1, 0, 0, 7), Date.UTC(2026, 9, 25, 0, 30)])(
  'a moment is written so that it reads back wherever it is read',
  (ms) => {
    const text = formatMoment(ms);
    expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/);
    expect(parseMoment(text)).toEqual({ kind: 'time', ms });
    expect(parseMoment(formatMoment(ms - 400))).toEqual({ kind: 'time', ms });
  },
);
