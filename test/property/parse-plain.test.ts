/** What the quick reader of plain documents takes, it reads as the YAML library does, with every place; the rest it leaves. */
import fc from 'fast-check';
import type { DocumentNode } from '../../src/parse/document-node';
import { readAnyDocument } from '../../src/parse/yaml-document';
import { SourceFile } from '../../src/parse/locate';
import { readPlainDocument } from '../../src/parse/plain-document';

/** With all that is made only when somebody looks. */
function whole(node: DocumentNode): unknown {
  const { kind, start, end } = node;
  if (node.kind === 'list') return { kind, start, end, items: node.items.map(whole) };
  if (node.kind !== 'map') return node;
  return { kind, start, end, entries: node.entries.map(({ key, value }) => ({ key, value: whole(value) })) };
}

/** Compares the two; whether the quick one took the text. */
function compareReaders(text: string): boolean {
  const file = new SourceFile('rules.yaml', text);
  const quick = readPlainDocument(file);
  if (!quick) return false;
  const findings: unknown[] = [];
  const slow = readAnyDocument(file, (finding) => findings.push(finding));
  expect({ text, findings, node: slow && whole(slow) }).toEqual({ text, findings: [], node: whole(quick) });
  return true;
}

const blank = fc.constantFrom('', ' ', '  ');
const comment = fc.constantFrom('', '', '', ' # a comment', '  # b: c', ' #');
/** Mostly what is common, so that documents often have nothing else. */
const mostly = (common: readonly string[], odd: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof({ weight: 15, arbitrary: fc.constantFrom(...common) }, { weight: 1, arbitrary: fc.constantFrom(...odd) });
const word = mostly(
  [
    'allow from 192.0.2.0/24 to any port 22,80',
    'deny to any port 8000:8080 proto tcp',
    '2001:db8::/32',
    'true',
    'a:b',
    'a#b',
  ],
  [
    '1 Deny 0.0.0.0/0 Port 14141',
    '2001:db8::',
    '~',
    'null',
    'a {b}',
    'it\'s "so"',
    '- x',
    '-1',
    'über',
    'a: b',
    'x #y',
  ],
);
const key = mostly(
  ['rules', 'default', 'from', 'a.b', 'gpu-17', '1', 'id', 'to', 'note', 'port'],
  ['deny', 'x y', '"q"', 'ff:', '__proto__'],
);
const quoted = mostly(['"a b"', "'c # d'", '"e: f"', '""'], ["'g''h'", '"i\\n"', "'x' y", '"unclosed']);
const scalar = fc.oneof({ weight: 4, arbitrary: word }, { weight: 2, arbitrary: quoted });

const flow = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc
      .tuple(blank, fc.array(fc.tuple(tie('value'), blank), { maxLength: 3 }), fc.constantFrom('', ','))
      .map(([gap, items, tail]) => `[${gap}${items.map(([item, space]) => item + space).join(`,${gap}`)}${tail}]`),
    fc
      .tuple(blank, fc.array(fc.tuple(key, tie('value'), blank), { maxLength: 3 }))
      .map(
        ([gap, entries]) => `{${gap}${entries.map(([name, value, space]) => `${name}: ${value}${space}`).join(', ')}}`,
      ),
  ),
})).value;

const between = fc.constantFrom('', '', '', '\n', '# note\n', '      # deep\n', '   \n');

/** Lines of a block, without indentation. */
const block = fc.letrec<{ map: string[]; list: string[]; value: string[] }>((tie) => ({
  map: fc
    .array(fc.tuple(key, tie('value'), between), { minLength: 1, maxLength: 4 })
    .map((entries) =>
      entries.flatMap(([name, [first, ...rest], gap]) => [
        ...(gap === '' ? [] : [gap.trimEnd()]),
        `${name}:${first}`,
        ...rest,
      ]),
    ),
  list: fc
    .array(
      fc.oneof(
        fc.tuple(flow, comment).map(([item, note]) => [`- ${item}${note}`]),
        tie('map').map(asItem),
      ),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    .map((items) => items.flat()),
  value: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(blank, flow, comment).map(([gap, value, note]) => [` ${gap}${value}${note}`]),
    fc.tuple(comment, fc.constantFrom(1, 2, 4), tie('map')).map(([note, by, lines]) => [note, ...indented(lines, by)]),
    fc.tuple(comment, fc.constantFrom(0, 2, 3), tie('list')).map(([note, by, lines]) => [note, ...indented(lines, by)]),
    fc
      .array(fc.oneof(word, fc.constantFrom('', '# c', '  deeper')), { minLength: 1, maxLength: 4 })
      .map((lines) => [' |', ...indented(lines, 2)]),
    fc.constant<string[]>(['']),
  ),
}));

function asItem([first, ...rest]: string[]): string[] {
  return [`- ${first}`, ...indented(rest, 2)];
}

function indented(lines: readonly string[], by: number): string[] {
  return lines.map((line) => (line === '' ? '' : ' '.repeat(by) + line));
}

const document = fc
  .tuple(block.map, fc.constantFrom('', '\n', '\n\n', '\n# end', '\n  # end\n'))
  .map(([lines, end]) => lines.join('\n') + end);

test('documents like rulesets, and what is nearly one', () => {
  let taken = 0;
  fc.assert(
    fc.property(document, (text) => {
      if (compareReaders(text)) taken++;
    }),
    { numRuns: 4000 },
  );
  expect(taken).toBeGreaterThan(150);
});

test('any change to a document', () => {
  const pieces = [
    ':',
    ': ',
    '- ',
    '#',
    ' #',
    '\n',
    '  ',
    '{',
    '}',
    '[',
    ']',
    ',',
    '"',
    "'",
    '|',
    '>',
    '&a',
    '*a',
    '!t',
    '?',
    '---',
    '%',
    '\t',
    '\r',
  ];
  fc.assert(
    fc.property(
      document,
      fc.array(
        fc.tuple(
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.integer({ min: 0, max: 3 }),
          fc.constantFrom('', ...pieces),
        ),
        {
          minLength: 1,
          maxLength: 3,
        },
      ),
      (text, changes) => {
        for (const [place, length, piece] of changes) {
          const at = Math.floor(place * text.length);
          text = text.slice(0, at) + piece + text.slice(at + length);
        }
        compareReaders(text);
      },
    ),
    { numRuns: 4000 },
  );
});

test.each([
  ['an anchor', 'a: &x 1\nb: *x\n'],
  ['a tag', 'a: !!str 1\n'],
  ['a folded block', 'a: >\n  b\n'],
  ['a text over two lines', 'a: b\n  c\n'],
  ['a list over two lines', 'a: [b,\n  c]\n'],
  ['an empty value', 'a:\nb: c\n'],
  ['a key twice', 'a: 1\na: 2\n'],
  ['a key twice in a line', 'a: { b: 1, bc: 2, b: 3 }\n'],
  ['a tab', 'a:\tb\n'],
  ['a second document', 'a: 1\n---\nb: 2\n'],
  ['a list at the root', '- a\n'],
  ['nothing', ''],
])('left to the library: %s', (_name, text) => {
  expect(readPlainDocument(new SourceFile('rules.yaml', text))).toBeNull();
});
