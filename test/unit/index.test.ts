import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

// The built package as its users load it: by name, through the exports of package.json, in a process of its own.
const ROOT = join(__dirname, '../..');

function run(code: string, ...flags: string[]): unknown {
  const text = execFileSync(process.execPath, [...flags, '-e', code], { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' });
  return JSON.parse(text);
}

const USE = `
  const text = 'version: 1\\ninterfaces: [eth0]\\ninbound: { default: deny, rules: [allow 22/tcp] }\\n';
  const { ruleset, diagnostics } = parseRuleset(text, { file: 'rules.yaml' });
  const image = compile(ruleset);
  const frame = new Uint8Array(13);
  console.log(JSON.stringify({
    findings: diagnostics.length,
    decision: evaluate(ruleset, frame),
    interpreted: interpretFrame(image, frame),
    ranks: image.ranks.map(({ id }) => id),
  }));
`;
const TOO_SHORT = { section: 'inbound', tier: '1', verdict: 'deny', reason: 'too-short', rule: null };

describe('the package', () => {
  beforeAll(() => {
    if (!existsSync(join(ROOT, 'dist/index.js'))) throw new Error('dist is missing: npm run build');
  });

  test.each([
    ['require', `const { parseRuleset, compile, evaluate, interpretFrame } = require('sluice');${USE}`, []],
    [
      'import',
      `import { parseRuleset, compile, evaluate, interpretFrame } from 'sluice';${USE}`,
      ['--input-type=module'],
    ],
  ])('loads by %s, and judges without a kernel', (_, code, flags) => {
    const result = run(code, ...flags) as { findings: number; decision: object; interpreted: object; ranks: string[] };
    expect(result.decision).toMatchObject(TOO_SHORT);
    expect(result.interpreted).toMatchObject(TOO_SHORT);
    expect(result.ranks.at(-1)).toBe('default');
    expect(result.ranks).toHaveLength(3);
  });

  test('does not touch the addon before it is needed', () => {
    const code = `require('sluice'); console.log(JSON.stringify(Object.keys(require.cache).filter((f) => f.endsWith('.node'))))`;
    expect(run(code)).toEqual([]);
  });

  test('brings its schema', () => {
    expect(run(`console.log(JSON.stringify(require('sluice/schema.json').title))`)).toBe('sluice ruleset');
  });

  test('keeps its inside to itself', () => {
    expect(() => run(`require('sluice/dist/model/evaluate.js')`)).toThrow(/ERR_PACKAGE_PATH_NOT_EXPORTED/);
  });
});
