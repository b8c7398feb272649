/** Random edits of random files do what the same edits do to a plain array of rows. */
import fc from 'fast-check';
import type { Rule, Ruleset } from '../../../src/model/ruleset';
import { addRule, deleteRule, type EditOutcome, insertRule, moveRule } from '../../../src/operate/edit-ruleset';
import { joinBundle } from '../../../src/parse/bundle';
import { parseRuleset } from '../../../src/parse/parse';

const FILE = '/nowhere/rules.yaml';
const SUBJECTS = [
  '22/tcp',
  '80',
  '8000:8080/tcp',
  'from 10.0.0.0/8',
  'from 192.0.2.1 to any port 443 proto tcp',
  '80,443/tcp',
  'from 2001:db8::/32',
];
const row = fc.tuple(fc.constantFrom('allow', 'deny'), fc.constantFrom(...SUBJECTS)).map((words) => words.join(' '));
const rows = fc.uniqueArray(row, { maxLength: 6, selector: (text) => text.slice(text.indexOf(' ') + 1) });
const noise = fc.constantFrom('', '', '# note\n', '\n', '# heading\n\n', '\n# a\n# b\n', '# it\'s - "odd": [\n');
const beside = fc.constantFrom('', '', '  # why', " # don't");

const quoted = (text: string): string => (text.includes(',') ? JSON.stringify(text) : text);
const indent = (text: string, by: string): string => text.replace(/^(?=.)/gm, by);

/** A file in one of the layouts, with comments around its rows. */
const file = fc
  .record({
    rows,
    noise: fc.array(noise, { minLength: 7, maxLength: 7 }),
    beside: fc.array(beside, { minLength: 6, maxLength: 6 }),
  })
  .chain((parts) =>
    fc
      .record({
        layout: fc.constantFrom('list', 'lines', 'numbered', 'flow', 'json', 'flow-lines'),
        server: fc.constantFrom(undefined, 'red'),
        ownFile: fc.boolean(),
      })
      .map((form) => ({ ...parts, ...form })),
  )
  .map(({ rows: list, noise: around, beside: sides, layout, server, ownFile }) => {
    const text = write(layout, list, around, sides);
    if (ownFile) return { rows: list, server, text: inFiles(text, server) };
    return { rows: list, server, text: server === undefined ? text : inServer(text) };
  });

/** The servers in files of their own; the section is that of one of them, or of the ruleset file. */
function inFiles(text: string, server: string | undefined): string {
  const [dir, blue] = ['servers.d', { path: 'servers.d/blue.yaml', text: 'address: 192.0.2.9 # no line end' }];
  const key = text.startsWith('{') ? '"servers": {"dir": "servers.d"}' : 'servers: { dir: servers.d }\n';
  if (server === undefined) {
    const main = text.startsWith('{') ? text.replace('{', `{ ${key}, `) : `${text}${key}`;
    return joinBundle({ main, dir, parts: [blue] });
  }
  const owned = { address: ['192.0.2.7', '2001:db8:f::7'], udp: 'on' };
  const red = text.startsWith('{')
    ? JSON.stringify({ ...owned, ...(JSON.parse(text) as { inbound: object }).inbound }, null, 2)
    : `# red\naddress: ${JSON.stringify(owned.address)}\nudp: on\n${text
        .split(/^inbound:\n|^(?=# end\n)/m)[1]
        .replace(/^ {2}/gm, '')}`;
  const path = `servers.d/red.${text.startsWith('{') ? 'json' : 'yml'}`;
  return joinBundle({
    main: `version: 1\n${text.startsWith('{') ? 'servers: { dir: servers.d }' : key}`,
    dir,
    parts: [blue, { path, text: red }],
  });
}

/** The same section as one of a server, beside others. */
function inServer(text: string): string {
  const owned = { address: ['192.0.2.7', '2001:db8:f::7'], udp: 'on' };
  if (text.startsWith('{')) {
    const { inbound, ...rest } = JSON.parse(text) as { inbound: object };
    return JSON.stringify(
      { ...rest, servers: { blue: { address: '192.0.2.9' }, red: { ...owned, ...inbound } } },
      null,
      2,
    );
  }
  const [head, section, tail] = text.split(/^inbound:\n|^(?=# end\n)/m);
  const before = `servers:\n  blue: { address: 192.0.2.9, rules: [allow 9/tcp] }\n  red:\n    address: ${JSON.stringify(owned.address)}\n    udp: on\n`;
  return `${head}${before}${indent(section, '  ')}  green: { address: 192.0.2.11 }\n${tail}`;
}

/** The rows that are edited. */
function rowsIn({ inbound, servers = [] }: Ruleset, server: string | undefined): readonly Rule[] {
  return (server === undefined ? inbound : servers.find(({ name }) => name === server)!).rules;
}

function write(layout: string, list: string[], around: string[], sides: string[]): string {
  const head = 'version: 1\n# the section\ninbound:\n  default: deny # yes\n';
  const tail = '  ssh: { port: 22, from: anyone }\n# end\nmode: auto\n';
  const lines = (write: (text: string, i: number) => string): string =>
    list.map((text, i) => around[i] + write(text, i) + sides[i] + '\n').join('');
  switch (layout) {
    case 'list':
      return list.length === 0
        ? `${head}  rules:\n${tail}`
        : `${head}  rules:\n${indent(
            lines((text) => `- ${text}`),
            '    ',
          )}${tail}`;
    case 'lines':
      return `${head}  rules: |\n${indent(
        lines((text) => text),
        '    ',
      )}${tail}`;
    case 'numbered':
      return `${head}  rules: |\n${indent(
        lines((text, i) => `${i + 1} ${text}`),
        '    ',
      )}${tail}`;
    case 'flow':
      return `${head}  rules: [${list.map(quoted).join(', ')}]\n${tail}`;
    case 'flow-lines':
      return `${head}  rules: [\n${indent(
        lines((text) => `${quoted(text)},`),
        '      ',
      )}    ]\n${tail}`;
    default:
      return JSON.stringify({ version: 1, inbound: { rules: list } }, null, list.length % 2 === 0 ? 2 : 0);
  }
}

type Edit =
  | { kind: 'add'; row: string }
  | { kind: 'insert'; row: string; at: number }
  | { kind: 'delete'; at: number }
  | { kind: 'move'; at: number; to: number };
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), row }),
  fc.record({ kind: fc.constant('insert' as const), row, at: fc.nat(20) }),
  fc.record({ kind: fc.constant('delete' as const), at: fc.nat(20) }),
  fc.record({ kind: fc.constant('move' as const), at: fc.nat(20), to: fc.nat(20) }),
);

