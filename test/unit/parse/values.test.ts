import { CODES } from '../../../src/diagnostics/codes';
import { FILE, findings, good, inbound, parse } from './support';

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
    ['icmp: essential', 'error parse/wrong-type 2:7+9'],
    ['icmp: { echo-rate: 0 }', 'error parse/wrong-type 2:20+1'],
    ['icmp: { echo-rate: -1 }', 'error parse/wrong-type 2:20+2'],
    ['icmp: { echo-rate: 1000001 }', 'error parse/wrong-type 2:20+7'],
    ['icmp: { echo-rate: 10/s }', 'error parse/wrong-type 2:20+4'],
    ['icmp: { echo-rate-per-source: 1.5 }', 'error parse/wrong-type 2:31+3'],
    ['icmp: { echo-rates: 5 }', 'error parse/unknown-key 2:9+10'],
    ['icmp: { mode: rule }', 'error parse/bad-value 2:15+4'],
    ['icmp: { mode: rules, echo-rate: 5 }', 'error parse/bad-value 2:22+9'],
    ['icmp: [essentials]', 'error parse/wrong-type 2:7+1'],
    ['flows: { max: 1023 }', 'error parse/wrong-type 2:15+4'],
    ['flows: { max: 1000001 }', 'error parse/wrong-type 2:15+7'],
    ['flows: { max: many }', 'error parse/wrong-type 2:15+4'],
    ['flows: { maximum: 5000 }', 'error parse/unknown-key 2:10+7'],
    ['flows: 5000', 'error parse/wrong-type 2:8+4'],
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

  test.each([
    ['essentials', 'essentials', 1000, 10],
    ['Rules', 'rules', 1000, 10],
    ['{}', 'essentials', 1000, 10],
    ['{ mode: RULES }', 'rules', 1000, 10],
    ['{ echo-rate: 5 }', 'essentials', 5, 10],
    ['{ mode: essentials, echo-rate: 1000000, echo-rate-per-source: 1 }', 'essentials', 1_000_000, 1],
  ])('icmp: %s', (text, icmp, inAll, perSource) => {
    expect(good(`version: 1\nicmp: ${text}\n`)).toMatchObject({ icmp, echo: { inAll, perSource } });
  });

  test.each([
    ['{ max: 1024 }', 1024],
    ['{ max: 1000000 }', 1_000_000],
    ['{}', undefined],
  ])('flows: %s', (text, maxFlows) => {
    expect(good(`version: 1\nflows: ${text}\n`).maxFlows).toBe(maxFlows);
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

test('no text of a user reaches a finding raw', () => {
  for (const text of ['>\u001b[31m', inbound('    - "allow \\e[31m"\n'), inbound('    - deny\u202e 22\n')]) {
    const { ruleset, diagnostics } = parse(text);
    const shown = diagnostics.map(({ message, hint }) => message + (hint ?? '')).join();
    expect(ruleset).toBeNull();
    for (const raw of ['\u001b', '\u202e']) expect(shown).not.toContain(raw);
  }
});
