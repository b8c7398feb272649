import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { DEFAULT_ETHERTYPES, type Ruleset } from '../../../src/model/ruleset';
import { CODES } from '../../../src/diagnostics/codes';
import { parseRuleset, type ParseResult } from '../../../src/parse/parse';

const FILE = '/etc/sluice/rules.yaml';
const files: Record<string, string> = {
  '/etc/sluice/lists/block.netset': '# list\n192.0.2.0/24\n198.51.100.7 ; note\n\n2001:db8::/32\r\n',
  '/etc/sluice/empty': '# nothing\n',
};
const readFile = (path: string): Uint8Array => {
  if (files[path] === undefined) throw new Error('there is no such file');
  return Buffer.from(files[path]);
};
const parse = (text: string | Uint8Array, strict = false): ParseResult =>
  parseRuleset(text, { file: FILE, readFile, strict });
/** `severity code line:column+length` of each finding. */
const findings = (text: string | Uint8Array, strict = false): string[] =>
  parse(text, strict).diagnostics.map(
    ({ severity, code, source }) => `${severity} ${code} ${source.line}:${source.column}+${source.length}`,
  );
const good = (text: string): Ruleset => {
  const { ruleset, diagnostics } = parse(text);
  if (!ruleset) throw new Error(diagnostics.map(({ message }) => message).join('\n'));
  return ruleset;
};
const inbound = (rules: string): string => `version: 1\ninbound:\n  rules:\n${rules}`;

describe('whole rulesets', () => {
  test('everything this version has', () => {
    const ruleset = good(`
version: 1
interfaces: [eth0, wg0.1]
mode: native
icmp: rules
ethertypes: [lldp, 0x88f7, 802.1x]
fragments: drop
logging: off
sets:
  office: [203.0.113.0/24, "2001:db8:7::/48"]
  block: { file: lists/block.netset }
services:
  metrics: 9100/tcp
  api: [8000:8010/tcp, 9000/tcp]
guard: {}
servers: {}
outbound: { default: allow }
inbound:
  default: Allow
  udp: yes
  ssh: { port: [2222, 22], from: rules }
  rules:
    - deny from block
    - { id: web-office, action: Allow, from: [office, 192.0.2.1], port: metrics, note: "web UI", owner: ops, review: 2027-01-01 }
    - { action: deny, proto: [tcp, udp], from-port: 1024-65535, port: "80,443", enabled: off }
    - { action: deny, icmp-type: [echo-request, 3/4], proto: icmp }
    - allow ssh
expect:
  - allow tcp from 203.0.113.1 to 198.51.100.7 port metrics
  - { verdict: deny, from: block }
`);
    expect(ruleset).toMatchObject({
      version: 1,
      interfaces: ['eth0', 'wg0.1'],
      mode: 'native',
      icmp: 'rules',
      ethertypes: [0x88_8e, 0x88_cc, 0x88_f7],
      inbound: { name: 'inbound', default: 'allow', ssh: { ports: [22, 2222], from: 'rules' } },
    });
    expect(ruleset.sets.map(({ name, addresses }) => [name, addresses.length])).toEqual([
      ['office', 2],
      ['block', 3],
    ]);
    expect(ruleset.inbound.rules.map(({ id, text }) => [id, text])).toEqual([
      ['deny-from-block', 'deny from block'],
      ['web-office', 'allow from office,192.0.2.1 to any port 9100 proto tcp'],
      [expect.stringMatching(/^deny-[0-9a-f]{12}$/), 'deny from any port 1024:65535 to any port 80,443'],
      [
        expect.stringMatching(/^deny-[0-9a-f]{12}$/),
        'deny from any proto icmp icmp-type echo-request,fragmentation-needed',
      ],
      ['allow-22+2222_tcp', 'allow 22,2222/tcp'],
    ]);
    expect(ruleset.inbound.rules[1]).toMatchObject({
      idIsExplicit: true,
      note: 'web UI',
      owner: 'ops',
      review: '2027-01-01',
    });
    expect(ruleset.inbound.rules.map(({ enabled }) => enabled)).toEqual([true, true, false, true, true]);
    expect(ruleset.expect.map(({ verdict, text }) => [verdict, text])).toEqual([
      ['allow', 'allow from 203.0.113.1 to 198.51.100.7 port 9100 proto tcp'],
      ['deny', 'deny from block'],
    ]);
  });

  test('what is left out has its default', () => {
    expect(good('version: 1')).toEqual({
      version: 1,
      interfaces: 'auto',
      mode: 'auto',
      icmp: 'essentials',
      fragments: 'track',
      ethertypes: DEFAULT_ETHERTYPES,
      sets: [],
      inbound: { name: 'inbound', default: 'deny', rules: [] },
      expect: [],
    });
  });

  test('JSON is the same model', () => {
    const json = {
      version: 1,
      inbound: { ssh: false, rules: ['allow 22', { action: 'deny', port: 23, enabled: true }] },
    };
    expect(good(JSON.stringify(json)).inbound.rules.map(({ text }) => text)).toEqual(['allow 22', 'deny 23']);
  });

  test('a block, a list and objects of the same rows have the same ids and matches', () => {
    const strip = (text: string): unknown =>
      good(text).inbound.rules.map(({ id, match, action }) => ({ id, match, action }));
    const block = strip(
      'version: 1\ninbound:\n  rules: |\n    1 Deny 0.0.0.0/0 Port 14141\n\n    # why\n    2 Allow 78.168.0.0/16 Port 14141\n',
    );
    expect(strip(inbound('    - 1 Deny 0.0.0.0/0 Port 14141\n    - 2 Allow 78.168.0.0/16 Port 14141\n'))).toEqual(
      block,
    );
    expect(
      strip(
        inbound('    - { action: deny, port: 14141 }\n    - { action: allow, from: 78.168.0.0/16, port: 14141 }\n'),
      ),
    ).toEqual(block);
  });
});

