import fc from 'fast-check';
import { diffLines, renderDiff } from '../../../src/operate/line-diff';

const lines = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 30 });

test('both texts can be read back from the difference', () => {
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      const diff = diffLines(`${before.join('\n')}\n`, `${after.join('\n')}\n`);
      const side = (without: string): string[] => diff.filter(({ kind }) => kind !== without).map(({ text }) => text);
      expect(side('added')).toEqual(before.length ? before : ['']);
      expect(side('removed')).toEqual(after.length ? after : ['']);
      const numbers = (key: 'oldLine' | 'newLine'): number[] => diff.map((line) => line[key]).filter((n) => n !== null);
      expect(numbers('oldLine')).toEqual(numbers('oldLine').map((_, i) => i + 1));
      expect(numbers('newLine')).toEqual(numbers('newLine').map((_, i) => i + 1));
    }),
  );
});

test('the difference is as short as that of a quadratic table', () => {
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      const table = [...Array(before.length + 1).keys()].map(() => Array<number>(after.length + 1).fill(0));
      before.forEach((line, i) =>
        after.forEach((other, j) => {
          table[i + 1][j + 1] = line === other ? table[i][j] + 1 : Math.max(table[i][j + 1], table[i + 1][j]);
        }),
      );
      const same = diffLines(before.map((l) => `${l}\n`).join(''), after.map((l) => `${l}\n`).join(''));
      expect(same.filter(({ kind }) => kind === 'same')).toHaveLength(table[before.length][after.length]);
    }),
  );
});

test('a changed line is shown with its surroundings', () => {
  const before = [...Array(20).keys()].map((i) => `line ${i + 1}`);
  const after = before.with(9, 'changed').toSpliced(18, 0, 'new');
  expect(renderDiff(diffLines(before.join('\n'), after.join('\n')), 1)).toBe(
    '@@ -9,3 +9,3 @@\n  line 9\n- line 10\n+ changed\n  line 11\n@@ -18,2 +18,3 @@\n  line 18\n+ new\n  line 19\n',
  );
});

test('line ends do not count', () => {
  const diff = diffLines('a\r\nb\r\n', 'a\nb');
  expect(diff.every(({ kind }) => kind === 'same')).toBe(true);
  expect(renderDiff(diff)).toBe('');
});

test('two large unrelated texts are answered in bounded time', () => {
  const text = (name: string): string => [...Array(50_000).keys()].map((i) => `${name} ${i}`).join('\n');
  expect(diffLines(text('a'), text('b'))).toHaveLength(100_000);
});
