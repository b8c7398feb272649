/** `servers: { dir }`: each file one server; findings stand in the file they are about. */
import { joinBundle, type Part, splitBundle } from '../../../src/parse/bundle';
import { parseRuleset } from '../../../src/parse/parse';
import { folderNamed } from '../../../src/parse/server-files';

const MAIN = 'version: 1\nsets: { office: [203.0.113.0/24] }\nservers: { dir: servers.d }\n';
const bundle = (parts: Record<string, string>, main = MAIN): string =>
  joinBundle({
    main,
    dir: 'servers.d',
    parts: Object.entries(parts).map(([name, text]): Part => ({ path: `servers.d/${name}`, text })),
  });
const parse = (text: string): ReturnType<typeof parseRuleset> => parseRuleset(text, { file: '/etc/sluice/rules.yaml' });
const findings = (text: string): string[] =>
  parse(text).diagnostics.map(
    ({ code, severity, source }) =>
      `${severity} ${code} ${source.file.replace('/etc/sluice/', '')}:${source.line}:${source.column}`,
  );

test('the same ruleset as in one file, whatever form each file has', () => {
  const { ruleset, diagnostics } = parse(
    bundle({
      'blue.json': '{"address": "192.0.2.2", "rules": ["allow from office to any port 80"]}',
      'green.yml': '\ufeff# its own\r\naddress: 192.0.2.3\r\nrules: |\r\n  1 allow 22/tcp\r\n',
      'red.yaml': '{ address: [192.0.2.1, "2001:db8::1"], ports: 1000-1999, ssh: { port: 1022, from: anyone } }',
    }),
  );
  const inOne = parse(
    `${MAIN.replace('{ dir: servers.d }', '')}  blue: { address: 192.0.2.2, rules: [allow from office to any port 80] }
  green: { address: 192.0.2.3, rules: [allow 22/tcp] }
  red: { address: [192.0.2.1, "2001:db8::1"], ports: 1000-1999, ssh: { port: 1022, from: anyone } }\n`,
  );
  const meaning = (of: typeof ruleset): unknown =>
    JSON.parse(JSON.stringify(of, (key, value: unknown) => (key === 'source' || key === 'written' ? null : value)));
  expect(diagnostics).toEqual([]);
  expect(meaning(ruleset)).toEqual(meaning(inOne.ruleset));
  expect(ruleset!.servers!.map(({ name, source: { file } }) => [name, file])).toEqual([
    ['blue', '/etc/sluice/servers.d/blue.json'],
    ['green', '/etc/sluice/servers.d/green.yml'],
    ['red', '/etc/sluice/servers.d/red.yaml'],
  ]);
});

test.each([
  ['an empty folder', {}, []],
  [
    'a key nobody knows',
    { 'a.yaml': 'address: 192.0.2.1\nport: 80\n' },
    ['error parse/unknown-key servers.d/a.yaml:2:1'],
  ],
  ['no address', { 'a.yaml': '# none\nrules: []\n' }, ['error parse/missing-key servers.d/a.yaml:2:1']],
  [
    'a wrong row',
    { 'a.yaml': 'address: 192.0.2.1\nrules:\n  - allow 80\n  - alow 81\n' },
    ['error parse/action servers.d/a.yaml:4:5'],
  ],
  [
    'a wrong kind',
    { 'a.yaml': 'address: 192.0.2.1\nrules: { a: 1 }\n' },
    ['error parse/wrong-type servers.d/a.yaml:2:8'],
  ],
  ['no YAML', { 'a.yaml': 'address: [192.0.2.1\n' }, ['error parse/yaml servers.d/a.yaml:2:1']],
  ['NUL', { 'a.yaml': 'address: 192.0.2.1\n\0' }, ['error parse/encoding servers.d/a.yaml:2:1']],
  ['an empty file', { 'a.yaml': '# nothing\n' }, ['error parse/server-files servers.d/a.yaml:1:1']],
  ['a list', { 'a.yaml': '- allow 22\n' }, ['error parse/server-files servers.d/a.yaml:1:1']],
  ['the name above it', { 'a.yaml': 'a:\n  address: 192.0.2.1\n' }, ['error parse/server-files servers.d/a.yaml:1:1']],
  [
    'servers above it',
    { 'a.yaml': 'servers:\n  a: { address: 192.0.2.1 }\n' },
    ['error parse/server-files servers.d/a.yaml:1:1'],
  ],
  ['a name that is taken', { 'inbound.yaml': 'address: 192.0.2.1\n' }, ['error parse/name servers.d/inbound.yaml:1:1']],
  [
    'two files of one server',
    { 'a.json': '{"address": "192.0.2.1"}', 'a.yaml': 'address: 192.0.2.2\n' },
    ['error parse/server-files servers.d/a.yaml:1:1'],
  ],
  [
    'an overlap',
    { 'a.yaml': 'address: 192.0.2.1\n', 'b.yaml': '# b\naddress: 192.0.2.0/24\n' },
    ['error parse/server-overlap servers.d/b.yaml:2:1'],
  ],
])('%s', (_, parts, expected) => {
  expect(findings(bundle(parts as Record<string, string>))).toEqual(expected);
});