describe('ids', () => {
  test('derived ids are of action and match alone; duplicates are numbered; explicit ones are kept free', () => {
    const ids = (rules: string): string[] => good(inbound(rules)).inbound.rules.map(({ id }) => id);
    expect(ids('    - allow 22\n    - deny 23\n')).toEqual(['allow-22', 'deny-23']);
    expect(ids("    - deny 23 comment 'x'\n    - allow to any port 22\n")).toEqual(['deny-23', 'allow-22']);
    expect(ids('    - allow 22\n    - allow 22\n    - allow 22\n')).toEqual(['allow-22', 'allow-22-2', 'allow-22-3']);
    expect(ids('    - allow 22\n    - { id: allow-22, action: deny }\n')).toEqual(['allow-22-2', 'allow-22']);
  });

  test('an explicit id is taken once, and never that of an implicit row', () => {
    expect(
      findings(
        inbound(
          '    - { id: a, action: deny }\n    - allow 22 id a\n    - { id: ssh, action: deny }\n    - { id: "a b", action: deny }\n',
        ),
      ),
    ).toEqual(['error parse/id 5:19+1', 'error parse/id 6:13+3', 'error parse/id 7:14+3']);
  });
});

describe('places', () => {
  test.each([
    ['plain row', inbound('    - allow 99999\n'), 'error parse/port 4:13+5'],
    ['quoted row', inbound('    - "allow 99999"\n'), 'error parse/port 4:14+5'],
    ['escaped row', inbound('    - "allow\\t99999"\n'), 'error parse/port 4:7+14'],
    [
      'block row',
      'version: 1\ninbound:\n  rules: |\n\n      allow 22 # x\n      allow 99999 # y\n',
      'error parse/port 6:13+5',
    ],
    [
      'block with indentation mark',
      'version: 1\ninbound:\n  rules: |2-\n       allow 99999\n',
      'error parse/port 4:14+5',
    ],
    ['CRLF', inbound('    - allow 22\n    - allow 99999\n').replaceAll('\n', '\r\n'), 'error parse/port 5:13+5'],
    [
      'CRLF block',
      'version: 1\r\ninbound:\r\n  rules: |\r\n    allow 22\r\n    allow 99999\r\n',
      'error parse/port 5:11+5',
    ],
    ['byte order mark', '\ufeffversion: 2\n', 'error parse/version 1:10+1'],
    ['object', inbound('    - { action: allow, port: [22, 99999] }\n'), 'error parse/port 4:35+5'],
    ['set', 'version: 1\nsets: { a: [10.0.0.0/8, 10.0.0.0/33] }', 'error parse/prefix-length 2:25+11'],
    [
      'non-BMP before it',
      `version: 1\ninbound: { rules: ["allow 22 comment '😀'", allow 99999] }`,
      'error parse/port 2:51+5',
    ],
  ])('%s', (_, text, expected) => expect(findings(text)).toEqual([expected]));

  test('source and offsets of a rule are those of its row', () => {
    const text = inbound('    - allow 22   # why\n    - { action: deny,\n        port: 23 }\n');
    const [line, object] = good(text).inbound.rules;
    expect(text.slice(line.source.offset, line.source.offset + line.source.length)).toBe('allow 22');
    expect(text.slice(object.source.offset, object.source.offset + object.source.length)).toBe(
      '{ action: deny,\n        port: 23 }',
    );
  });
});

