/** What the quick readers of rows and of shapes take, the readers of anything take too, and read the same. */
import fc from 'fast-check';
import { readDocument } from '../../src/parse/document';
import type { DocumentNode } from '../../src/parse/document-node';
import type { Finding } from '../../src/parse/finding';
import { SourceFile } from '../../src/parse/locate';
import { makeNames } from '../../src/parse/names';
import { parseAnyRuleLine } from '../../src/parse/rule-line';
import { readAnyRuleObject, readRuleObject } from '../../src/parse/rule-object';
import { findShapeProblems } from '../../src/parse/schema';
import { toPlain } from '../../src/parse/shape';
import { readUsualLine } from '../../src/parse/usual-line';
import { readUsualObject } from '../../src/parse/usual-object';
import { isUsualShape } from '../../src/parse/usual-shape';
import { readAnyDocument } from '../../src/parse/yaml-document';

/** Mostly what is canonical, so that whole rows often are. */
const mostly = (usual: readonly string[], odd: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: fc.constantFrom(...odd) });
const address = mostly(
  ['192.0.2.7', '10.0.0.0/8', '198.51.100.0/24', '128.0.0.0/1', 'any'],
  [
    ...['10.1.0.0/8', '0.0.0.0/0', '10.0.0.1/32', '10.0.0.01', '256.0.0.1', '10.0.0', 'office', '2001:db8::1', 'none'],
    ...['1.2.3.4,5.6.7.8', '', '10.0.0.0/33'],
  ],
);
const port = mostly(
  ['80', '65535', '1:65535', '80:90'],
  ['0', '65536', '080', '80:80', '90:80', 'ssh', '80,443', ':', '1:'],
);
const protocol = mostly(['tcp', 'udp', 'icmp'], ['TCP', 'icmpv6', '6', 'any', 'gre', 'tcp,udp']);
const optional = (text: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.oneof(fc.constant(''), text);
const clause = (word: string, operand: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  optional(operand.map((text) => ` ${word} ${text}`));
const row = fc
  .tuple(
    mostly(['allow', 'deny', 'reject'], ['limit', 'Allow', '1 deny', 'allow out']),
    clause('from', address),
    mostly([''], [' port 80']),
    ...[clause('to', address), clause('port', port)],
    clause('proto', protocol),
    mostly([''], [' ', ' log', " comment 'x'", ' # x']),
  )
  .map((parts) => parts.join(''));

test('a row in canonical form is read as any row', () => {
  let taken = 0;
  const compare = (text: string): void => {
    const names = makeNames({ sets: new Map([['office', [{ family: 4, words: [0x0a000000], length: 8 }]]]) });
    const usual = readUsualLine(text, names);
    if (!usual) return;
    taken++;
    expect(parseAnyRuleLine(text, names)).toEqual({ row: usual, findings: [] });
  };
  fc.assert(fc.property(row, compare), { numRuns: 4000 });
  expect(taken).toBeGreaterThan(100);
});

test('rows that name the same address share its list', () => {
  const names = makeNames();
  const [one, other] = ['allow from 192.0.2.7', 'deny from 192.0.2.7 to any port 80'].map((text) =>
    readUsualLine(text, names),
  );
  expect(one!.match.from).toBe(other!.match.from);
});

/** Fields of rule objects, each there or not, in any order. */
const object = fc
  .tuple(
    fc.shuffledSubarray(['id', 'action', 'from', 'to', 'port', 'proto', 'action', 'id', 'from', 'to'], {
      minLength: 2,
    }),
    fc.record({
      id: mostly(['r1', 'web-7', '9', '"a.b"'], ['ssh', '-x', '~', 'null', '""', 'a b']),
      action: mostly(['allow', 'deny', 'reject'], ['Allow', 'limit', '"deny"', '~', 'drop']),
      from: address.map((text) => (text === '' ? '""' : text)),
      to: address.map((text) => (text === '' ? '""' : `"${text}"`)),
      port: port.map((text) => (text.endsWith(':') ? `"${text}"` : text)),
      proto: mostly(['tcp', 'udp', 'icmp'], ['TCP', '""', '6', 'any', '[tcp, udp]', '~', 'esp']),
    }),
    mostly([''], ['note: x', 'enabled: off', 'family: ipv4', 'from-port: 53', 'log: on', 'x: y', 'until: 2030-01-01']),
  )
  .map(([keys, values, more]) => {
    const fields = [...new Set(keys)].map((name) => `${name}: ${values[name as keyof typeof values]}`);
    return `rules: [{ ${[...fields, ...(more === '' ? [] : [more])].join(', ')} }]\n`;
  });

test('a rule object in canonical form is read as any rule object', () => {
  let taken = 0;
  const compare = (text: string): void => {
    const file = new SourceFile('rules.yaml', text);
    const findings: Finding[] = [];
    const sink = (finding: Finding): number => findings.push(finding);
    const root = readDocument(file, sink);
    const rules = root?.kind === 'map' && root.entries[0].value;
    const map = rules && rules.kind === 'list' && rules.items[0];
    if (!map || map.kind !== 'map') return;
    const names = makeNames({ sets: new Map([['office', [{ family: 4, words: [0x0a000000], length: 8 }]]]) });
    const usual = readUsualObject(map, names);
    if (!usual) return;
    taken++;
    const context = { file, sink, report: fail, readFile: fail, folder: null };
    const any = readAnyRuleObject(map, names, context);
    expect({ text, findings, any }).toEqual({ text, findings: [], any: readRuleObject(map, names, context) });
    expect(any).toMatchObject({ row: usual.row, enabled: true, details: {} });
    // The schema has nothing to say of it either.
    expect(isUsualShape(readDocument(new SourceFile('r', `version: 1\ninbound: {${text.trim()}}`), sink)!)).toBe(true);
  };
  fc.assert(fc.property(object, compare), { numRuns: 4000 });
  expect(taken).toBeGreaterThan(100);
});

const fail = (): never => {
  throw new Error('nothing is reported elsewhere, and nothing is read');
};

/** Values of every kind, in every style. */
const scalar = fc.constantFrom(
  ...['1', '-1', '01', 'true', 'FALSE', '"true"', '~', '""', 'null', 'off', 'Off', '"off"', 'on', 'allow', 'Allow'],
  ...[
    'deny',
    'limit',
    'any',
    'auto',
    'anyone',
    'rules',
    'essentials',
    'track',
    'low',
    '10.0.0.0/8',
    'tcp',
    '22',
    '1.5',
  ],
  ...['12345678901234567890', 'allow 22/tcp', '"8000:8080"', 'ipv4', 'full'],
);
const key = fc.constantFrom(
  ...[
    'version',
    'interfaces',
    'mode',
    'icmp',
    'fragments',
    'logging',
    'sets',
    'services',
    'inbound',
    'outbound',
    'guard',
  ],
  ...['servers', 'expect', 'rules', 'default', 'udp', 'ssh', 'port', 'from', 'to', 'proto', 'action', 'id', 'enabled'],
  ...['address', 'ports', 'target', 'owner', 'file', 'keep-reachable', 'note', 'dir', 'boot', 'limit', 'a'],
);
const value = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    { weight: 3, arbitrary: scalar },
    { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`) },
    {
      weight: 2,
      arbitrary: fc
        .uniqueArray(fc.tuple(key, tie('value')), { maxLength: 4, selector: ([name]) => name })
        .map((entries) => `{${entries.map(([name, text]) => `${name}: ${text}`).join(', ')}}`),
    },
  ),
})).value;
/** Sound, where nothing of it is exchanged. */
const SOUND: readonly (readonly [key: string, texts: readonly string[]])[] = [
  ['interfaces', ['auto', '[eth0]', 'eth0']],
  ['icmp', ['rules', 'Essentials']],
  ['logging', ['low', 'on', '"off"']],
  ['sets', ['{a: [10.0.0.0/8], b: {file: x}, c: 10.0.0.1}', '~']],
  ['services', ['{m: 9100/tcp, n: [1, 2]}']],
  ['inbound', ['{default: Deny, ssh: off, udp: on, rules: [allow 22/tcp, {action: allow, port: 22, id: 7}]}', '~']],
  ['inbound', ['{ssh: {port: [22, 2222], from: Anyone}, rules: [{action: DENY, from: [a, b], enabled: off}]}']],
  ['outbound', ['{default: allow, rules: ~}']],
  ['guard', ['{keep-reachable: [{from: a, port: 22}, allow from a], rules: [deny from a]}']],
  ['servers', ['{a: {address: [10.0.0.1], ports: 1-5, target: 10.0.0.9, rules: [allow 22]}, b: {address: 10.0.0.2}}']],
  ['expect', ['[allow tcp from a to b]']],
];
const root = fc
  .tuple(
    fc.constantFrom('1', '1', '1', '1', '2', '"1"'),
    fc.subarray([...SOUND]),
    fc.array(fc.nat(), { minLength: SOUND.length, maxLength: SOUND.length }),
    fc.option(fc.tuple(key, value), { nil: undefined, freq: 1 }),
  )
  .map(([version, parts, choices, odd]) => {
    const entries = new Map(parts.map(([name, texts], i) => [name, texts[choices[i] % texts.length]]));
    if (odd) entries.set(...odd);
    return `{version: ${version}${[...entries].map(([name, text]) => `, ${name}: ${text}`).join('')}}`;
  });
/** A sound text of which one piece is another. */
const mutated = fc.tuple(root, scalar, fc.nat()).map(([text, other, at]) => {
  const pieces = text.split(/([{}[\],: ]+)/);
  pieces[(at * 2) % pieces.length] = other;
  return pieces.join('');
});

test('a shape that is taken without the schema is one that the schema takes', () => {
  let taken = 0;
  const compare = (text: string): void => {
    const findings: Finding[] = [];
    const node: DocumentNode | null = readAnyDocument(new SourceFile('rules.yaml', text), (finding) => {
      findings.push(finding);
    });
    if (!node || !isUsualShape(node)) return;
    taken++;
    expect({ text, problems: findShapeProblems(toPlain(node, '')) }).toEqual({ text, problems: [] });
  };
  fc.assert(fc.property(fc.oneof(root, mutated), compare), { numRuns: 4000 });
  expect(taken).toBeGreaterThan(200);
});
