import { DEFAULT_ETHERTYPES } from '../../../src/model/ruleset';
import { parseRuleset } from '../../../src/parse/parse';
import { findings, good, inbound } from './support';

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
      fragments: 'drop',
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
      logging: 'low',
      icmp: 'essentials',
      echo: { inAll: 1000, perSource: 10 },
      fragments: 'track',
      ethertypes: DEFAULT_ETHERTYPES,
      sets: [],
      guard: { keepReachable: [], rules: [] },
      inbound: { name: 'inbound', default: 'deny', rules: [] },
      outbound: { name: 'outbound', default: 'allow', rules: [] },
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

describe('slips of somebody new are one mistake each, with what to write', () => {
  test.each([
    ['version: 1\nrules:\n  - allow 22\n', 'parse/unknown-key', 'write it under inbound:'],
    [inbound('    - allow: 22/tcp\n'), 'parse/yaml-colon', 'write - allow 22/tcp'],
    ['version: 1\ninbound: { default: drop }\n', 'parse/bad-value', 'did you mean deny?'],
    ['version: 1\ninbound: { default: accept }\n', 'parse/bad-value', 'did you mean allow?'],
  ])('%j', (text, code, hint) => {
    const { diagnostics } = parseRuleset(text, { file: 'rules.yaml' });
    expect(diagnostics).toEqual([expect.objectContaining({ code, hint, severity: 'error' })]);
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