test('a server beside the folder is told where it belongs', () => {
  const main = 'version: 1\ninterfaces: [eth0]\nservers:\n  dir: servers.d\n  a: { address: 192.0.2.1 }\n';
  const { diagnostics } = parseRuleset(main, { file: 'rules.yaml' });
  expect(diagnostics.find(({ code }) => code === 'parse/unknown-key')).toMatchObject({
    message: '"a" is not a key of "servers"',
    hint: 'each server is a file of that folder, a.yaml; or take dir away',
  });
});

test('findings of the main file come first, then those of each file', () => {
  const text = bundle(
    { 'a.yaml': 'address: 192.0.2.1\nx: 1\n', 'b.yaml': 'address: 192.0.2.2\ny: 1\n' },
    `${MAIN}z: 1\n`,
  );
  expect(findings(text)).toEqual([
    'error parse/unknown-key rules.yaml:4:1',
    'error parse/unknown-key servers.d/a.yaml:2:1',
    'error parse/unknown-key servers.d/b.yaml:2:1',
  ]);
});

test('a text without its folder, or with another one, is no ruleset', () => {
  expect(findings(MAIN)).toEqual(['error parse/server-files rules.yaml:3:17']);
  expect(findings(bundle({}, MAIN.replace('servers.d', 'other.d')))).toEqual([
    'error parse/server-files rules.yaml:3:17',
  ]);
});

test('the folder is found in any spelling that parse takes', () => {
  expect(folderNamed(MAIN)).toBe('servers.d');
  expect(folderNamed('{"version":1,"servers":{"dir":"a/b.d"}}')).toBe('a/b.d');
  expect(folderNamed('version: 1\nservers:\n  "dir" : \'x\'\n')).toBe('x');
  expect(
    folderNamed('version: 1\nservers: { a: { address: 192.0.2.1, rules: [{ action: deny, note: "dir: x" }] } }\n'),
  ).toBeNull();
  for (const dir of ['..', '../x', '/x', 'a/../b', './a', 'a//b', '.hidden', 'a/', '', 'a b', 'x'.repeat(201)])
    expect(folderNamed(`version: 1\nservers: { dir: ${JSON.stringify(dir)} }\n`)).toBeNull();
});

test('what is joined is split again', () => {
  const parts = [
    { path: 'd/a.yaml', text: 'no line end' },
    { path: 'd/b.yaml', text: '' },
    { path: 'd/c.yaml', text: '# ==== d/x.yaml ====\n' },
  ];
  for (const some of [[], parts.slice(0, 1), parts]) {
    const files = { main: '# ==== d/ ====\nversion: 1', dir: 'd', parts: some };
    expect(splitBundle(joinBundle(files))).toEqual(files);
  }
});

test('one file after the other is exchanged in a long text', () => {
  const header = (path: string): string => `\u001c# ==== ${path} ====\n`;
  const line = '# a line of a server, which is long enough\n';
  let files = {
    main: 'version: 1\nservers: { dir: d }\n',
    dir: 'd',
    parts: ['a', 'b', 'c'].map((name) => ({ path: `d/${name}.yaml`, text: line.repeat(1000) })),
  };
  const whole = (): string =>
    [files.main, header('d/'), ...files.parts.map(({ path, text }) => header(path) + text)].join('');
  const exchanged: string[] = [line, '', line.repeat(2000), line.repeat(1000), `${line}# end\n`];
  exchanged.forEach((text, i) => {
    files = { ...files, parts: files.parts.map((part, k) => (k === (i * 2) % 3 ? { ...part, text } : part)) };
    expect(joinBundle(files)).toBe(whole());
    expect(splitBundle(joinBundle(files))).toEqual(files);
    // A copy, which is no known object.
    expect(joinBundle({ ...files, parts: files.parts.map((part) => ({ ...part })) })).toBe(whole());
  });
  // Two at once, another main file, and a text in which another file begins.
  files = { ...files, parts: files.parts.map((part, k) => (k < 2 ? { ...part, text: line.repeat(1500 + k) } : part)) };
  expect(joinBundle(files)).toBe(whole());
  files = { ...files, main: `${files.main}# more\n` };
  expect(joinBundle(files)).toBe(whole());
  const [first, second, third] = files.parts;
  files = { ...files, parts: [first, { ...second, text: `x\n${header('d/bb.yaml')}y\n` }, third] };
  expect(joinBundle(files)).toBe(whole());
  expect(splitBundle(joinBundle(files)).parts).toEqual([
    first,
    { path: 'd/b.yaml', text: 'x\n' },
    { path: 'd/bb.yaml', text: 'y\n' },
    third,
  ]);
});
