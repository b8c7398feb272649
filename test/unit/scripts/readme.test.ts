import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rulesetJsonSchema } from '../../../src/parse/schema';
import { UNSUPPORTED_RULE_KEYS } from '../../../src/parse/unsupported';

const { contents, fillRegions, table } = jest.requireActual<{
  contents: (text: string) => string;
  fillRegions: (text: string, sections: Record<string, (argument?: string) => string>) => string;
  table: (head: string[], rows: string[][]) => string;
}>('../../../scripts/lib/readme.js');

const region = (name: string, inside: string): string => `<!-- generated: ${name} -->\n${inside}<!-- /generated -->\n`;

describe('fillRegions', () => {
  test('replaces what is inside and leaves the rest', () => {
    const text = `# Title\n\n${region('codes', 'old\n')}\nbetween\n\n${region('more', '')}end\n`;
    const filled = fillRegions(text, { codes: () => 'new $& text\n', more: () => 'm' });
    expect(filled).toBe(
      `# Title\n\n${region('codes', '\nnew $& text\n\n')}\nbetween\n\n${region('more', '\nm\n\n')}end\n`,
    );
  });

  test('filling twice changes nothing more', () => {
    const once = fillRegions(region('codes', ''), { codes: () => 'x' });
    expect(fillRegions(once, { codes: () => 'x' })).toBe(once);
  });

  test('hands the words behind the name to the section', () => {
    expect(fillRegions(region('file first match', ''), { file: (name) => `<${name ?? ''}>` })).toContain(
      '<first match>',
    );
  });

  test('a region that nobody fills', () => {
    expect(() => fillRegions(region('codes', ''), {})).toThrow('no generator for the region "codes"');
  });

  test('a region that is never closed', () => {
    const open = '<!-- generated: codes -->\nold\n';
    expect(() => fillRegions(open, { codes: () => 'x' })).toThrow('1 regions are opened, 0 closed');
    expect(() => fillRegions(open + region('codes', ''), { codes: () => 'x' })).toThrow('"codes" is never closed');
  });
});

test('table escapes pipes', () => {
  expect(table(['a', 'b'], [['1|2', '3']])).toBe('| a | b |\n| --- | --- |\n| 1\\|2 | 3 |');
});

test('contents: chapters with their parts, as GitHub names anchors; headings in blocks are none', () => {
  const text = '# Title\n## One\n### A `part`, and more\n### B\n```sh\n## not this\n```\n## What it *does* not\n';
  expect(contents(text).split('\n')).toEqual([
    '- [One](#one): [A `part`, and more](#a-part-and-more) · [B](#b)',
    '- [What it *does* not](#what-it-does-not)',
  ]);
});

describe.each(['README.md', 'src/README.md', 'bpf/README.md', 'test/bench/README.md'])('%s', (name) => {
  const root = join(__dirname, '../../..');
  const text = readFileSync(join(root, name), 'utf8').replace(/^```.*?^```/gms, '');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);

  test('leads to headings and files that are there', () => {
    const anchors = new Set([...contents(text).matchAll(/\]\((#[^)]+)\)/g)].map(([, anchor]) => anchor));
    const lost = links.filter((target) => {
      if (target.startsWith('#')) return !anchors.has(target);
      return !/^https?:/.test(target) && !existsSync(join(root, dirname(name), target));
    });
    expect(lost).toEqual([]);
  });
});

describe('the reference', () => {
  const readme = readFileSync(join(__dirname, '../../../README.md'), 'utf8');
  /** First cells of the tables that begin with `| key |`. */
  const documented = new Set(
    [...readme.matchAll(/^\| key \|.*\n\|.*\n((?:\|.*\n)+)/gm)]
      .flatMap(([, rows]) => rows.split('\n'))
      .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, key]) => key)),
  );

  test('names every key of a ruleset and of a rule, and no other', () => {
    const { properties } = rulesetJsonSchema() as { properties: Record<string, Shape> };
    const sections = ['guard', 'inbound', 'outbound'];
    const keys = Object.keys(properties).filter((key) => !['$schema', ...sections].includes(key));
    for (const name of sections) keys.push(...Object.keys(properties[name].properties!).map((key) => `${name}.${key}`));
    const rows = properties.inbound.properties!.rules.anyOf!.find(({ type }) => type === 'array')!;
    const rule = rows.items!.anyOf!.find(({ type }) => type === 'object')!;
    keys.push(...Object.keys(rule.properties!).filter((key) => !Object.hasOwn(UNSUPPORTED_RULE_KEYS, key)));
    expect([...documented].sort()).toEqual(keys.sort());
  });
});

interface Shape {
  readonly type?: string;
  readonly anyOf?: readonly Shape[];
  readonly items?: Shape;
  readonly properties?: Readonly<Record<string, Shape>>;
}
