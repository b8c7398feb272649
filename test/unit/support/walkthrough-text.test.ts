import {
  type Bindings,
  matchOutput,
  parseWalkthrough,
  renderDifference,
  rewriteSteps,
  type Step,
  updatedLines,
} from '../../support/walkthrough-text';

const TEXT = `# A walk-through

Prose is for readers.

\`\`\`yaml title=rules.yaml
version: 1
\`\`\`

\`\`\`console
edge$ sluice check
one finding

[exit 3]  # refused

home$ printf 'a
> b'
a
b
$ true
\`\`\`
`;

describe('the text of a walk-through', () => {
  test('files and steps in order', () => {
    const parts = parseWalkthrough(TEXT);
    expect(parts.map((part) => (part.kind === 'file' ? [part.title, part.text] : [part.host, part.command]))).toEqual([
      ['rules.yaml', 'version: 1\n'],
      ['edge', 'sluice check'],
      ['home', "printf 'a\nb'"],
      ['edge', 'true'],
    ]);
    expect((parts[1] as Step).expected).toEqual(['one finding', '', '[exit 3]  # refused']);
    expect((parts[1] as Step).line).toBe(10);
    expect((parts[3] as Step).expected).toEqual([]);
  });

  test('rewriting replaces the expected lines of a step only', () => {
    const steps = parseWalkthrough(TEXT).filter((part) => part.kind === 'step');
    const changed = rewriteSteps(TEXT, [
      { step: steps[0], lines: ['fine'] },
      { step: steps[2], lines: ['x', 'y'] },
    ]);
    expect(changed).toContain('edge$ sluice check\nfine\n\nhome$');
    expect(changed).toContain('a\nb\n$ true\nx\ny\n```\n');
    expect(rewriteSteps(TEXT, [{ step: steps[0], lines: steps[0].expected }])).toBe(TEXT);
  });

  test('form errors name their line', () => {
    expect(() => parseWalkthrough('\n```console\nwhat\n```')).toThrow('line 3: a console block begins with a prompt');
    expect(() => parseWalkthrough('```console\n$ x')).toThrow('line 1: the block is never closed');
  });
});

describe('expected output', () => {
  const holds = (expected: string[], actual: string[], bindings: Bindings = new Map()): boolean =>
    matchOutput(expected, actual, bindings) !== null;

  test.each([
    ['equal text', ['a', 'b'], ['a', 'b'], true],
    ['a missing line', ['a', 'b'], ['a'], false],
    ['a line too many', ['a'], ['a', 'b'], false],
    ['nothing and something', [], ['a'], false],
    ['characters of patterns are themselves', ['a.c (x) [y]'], ['abc (x) [y]'], false],
    ['a number', ['{{n:5}} hits'], ['1234 hits'], true],
    ['no number', ['{{n:5}} hits'], ['many hits'], false],
    ['hex', ['id {{hex:beef}}'], ['id 0a1f'], true],
    ['a word', ['in {{word}} now'], ['in /tmp/x now'], true],
    ['time', ['{{time:3 ms}}, {{time:2026-01-01T10:00:00Z}}'], ['1.25 s, 2027-12-31T23:59:59.1Z'], true],
    ['not a time', ['{{time:3 ms}}'], ['soon'], false],
    ['any text', ['a {{text}}'], ['a b c'], true],
    ['columns that move with a mask', ['{{n:5}}      allow'], ['12345  allow'], true],
    ['columns without a mask do not', ['5      allow'], ['5  allow'], false],
    ['any lines between', ['a', '...', 'd'], ['a', 'b', 'c', 'd'], true],
    ['no lines between', ['a', '...', 'd'], ['a', 'd'], true],
    ['lines behind an ellipsis still count', ['...', 'd'], ['a', 'd', 'e'], false],
    ['a remark behind the exit status', ['[exit 3]  # refused'], ['[exit 3]'], true],
    ['another exit status', ['[exit 3]  # refused'], ['[exit 4]'], false],
  ])('%s', (_, expected, actual, result) => expect(holds(expected, actual)).toBe(result));

  test('a name stands for one text throughout', () => {
    const bindings: Bindings = new Map();
    expect(holds(['{{n:1@hits}} packets'], ['17 packets'], bindings)).toBe(true);
    expect(holds(['hits {{n:1@hits}}'], ['hits 17'], bindings)).toBe(true);
    expect(holds(['hits {{n:1@hits}}'], ['hits 18'], bindings)).toBe(false);
    expect(holds(['{{n@a}} {{n@a}}'], ['1 2'])).toBe(false);
  });

  test('a difference shows what was expected and what was found', () => {
    const text = renderDifference(['a', 'b {{n:1}}', 'c'], ['a', 'new', 'b 7', 'd'], new Map());
    expect(text.split('\n')).toEqual(['    a', '  + new', '    b 7', '  - c', '  + d']);
  });

  test('an update keeps the masks of lines that hold', () => {
    expect(updatedLines(['a', 'b {{n:1}}', 'c'], ['new', 'b 7', 'c'], new Map())).toEqual(['new', 'b {{n:1}}', 'c']);
    expect(updatedLines(['a', '...'], ['a', 'b'], new Map())).toEqual(['a', '...']);
  });
});
