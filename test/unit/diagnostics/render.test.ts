import type { Diagnostic } from '../../../src/diagnostics/diagnostic';
import { diagnosticsToJson } from '../../../src/diagnostics/json';
import { renderDiagnostics, type RenderOptions } from '../../../src/diagnostics/render';

const FILE = 'rules.yaml';
const TEXT = ['version: 1', 'inbound:', '  rules:', '    - deny 14141', '    - allow from 78.168.0.0/16', ''].join(
  '\n',
);

/** A finding at the first place where `place` stands in `text`. */
function finding(place: string, more: Partial<Diagnostic> = {}, text = TEXT): Diagnostic {
  const offset = text.indexOf(place);
  const before = text.slice(0, offset).split('\n');
  const source = {
    file: FILE,
    line: before.length,
    column: before[before.length - 1].length + 1,
    offset,
    length: place.length,
  };
  return { code: 'lint/test', severity: 'error', message: 'told you', source, notes: [], ...more };
}
const render = (list: readonly Diagnostic[], more: Partial<RenderOptions> & { text?: string } = {}): string =>
  renderDiagnostics(list, { readSource: (file) => (file === FILE ? (more.text ?? TEXT) : undefined), ...more });

test('a frame with the lines around, the hint, and the note at the other rule', () => {
  const shadowed = finding('allow from 78.168.0.0/16', {
    severity: 'warning',
    code: 'lint/shadowed',
    message: 'rule 2 is never reached',
    notes: [{ message: 'rule 1 decides differently', source: finding('deny 14141').source }, { message: 'and 3 more' }],
    hint: 'sluice move 2 before 1',
  });
  expect(render([shadowed], { closing: 'nothing was changed.' })).toBe(
    `warning lint/shadowed: rule 2 is never reached
  rules.yaml:5:7
    4 |     - deny 14141
  > 5 |     - allow from 78.168.0.0/16
      |       ^^^^^^^^^^^^^^^^^^^^^^^^
  hint: sluice move 2 before 1
  note: rule 1 decides differently
  rules.yaml:4:7
  > 4 |     - deny 14141
      |       ^^^^^^^^^^
  note: and 3 more

1 warning. nothing was changed.
`,
  );
});

test('no findings, no text', () => {
  expect(render([])).toBe('');
});

test('errors come first, then the order of the file; the count tells all kinds', () => {
  const list = [
    finding('deny 14141', { severity: 'note', message: 'n' }),
    finding('allow from', { message: 'late' }),
    finding('version', { severity: 'warning', message: 'w' }),
    finding('inbound', { message: 'early' }),
  ];
  const text = render(list);
  expect(text.match(/^(error|warning|note) .*$/gm)).toEqual([
    'error lint/test: early',
    'error lint/test: late',
    'warning lint/test: w',
    'note lint/test: n',
  ]);
  expect(text.trimEnd().split('\n').pop()).toBe('2 errors, 1 warning, 1 note.');
});

test('20 are shown, the rest is counted', () => {
  const text = render(Array.from({ length: 23 }, () => finding('deny')));
  expect(text.match(/^error/gm)).toHaveLength(20);
  expect(text).toContain('\nand 3 more findings that are not shown\n');
  expect(text).toContain('\n23 errors.');
  expect(render([finding('deny'), finding('deny')], { limit: 1 })).toContain('and 1 more finding that is not shown');
});

test('line numbers share one width', () => {
  const text = Array.from({ length: 12 }, (_, i) => `line ${i + 1}`).join('\n');
  const shown = render([finding('line 9', {}, text)], { text });
  expect(shown).toContain('     8 | line 8\n  >  9 | line 9\n       | ^^^^^^\n    10 | line 10\n');
});

test('a hint of several lines can be pasted, and stays inside its finding', () => {
  expect(render([finding('deny', { hint: 'write\nrules: |\n  deny 22\u001b' })])).toContain(
    '  hint: write\n    rules: |\n      deny 22\\x1b\n',
  );
});

