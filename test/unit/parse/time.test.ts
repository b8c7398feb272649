import { parseDuration, parseMoment, parseSince } from '../../../src/parse/time';

const ms = (reading: ReturnType<typeof parseDuration>): number | string =>
  reading.kind === 'time' ? reading.ms : reading.problem.message;

test.each([
  ['1s', 1000],
  ['90s', 90_000],
  ['30m', 1_800_000],
  ['1h30m', 5_400_000],
  ['1H', 3_600_000],
  ['7d', 604_800_000],
  ['2w', 1_209_600_000],
])('%s is a length of time', (text, expected) => {
  expect(ms(parseDuration(text))).toBe(expected);
});

test.each([
  ['', /is not a length of time/],
  ['5', /is not a length of time/],
  ['h', /is not a length of time/],
  ['-1h', /is not a length of time/],
  ['1.5h', /is not a length of time/],
  ['1y', /there is no unit "y"/],
  ['0s', /no time at all/],
  ['1h0constructor', /is not a length of time/],
  ['200000w', /longer than a century/],
  [`${'9'.repeat(400)}d`, /longer than a century/],
])('"%s" is none', (text, expected) => {
  expect(ms(parseDuration(text))).toMatch(expected);
});

test.each([
  ['2027-01-31T18:00Z', Date.UTC(2027, 0, 31, 18)],
  ['2027-01-31T18:00:05Z', Date.UTC(2027, 0, 31, 18, 0, 5)],
  ['2027-01-31 18:00z', Date.UTC(2027, 0, 31, 18)],
  ['2027-01-31T18:00+02:00', Date.UTC(2027, 0, 31, 16)],
  ['2027-01-31T18:00-0530', Date.UTC(2027, 0, 31, 23, 30)],
  ['2028-02-29', new Date(2028, 1, 29).getTime()],
  ['2027-01-31T18:00', new Date(2027, 0, 31, 18).getTime()],
])('%s is a moment', (text, expected) => {
  expect(ms(parseMoment(text))).toBe(expected);
});

test.each([
  '',
  'tomorrow',
  '2027',
  '2027-02-29',
  '2027-13-01',
  '2027-01-31T24:00',
  '1969-01-01',
  '2027-01-31T18',
  '31.1.2027',
])('"%s" is none', (text) => {
  expect(parseMoment(text)).toMatchObject({ kind: 'refused', problem: { code: 'parse/time' } });
});

const NOW = new Date(2027, 0, 31, 14, 30).getTime();

test.each([
  ['10m', NOW - 600_000],
  ['1h30m', NOW - 5_400_000],
  ['14:05', new Date(2027, 0, 31, 14, 5).getTime()],
  ['9:05:30', new Date(2027, 0, 31, 9, 5, 30).getTime()],
  ['14:30', NOW],
  // The last one there was: yesterday's.
  ['14:31', new Date(2027, 0, 30, 14, 31).getTime()],
  ['2027-01-31', new Date(2027, 0, 31).getTime()],
  ['2027-01-31T13:00Z', Date.UTC(2027, 0, 31, 13)],
  // As a line of the log begins.
  ['2027-01-31T13:00:52.400Z', Date.UTC(2027, 0, 31, 13, 0, 52)],
])('since %s', (text, expected) => {
  expect(ms(parseSince(text, NOW))).toBe(expected);
});

// Date.parse takes the first three for days of October 2001.
test.each(['10', '10 m', '10.2001', '', '24:00', '14:60', 'yesterday', '2027-02-29', '-10m', '14:05.5'])(
  'since "%s" is refused, with examples',
  (text) => {
    expect(parseSince(text, NOW)).toMatchObject({
      kind: 'refused',
      problem: { hint: expect.stringMatching(/10m or 2h .*14:05 .*2027-01-31T14:05/) as string },
    });
  },
);
