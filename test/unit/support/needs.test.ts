import { ESLint } from 'eslint';
import { compareReleases, judgeNeed, type Need } from '../../support/needs';

const need = (isMet: boolean, before?: string): Need => ({
  what: 'a hook',
  since: '6.6',
  ...(before !== undefined && { before }),
  isMet: () => isMet,
});

test('a test is left out only where its kernel is too old or too new, and fails where that should have it', () => {
  expect(judgeNeed(need(true), '6.18.44-x')).toBe('run');
  expect(judgeNeed(need(true), '6.1.0-18-amd64')).toBe('run');
  expect(judgeNeed(need(false), '6.1.0-18-amd64')).toBe('skip');
  expect(judgeNeed(need(false), '6.6.0')).toBe('broken');
  expect(judgeNeed(need(false), '6.18.44-x')).toBe('broken');
  expect(judgeNeed(need(false, '6.7'), '6.18.44-x')).toBe('skip');
  expect(judgeNeed(need(false, '6.7'), '6.6.9')).toBe('broken');
  expect(compareReleases('6.10', '6.9')).toBeGreaterThan(0);
  expect(compareReleases('5.19.1', '6.1')).toBeLessThan(0);
  expect(compareReleases('6.18.3', '6.18.44-x')).toBe(0);
});

test('every other way to leave a test out is refused', async () => {
  const eslint = new ESLint({
    overrideConfigFile: true,
    overrideConfig: [{ files: ['**/*.js'], rules: { 'no-restricted-syntax': skipRule() } }],
  });
  const problems = async (text: string): Promise<number> => (await eslint.lintText(text))[0].messages.length;
  for (const text of [
    'test.skip("x", f);',
    'it.skip("x", f);',
    'describe.skip("x", f);',
    '(a ? test : test.skip)("x", f);',
    'test.skip.each([1])("x", f);',
    'test.todo("x");',
    'test.only("x", f);',
    'xtest("x", f);',
    'xit("x", f);',
    'xdescribe("x", f);',
    'test["skip"]("x", f);',
  ])
    expect([text, await problems(text)]).toEqual([text, 1]);
  expect(await problems('test("x", f); test.each([1])("y", f); rows.skip(3);')).toBe(0);
});

function skipRule(): never {
  const config =
    jest.requireActual<{ files?: string[]; rules?: Record<string, unknown> }[]>('../../../eslint.config.js');
  return config.find(({ files }) => files?.includes('test/**/*.ts'))!.rules!['no-restricted-syntax'] as never;
}
