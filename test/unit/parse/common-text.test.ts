/** What two long texts have in common is the same whether an edit has told of it or not. */
import { commonEnd, commonStart, spliced } from '../../../src/parse/common-text';

const LINES = Array.from({ length: 20_000 }, (_, i) => `  - allow ${1 + (i % 7)}/tcp\n`).join('');

function byCharacter(one: string, other: string): { start: number; end: number } {
  const most = Math.min(one.length, other.length);
  let [start, end] = [0, 0];
  while (start < most && one[start] === other[start]) start++;
  while (end < most - start && one.at(-1 - end) === other.at(-1 - end)) end++;
  return { start, end };
}

function common(one: string, other: string): { start: number; end: number } {
  const most = Math.min(one.length, other.length);
  const start = commonStart(one, other, most);
  return { start, end: commonEnd(one, other, most - start) };
}

const at = LINES.indexOf('\n', 150_000) + 1;

test.each([
  ['a line put in that is there already', at, at, '  - allow 3/tcp\n'],
  ['a line taken out among its like', at, LINES.indexOf('\n', at) + 1, ''],
  ['the same put in place of the same', at, at + 5, LINES.slice(at, at + 5)],
  ['at the beginning', 0, 3, '#'],
  ['at the end', LINES.length, LINES.length, '# end\n'],
  ['all of it', 0, LINES.length, LINES.slice(1)],
] as const)('%s', (_, start, end, by) => {
  const after = spliced(LINES, start, end, by);
  expect(after).toBe(LINES.slice(0, start) + by + LINES.slice(end));
  expect(common(LINES, after)).toEqual(byCharacter(LINES, after));
  expect(common(after, LINES)).toEqual(byCharacter(after, LINES));
});

test('of an edit nothing is known about other texts, nor about parts of these', () => {
  const after = spliced(LINES, at, at, 'x');
  const other = `y${after.slice(1)}`;
  expect(common(LINES, other)).toEqual(byCharacter(LINES, other));
  expect(commonStart(LINES, after, 10)).toBe(10);
  expect(commonEnd(after, LINES, 10)).toBe(10);
  const again = spliced(after, 7, 8, 'z');
  expect(common(LINES, again)).toEqual(byCharacter(LINES, again));
});
