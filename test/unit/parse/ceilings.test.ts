import { parseRuleset } from '../../../src/parse/parse';
import { FILE, parse } from './support';

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