describe('traps of YAML', () => {
  test.each([
    [
      'bare rows',
      'version: 1\ninbound:\n  rules:\n    1 Deny 0.0.0.0/0 Port 1\n    2 Allow 10.0.0.0/8 Port 1\n',
      'parse/folded-rows',
      'rules: |\n  1 Deny 0.0.0.0/0 Port 1\n  2 Allow 10.0.0.0/8 Port 1',
    ],
    [
      'a row without its dash',
      inbound('    - allow 22\n      deny 23\n'),
      'parse/folded-rows',
      '- allow 22\n  - deny 23',
    ],
    ['a > block', 'version: 1\ninbound:\n  rules: >\n    allow 22\n    deny 23\n', 'parse/folded-rows', 'rules: |'],
    [
      'a colon in a comment',
      inbound("    - allow 22 comment 'a: b'\n"),
      'parse/yaml-colon',
      `"allow 22 comment 'a: b'"`,
    ],
    ['an address ending in ::', inbound('    - deny from 2001:db8::\n'), 'parse/yaml-colon', '"deny from 2001:db8::"'],
    [
      'an address ending in :: amid a row',
      inbound('    - deny from 2001:db8:: to any port 22\n'),
      'parse/yaml-colon',
      '"deny from 2001:db8:: to any port 22"',
    ],
    ['an address in a list', 'version: 1\nsets: { a: [fe80::, 10.0.0.0/8] }\n', 'parse/yaml-colon', '"fe80::"'],
    [
      'an address as a value',
      inbound('    - action: deny\n      from: 2001:db8::\n'),
      'parse/yaml-colon',
      '"2001:db8::"',
    ],
    [
      'a comma in brackets',
      'version: 1\ninbound: { rules: [allow 80,443, deny from any] }\n',
      'parse/wrong-type',
      'quotes',
    ],
    ['a tab', 'version: 1\ninbound:\n\trules:\n', 'parse/yaml', 'blanks'],
  ])('%s', (_, text, code, hint) => {
    const { ruleset, diagnostics } = parse(text);
    expect(ruleset).toBeNull();
    expect(diagnostics).toHaveLength(1);
    expect(diagnostics[0].code).toBe(code);
    expect(diagnostics[0].hint).toContain(hint);
  });

  test.each(['allow 22', 'allow 22 # x', 'deny from 2001:db8::'])('a crowd of blanks costs no time: %s', (row) => {
    const started = Date.now();
    parse(`version: 1\ninbound:\n  rules: |\n    ${row}${' '.repeat(300_000)}x\n`);
    parse(inbound(`    - ${row}${' '.repeat(300_000)}x\n`));
    expect(Date.now() - started).toBeLessThan(3000);
  });

  test('an action alone is a key, not a row that lost its colon', () => {
    expect(findings('version: 1\nlimit: 5\n')).toEqual(['error parse/unknown-key 2:1+5']);
    expect(findings(inbound('    - { action: allow, port: 22, limit: 5 }\n'))).toEqual([
      'error parse/not-supported-yet 4:34+5',
    ]);
  });

  test('a long row may be folded', () => {
    expect(good(inbound('    - allow from 10.0.0.0/8\n        to any port 22\n')).inbound.rules[0].text).toBe(
      'allow from 10.0.0.0/8 to any port 22',
    );
  });
});