const subject = (text: string): string => text.slice(text.indexOf(' ') + 1);

/** The same on a plain array. */
function expected(list: readonly string[], change: Edit): string[] {
  switch (change.kind) {
    case 'delete':
      return list.toSpliced(change.at % list.length, 1);
    case 'move': {
      const from = change.at % list.length;
      return list.toSpliced(from, 1).toSpliced(change.to % list.length, 0, list[from]);
    }
    default: {
      const same = list.findIndex((text) => subject(text) === subject(change.row));
      const at = change.kind === 'insert' ? change.at % (list.length + 1) : list.length;
      if (same < 0) return list.toSpliced(at, 0, change.row);
      if (list[same] === change.row) return [...list];
      const to = change.kind === 'insert' ? Math.min(at, list.length - 1) : same;
      return list.toSpliced(same, 1).toSpliced(to, 0, change.row);
    }
  }
}

function perform(text: string, count: number, change: Edit, server: string | undefined): EditOutcome {
  const document = { text, file: FILE };
  switch (change.kind) {
    case 'add':
      return addRule(document, change.row, server);
    case 'insert':
      return insertRule(document, (change.at % (count + 1)) + 1, change.row, server);
    case 'delete':
      return deleteRule(document, (change.at % count) + 1, server);
    case 'move':
      return moveRule(document, (change.at % count) + 1, { to: (change.to % count) + 1 }, server);
  }
}

const parsed = (text: string): Ruleset => {
  const { ruleset, diagnostics } = parseRuleset(text, { file: FILE });
  if (!ruleset) throw new Error(`${JSON.stringify(diagnostics)}\n${text}`);
  return ruleset;
};
const canonical = (list: readonly string[]): string[] =>
  parsed(JSON.stringify({ version: 1, inbound: { rules: list } })).inbound.rules.map((rule) => rule.text);

test('random edits of random files are the same edits of an array; ids of rows that stay, stay', () => {
  fc.assert(
    fc.property(file, fc.array(edit, { maxLength: 6 }), (start, edits) => {
      let { text, rows: list } = start;
      for (const change of edits) {
        if (list.length === 0 && (change.kind === 'delete' || change.kind === 'move')) continue;
        const before = parsed(text);
        const outcome = perform(text, list.length, change, start.server);
        if (outcome.kind === 'refused') throw new Error(`${JSON.stringify(outcome.diagnostics)}\n${text}`);
        text = outcome.text;
        list = expected(list, change);
        const after = parsed(text);
        expect(rowsIn(after, start.server).map((rule) => rule.text)).toEqual(canonical(list));
        // Counters follow ids: what was matched before under an id is matched under it still.
        for (const rule of rowsIn(after, start.server)) {
          const old = rowsIn(before, start.server).find((candidate) => subject(candidate.text) === subject(rule.text));
          if (old) expect(rule.id).toBe(old.id);
        }
      }
    }),
    { numRuns: 150 },
  );
});

test('comments are never lost but with the row they belong to', () => {
  fc.assert(
    fc.property(file, fc.array(edit, { maxLength: 4 }), (start, edits) => {
      let { text, rows: list } = start;
      const comments = (of: string): string[] =>
        of
          .split('\n')
          .flatMap((line) => /(?:^|\s)(#.*)$/.exec(line)?.[1].trim() ?? [])
          .sort();
      for (const change of edits) {
        if (list.length === 0 && (change.kind === 'delete' || change.kind === 'move')) continue;
        const outcome = perform(text, list.length, change, start.server);
        const removed = outcome.kind === 'changed' ? outcome.removedComments : [];
        expect([...comments(outcome.text), ...removed].sort()).toEqual(comments(text));
        text = outcome.text;
        list = expected(list, change);
      }
    }),
    { numRuns: 300 },
  );
});