describe('what a user wrote cannot act on the terminal', () => {
  const evil = '\u001b[31mred\u0007 \u202eright \u200bzero \u009b2J \ud800';

  test('in messages, hints, notes and file names', () => {
    const source = { file: 'a\u001b[2Jb\nc', line: 1, column: 1, offset: 0, length: 1 };
    const text = render([finding('deny', { message: evil, hint: evil, notes: [{ message: evil, source }] })]);
    // eslint-disable-next-line no-control-regex
    expect(text.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b\u202e\ud800-\udfff]/);
    expect(text).toContain('\\x1b[31mred\\x07 \\u202eright \\u200bzero \\x9b2J \\ud800');
    expect(text).toContain('a\\x1b[2Jb\\x0ac:1:1');
  });

  test('in the source line, and the caret moves along', () => {
    const text = `- \u001b[31m deny here`;
    expect(render([finding('deny', {}, text)], { text })).toContain(
      '> 1 | - \\x1b[31m deny here\n      |            ^^^^\n',
    );
  });
});

describe('the caret stands under its word', () => {
  /** The characters above the carets, given that each is one column wide. */
  const under = (text: string, place: string): string => {
    const lines = render([finding(place, {}, text)], { text }).split('\n');
    const at = lines.findIndex((line) => line.includes('^'));
    const carets = lines[at];
    return lines[at - 1].slice(carets.indexOf('^'), carets.lastIndexOf('^') + 1);
  };

  test('behind tabs', () => {
    expect(under('\ta\tdeny', 'deny')).toBe('deny');
  });

  test('behind wide and combining characters', () => {
    const carets = (text: string): number =>
      render([finding('deny', {}, text)], { text })
        .split('\n')[3]
        .indexOf('^');
    expect(carets('漢字 deny') - carets('ab deny')).toBe(2);
    expect(carets('e\u0301 deny')).toBe(carets('e deny'));
    expect(carets('😀 deny')).toBe(carets('ab deny'));
  });

  test('in a line too long to show', () => {
    const text = `${'x'.repeat(100_000)} deny ${'y'.repeat(100_000)}`;
    expect(under(text, 'deny')).toBe('deny');
    expect(render([finding('deny', {}, text)], { text }).length).toBeLessThan(400);
  });

  test('at the end of a line, over several lines, and behind the end', () => {
    expect(under('deny 22\nallow 23', '22\nallow')).toBe('22');
    const beyond = finding('deny');
    const text = render([{ ...beyond, source: { ...beyond.source, column: 500 } }]);
    expect(text).toContain('- deny 14141\n      |                 ^\n');
  });
});

test('a file that cannot be read, or a line that it no longer has, leaves the place', () => {
  const away = finding('deny');
  expect(render([{ ...away, source: { ...away.source, file: 'other.yaml' } }])).toContain('  other.yaml:4:7\n\n');
  expect(render([{ ...away, source: { ...away.source, line: 99 } }])).toContain('  rules.yaml:99:7\n\n');
  expect(render([{ ...away, source: { ...away.source, file: '' } }])).toBe('error lint/test: told you\n\n1 error.\n');
});

test('colour is added to the words, never in their place', () => {
  const list = [finding('deny'), finding('allow', { severity: 'warning', notes: [{ message: 'n' }], hint: 'h' })];
  const colored = render(list, { color: true });
  expect(colored).toContain('\u001b[');
  // eslint-disable-next-line no-control-regex
  expect(colored.replaceAll(/\u001b\[\d+m/g, '')).toBe(render(list));
});

test('as JSON: places with the first column behind, text unchanged', () => {
  const source = finding('deny 14141').source;
  expect(
    diagnosticsToJson([
      finding('allow', { message: 'a\u001b', hint: 'h', notes: [{ message: 'n', source }, { message: 'm' }] }),
      finding('inbound'),
    ]),
  ).toEqual([
    {
      code: 'lint/test',
      severity: 'error',
      message: 'a\u001b',
      file: FILE,
      line: 5,
      column: 7,
      endColumn: 12,
      hint: 'h',
      notes: [{ message: 'n', file: FILE, line: 4, column: 7, endColumn: 17 }, { message: 'm' }],
    },
    {
      code: 'lint/test',
      severity: 'error',
      message: 'told you',
      file: FILE,
      line: 2,
      column: 1,
      endColumn: 8,
      hint: null,
      notes: [],
    },
  ]);
});