describe('hostile or careless YAML', () => {
  const deep = (n: number): string => `version: 1\nsets: { a: ${'['.repeat(n)}${']'.repeat(n)} }`;
  test.each([
    ['empty', '', 'error parse/version 1:1+0'],
    ['a list', '- a', 'error parse/wrong-type 1:1+1'],
    ['a text', 'hello', 'error parse/wrong-type 1:1+5'],
    ['two documents', 'version: 1\n---\nversion: 1\n', 'error parse/yaml 2:1+1'],
    ['a tag', 'version: 1\nmode: !!str auto\n', 'error parse/yaml-tag 2:7+5'],
    ['unknown alias', 'version: 1\nmode: *a\n', 'error parse/yaml-alias 2:7+2'],
    ['duplicate key', 'version: 1\nmode: auto\nmode: native\n', 'error parse/duplicate-key 3:1+4'],
    ['__proto__', 'version: 1\n__proto__: 1\n', 'error parse/unknown-key 2:1+9'],
    ['constructor', 'version: 1\nconstructor: 1\n', 'error parse/unknown-key 2:1+11'],
    ['merge key', 'version: 1\n<<: { mode: auto }\n', 'error parse/unknown-key 2:1+2'],
    ['NUL', 'version: 1\n\0', 'error parse/encoding 2:1+1'],
    ['not UTF-8', Buffer.from([0x76, 0xff]), 'error parse/encoding 1:2+1'],
    ['UTF-16', Buffer.from('\ufeffversion: 1', 'utf16le'), 'error parse/encoding 1:1+1'],
    ['depth', deep(40), 'error parse/too-deep 2:27+1'],
    ['endless depth', '['.repeat(200_000), 'error parse/too-deep 1:17+1'],
    ['endless dashes', '- '.repeat(200_000), 'error parse/too-deep 1:33+1'],
    ['string version', 'version: "1"', 'error parse/version 1:10+3'],
  ])('%s', (_, text, expected) => {
    const got = findings(text);
    expect(got).toContain(expected);
    expect(parse(text).ruleset).toBeNull();
  });

  test('an alias bomb is refused before it grows', () => {
    const bomb = [
      'version: 1',
      'sets:',
      '  a: &a [10.0.0.0/8]',
      ...Array.from('bcdefgh').map((c, i) => `  ${c}: &${c} [${`*${'abcdefg'[i]}, `.repeat(9)}]`),
    ];
    expect(findings(bomb.join('\n')).some((line) => line.includes('parse/yaml-alias'))).toBe(true);
  });

  test('a few plain aliases are fine', () => {
    expect(good('version: 1\nsets:\n  a: &a [10.0.0.0/8]\n  b: *a\n').sets[1].addresses).toHaveLength(1);
  });

  test('prototypes stay clean', () => {
    parse('{"version": 1, "__proto__": {"polluted": 1}, "sets": {"__proto__": ["10.0.0.0/8"]}}');
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

describe('keys of later versions are never taken in silence', () => {
  test.each([
    ['guard: { rules: [deny from any] }', 'error parse/not-supported-yet 2:1+5'],
    ['servers: { a: { address: 192.0.2.1 } }', 'error parse/not-supported-yet 2:1+7'],
    ['outbound: { default: deny }', 'error parse/not-supported-yet 2:1+8'],
    ['outbound: { default: allow, rules: [deny 25] }', 'error parse/not-supported-yet 2:1+8'],
    ['logging: low', 'error parse/not-supported-yet 2:1+7'],
    ['boot: open', 'error parse/not-supported-yet 2:1+4'],
    ['inbound: { udp: off }', 'error parse/not-supported-yet 2:17+3'],
    ['inbound: { default: reject }', 'error parse/not-supported-yet 2:21+6'],
    ['inbound: { rules: [{ action: limit, port: 22 }] }', 'error parse/not-supported-yet 2:30+5'],
    ['inbound: { rules: [{ action: deny, in: eth0 }] }', 'error parse/not-supported-yet 2:36+2'],
    ['inbound: { rules: [{ action: deny, log: on }] }', 'error parse/not-supported-yet 2:36+3'],
    ['inbound: { rules: [{ action: deny, until: 2027-01-01 }] }', 'error parse/not-supported-yet 2:36+5'],
    ['expect: [reject tcp from any to any port 1]', 'error parse/not-supported-yet 2:10+6'],
  ])('%s', (line, expected) => expect(findings(`version: 1\n${line}\n`)).toEqual([expected]));

  test.each([
    ['guard: {}'],
    ['servers: {}'],
    ['outbound: { default: allow, rules: [] }'],
    ['logging: "off"'],
    ['logging: no'],
    ['inbound: { udp: true }'],
    ['inbound: { rules: [{ action: deny, log: false }] }'],
    ['inbound:'],
    ['inbound: { rules: }'],
  ])('%s already holds', (line) => expect(findings(`version: 1\n${line}\n`)).toEqual([]));
});

test.each(['null', '~', ''])('rules: %s has no rows', (nothing) => {
  expect(good(`version: 1\ninbound:\n  rules: ${nothing}\n`).inbound.rules).toEqual([]);
});

test('what is missing or misplaced inside a rule or the SSH row is called by its name', () => {
  const message = (text: string): string => parse(text).diagnostics[0].message;
  expect(message('version: 1\ninbound: { ssh: { from: rules } }\n')).toMatch(/^the key "port" is missing in "ssh"/);
  expect(message(inbound('    - { action: allow, from: [[10.0.0.1]] }\n'))).toMatch(/^item 1 of "from" is a list/);
});

describe('values', () => {
  test.each([
    ['interfaces: []', 'error parse/interface 2:13+2'],
    ['interfaces: [eth0, auto]', 'error parse/interface 2:20+4'],
    ['interfaces: [eth0, eth0]', 'error parse/interface 2:20+4'],
    ['interfaces: [abcdefghijklmnop]', 'error parse/interface 2:14+16'],
    ['interfaces: "a/b"', 'error parse/interface 2:14+3'],
    ['mode: fast', 'error parse/bad-value 2:7+4'],
    ['ethertypes: [0x0800]', 'error parse/ethertype 2:14+6'],
    ['ethertypes: [ldp]', 'error parse/ethertype 2:14+3'],
    ['inboud: {}', 'error parse/unknown-key 2:1+6'],
    ['inbound: { ssh: on }', 'error parse/wrong-type 2:17+2'],
    ['inbound: { ssh: { port: 22 } }', 'error parse/missing-key 2:19+4'],
    ['inbound: { ssh: { port: 0, from: anyone } }', 'error parse/port 2:25+1'],
    ['inbound: { ssh: { port: [], from: anyone } }', 'error parse/port 2:25+2'],
    ['inbound: { rules: [{ from: any }] }', 'error parse/missing-key 2:22+4'],
    ['inbound: { rules: [{ action: alow }] }', 'error parse/bad-value 2:30+4'],
    ['inbound: { rules: [{ action: deny, form: any }] }', 'error parse/unknown-key 2:36+4'],
    ['inbound: { rules: [{ action: deny, from: true }] }', 'error parse/wrong-type 2:42+4'],
    ['inbound: { rules: [{ action: deny, review: 2027-02-30 }] }', 'error parse/text 2:44+10'],
    ['inbound: { rules: [{ action: deny, note: "a\\nb" }] }', 'error parse/text 2:42+6'],
    ['sets: { any: [10.0.0.0/8] }', 'error parse/name 2:9+3'],
    ['sets: { 1a: [10.0.0.0/8] }', 'error parse/name 2:9+2'],
    ['sets: { a: { file: nope } }', 'error parse/set-file 2:20+4'],
    ['services: { ssh: 22 }', 'error parse/name 2:13+3'],
    ['services: { a: 99999 }', 'error parse/port 2:16+5'],
    ['services: { a: [53/udp, 53/tcp] }', 'error parse/protocol-clash 2:25+6'],
    ['expect: [1 allow 22]', 'error parse/row 2:10+10'],
  ])('%s', (line, expected) => expect(findings(`version: 1\n${line}\n`)).toEqual([expected]));

  test.each([
    ['inbound: { rules: [{ action: deny, from: [] }] }', 'warning parse/empty-list 2:42+2', { from: [] }],
    ['sets: { a: [] }\ninbound: { rules: [deny from a] }', 'warning parse/empty-set 2:12+2', { from: [] }],
    ['sets: { a: { file: empty } }\ninbound: { rules: [deny from a] }', 'warning parse/empty-set 2:20+5', { from: [] }],
    ['sets: { a: }\ninbound: { rules: [deny from a] }', 'warning parse/empty-set 2:9+1', { from: [] }],
  ])('%s: empty is nothing, never any', (text, expected, match) => {
    const result = parse(`version: 1\n${text}\n`);
    expect(findings(`version: 1\n${text}\n`).map((line) => line.replace(/ \d.*/, ''))).toEqual([
      expected.replace(/ \d.*/, ''),
    ]);
    expect(result.ruleset!.inbound.rules[0].match).toMatchObject(match);
  });

  test('strict: a warning is an error', () => {
    const text = inbound('    - deny from 10.0.0.1/8\n');
    expect(findings(text)).toEqual(['warning parse/host-bits 4:17+10']);
    expect(parse(text).ruleset).not.toBeNull();
    expect(findings(text, true)).toEqual(['error parse/host-bits 4:17+10']);
    expect(parse(text, true).ruleset).toBeNull();
  });

  test('row numbers out of order are one note', () => {
    expect(findings(inbound('    - 1 allow 22\n    - 3 allow 23\n    - 9 allow 24\n'))).toEqual([
      'note parse/row-numbers 5:7+1',
    ]);
    expect(findings(inbound('    - 1 allow 22\n    - allow 99\n    - 2 allow 23\n'))).toEqual([]);
  });
});

test('five mistakes, five findings, from top to bottom, each with its code listed', () => {
  const text = `version: 1
interfaces: [eth0/1]
inbound:
  defalt: deny
  rules:
    - allow from 10.1/16
    - deny 0.0.0.0/0 Port 99999
    - { action: allow, port: 22, proto: icmp }
`;
  const { diagnostics } = parse(text);
  expect(diagnostics.filter(({ severity }) => severity === 'error').map(({ source }) => source.line)).toEqual([
    2, 4, 6, 7, 8,
  ]);
  for (const { code, hint, source } of diagnostics) {
    expect(Object.keys(CODES)).toContain(code);
    expect(source.file).toBe(FILE);
    if (code !== 'parse/port') expect(hint).toBeDefined();
  }
});

describe('set files on disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-parse-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const withSet = (path: string): ParseResult =>
    parseRuleset(`version: 1\nsets: { a: { file: ${JSON.stringify(path)} } }\n`, { file: join(folder, 'rules.yaml') });

  test('are read beside the ruleset; their findings have their own lines', () => {
    writeFileSync(join(folder, 'list'), '\ufeff10.0.0.0/8\n\n  10.0.0.1/8 # x\nfoo\n');
    const { diagnostics } = withSet('list');
    expect(diagnostics.map(({ code, source }) => [code, source.file, source.line, source.column])).toEqual([
      ['parse/host-bits', join(folder, 'list'), 3, 3],
      ['parse/address', join(folder, 'list'), 4, 1],
    ]);
  });

  test('a directory, a FIFO and a missing file are refused at once', () => {
    mkdirSync(join(folder, 'dir'));
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    expect(withSet('dir').diagnostics[0]).toMatchObject({
      code: 'parse/set-file',
      message: expect.stringContaining('regular') as string,
    });
    expect(withSet('fifo').diagnostics[0]).toMatchObject({
      code: 'parse/set-file',
      message: expect.stringContaining('regular') as string,
    });
    expect(withSet('missing').diagnostics[0]).toMatchObject({
      code: 'parse/set-file',
      message: expect.stringContaining('no such') as string,
    });
  });
});

describe('ceilings', () => {
  test('a rule too many', () => {
    const rows = Array.from({ length: 100_001 }, () => 'x').join('\n    ');
    const { diagnostics } = parse(`version: 1\ninbound:\n  rules: |\n    ${rows}\n`);
    expect(diagnostics.map(({ code }) => code)).toEqual(['parse/too-many-rules']);
    expect(diagnostics[0].message).toMatch(/100001 r.*100000/);
  });

  test('a set prefix too many', () => {
    const list = Buffer.from('192.0.2.1\n'.repeat(1_000_001));
    const { diagnostics } = parseRuleset('version: 1\nsets: { a: { file: big } }\n', {
      file: FILE,
      readFile: () => list,
    });
    expect(diagnostics.map(({ code }) => code)).toEqual(['parse/too-many-prefixes']);
    expect(diagnostics[0].message).toContain('1000000');
  });
});

test('no text of a user reaches a finding raw', () => {
  for (const text of ['>\u001b[31m', inbound('    - "allow \\e[31m"\n'), inbound('    - deny\u202e 22\n')]) {
    const { ruleset, diagnostics } = parse(text);
    const shown = diagnostics.map(({ message, hint }) => message + (hint ?? '')).join();
    expect(ruleset).toBeNull();
    for (const raw of ['\u001b', '\u202e']) expect(shown).not.toContain(raw);
  }
});
