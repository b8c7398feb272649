/** A verb about one server, made in an excerpt of the text, does what it does in the whole: the same text, the same words. */
import * as fc from 'fast-check';
import type { GenerationRecord } from '../../src/operate/generation-record';
import { contentDigest } from '../../src/operate/digest';
import { editServer, excerptOf } from '../../src/operate/edit/excerpt';
import type { EditOutcome } from '../../src/operate/edit/outcome';
import { VERBS } from '../../src/operate/edit/verbs';
import type { RulesetText } from '../../src/operate/ruleset-file';
import { parseRuleset } from '../../src/parse/parse';

const FILE = '/nowhere/rules.yaml';
const HEADS = [
  '# the edge\nversion: 1\nsets: { office: [203.0.113.0/24] }\ninbound: { rules: [allow from office to any port 22] }\nservers:\n',
  'version: 1\nsets: { office: [203.0.113.0/24] }\nservers: # all\n  # the first\n',
];
const TAILS = ['', '# end\n', 'inbound:\n  rules:\n    - allow 22/tcp\n', '\n\noutbound: { default: allow }\n'];
/** Servers in lines, in braces, as blocks of text, without rows; NAME and PORT are filled in. */
const BODIES = [
  '  NAME: # first\n    address: 192.0.2.1\n    ports: PORT\n    rules:\n      - allow 80 # x\n    # below\n',
  '  NAME: { address: 192.0.2.1, ports: PORT, udp: on, rules: [deny 2022] } # last\n',
  '  NAME:\n    address: 192.0.2.1\n    ports: PORT\n    rules:\n      # one\n      - deny 1022/tcp # why\n      - allow from office to any port 1033\n',
  '  NAME:\n    address: [192.0.2.1]\n    default: reject\n    ports: PORT\n    rules: |\n      1 deny 1022/tcp\n      2 allow 1033/tcp\n\n',
  '  "NAME":\n    address: 192.0.2.1 # its own\n    udp: on\n    ports: PORT\n\n    ssh: { port: 1022, from: rules }\n  # between\n',
];
const edit = fc.constantFrom(
  ...[
    ['allow', '1044/tcp', 'comment', "'a: b # c'"],
    ['deny', 'from', '10.0.0.0/8'],
    ['insert', '1', 'deny', '1055'],
  ],
  ...[
    ['delete', '1'],
    ['delete', '2'],
    ['move', '2', 'before', '1'],
    ['allow', '1022/tcp'],
    ['deny', '2022'],
  ],
  ...[
    ['default', 'allow'],
    ['udp', 'on'],
    ['udp', 'off'],
    ['ssh', '2200', 'from', 'rules'],
    ['ssh', 'off'],
  ],
  ...[
    ['allow', 'from', 'nowhere'],
    ['insert', '9', 'deny', '1055'],
    ['allow', 'from', 'office', 'to', 'any', 'port', '80'],
  ],
);
const file = fc
  .tuple(
    fc.constantFrom(...HEADS),
    fc.array(fc.constantFrom(...BODIES), { minLength: 1, maxLength: 5 }),
    fc.constantFrom(...TAILS),
    fc.constantFrom('\n', '\n', '\r\n'),
    fc.boolean(),
  )
  .map(([head, bodies, tail, lineEnd, isCut]) => {
    const servers = bodies.map((body, i) =>
      body.replace('NAME', `s${(i * 7) % 5}`).replace('PORT', `${1000 * i + 1}-${1000 * i + 999}`),
    );
    const text = `${head}${servers.join('')}${tail}`.replaceAll('\n', lineEnd);
    return { text: isCut ? text.trimEnd() : text, count: bodies.length };
  });

/** The same in braces, as JSON is mostly written. */
const inBraces = fc.array(fc.boolean(), { minLength: 2, maxLength: 4 }).map((rows) => {
  const servers = rows.map(
    (hasRows, i) => `  "s${(i * 7) % 5}": {"address": "192.0.2.${i + 1}"${hasRows ? ', "rules": ["allow 80"]' : ''}}`,
  );
  return { text: `{"version": 1, "servers": {\n${servers.join(',\n')}\n}}\n`, count: rows.length };
});

