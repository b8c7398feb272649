import { findings, good, inbound, parse } from './support';

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
    const before = process.cpuUsage();
    parse(`version: 1\ninbound:\n  rules: |\n    ${row}${' '.repeat(300_000)}x\n`);
    parse(inbound(`    - ${row}${' '.repeat(300_000)}x\n`));
    // CPU time, in microseconds: the machine may be slow, and have other things to do.
    expect(process.cpuUsage(before).user).toBeLessThan(15_000_000);
  });

  test('an action alone is a key, not a row that lost its colon', () => {
    expect(findings('version: 1\nlimit: 5\n')).toEqual(['error parse/unknown-key 2:1+5']);
    expect(findings(inbound('    - { action: allow, port: 22, limit: 5 }\n'))).toEqual([
      'error parse/wrong-type 4:41+1',
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