/** What there is of an outcome beside places. */
function essence(outcome: EditOutcome): unknown {
  if (outcome.kind === 'refused') return { ...outcome, diagnostics: outcome.diagnostics.map(({ code }) => code) };
  return { ...outcome, diagnostics: [] };
}

test('an edit of an excerpt is the edit of the whole', () => {
  let taken = 0;
  const compare = ({ text, count }: { text: string; count: number }, words: readonly string[], nth: number): void => {
    const { ruleset } = parseRuleset(text, { file: FILE });
    if (!ruleset) return;
    const server = `s${((nth % count) * 7) % 5}`;
    const source: RulesetText = { path: FILE, text, digest: contentDigest(text) };
    const known = { ruleset, source: { file: FILE, textDigest: source.digest } } as unknown as GenerationRecord;
    const [verb, ...rest] = words;
    const seen: string[] = [];
    const change = (document: RulesetText): EditOutcome => {
      seen.push(document.text);
      return VERBS[verb as keyof typeof VERBS](rest)({ text: document.text, file: document.path }, server);
    };
    const outcome = editServer(source, known, server, change);
    if (seen.length === 1 && seen[0].length < text.length) taken++;
    expect({ text, words, outcome: essence(outcome) }).toEqual({ text, words, outcome: essence(change(source)) });
  };
  fc.assert(fc.property(fc.oneof({ weight: 9, arbitrary: file }, inBraces), edit, fc.nat(), compare), { numRuns: 330 });
  expect(taken).toBeGreaterThan(70);
});

test.each([
  ['an anchor', 'version: 1\nservers:\n  a: &x\n    address: 192.0.2.1\n  b:\n    address: 192.0.2.2\n'],
  ['braces', 'version: 1\nservers: { a: { address: 192.0.2.1 }, b: { address: 192.0.2.2 } }\n'],
  ['braces over lines', 'version: 1\nservers: { # all\n  a: { address: 192.0.2.1 },\n  b: { address: 192.0.2.2 }\n}\n'],
  ['JSON', '{"version": 1, "servers": {\n  "a": {"address": "192.0.2.1"},\n  "b": {"address": "192.0.2.2"}\n}}\n'],
  ['a server alone', 'version: 1\nservers:\n  a:\n    address: 192.0.2.1\n'],
])('%s: nothing is taken out', (_, text) => {
  expect(excerptOf({ file: FILE, text }, parseRuleset(text, { file: FILE }).ruleset!, 'a')).toBeNull();
});

test('a server with a place of another text: nothing is taken out', () => {
  const text = `version: 1\nservers:\n  a:\n    address: 192.0.2.1\n  b:\n    address: 192.0.2.2\n`;
  const ruleset = parseRuleset(text, { file: FILE }).ruleset!;
  expect(excerptOf({ file: FILE, text }, ruleset, 'a')).not.toBeNull();
  const moved = ruleset.servers!.map((server, i) =>
    i === 0 ? server : { ...server, source: { ...server.source, offset: server.source.offset + 2 } },
  );
  expect(excerptOf({ file: FILE, text }, { servers: moved }, 'a')).toBeNull();
});

test('a text that is not the one that is known is edited as a whole', () => {
  const text = `${HEADS[0]}${BODIES.slice(0, 2)
    .map((body, i) => body.replace('NAME', `s${i}`).replace('PORT', `${i + 1}`))
    .join('')}`;
  const source: RulesetText = { path: FILE, text, digest: contentDigest(text) };
  const known = { ruleset: parseRuleset(text, { file: FILE }).ruleset!, source: { file: FILE, textDigest: 'another' } };
  const seen: string[] = [];
  editServer(source, known as unknown as GenerationRecord, 's0', (document) => {
    seen.push(document.text);
    return { kind: 'unchanged', text: document.text, message: '' };
  });
  expect(seen).toEqual([text]);
});
