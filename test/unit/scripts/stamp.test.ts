import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Step {
  name: string;
  inputs: string[];
  outputs: string[];
  extra: string[];
}
const { digest, filesUnder, isFresh, writeStamp } = jest.requireActual<{
  digest: (root: string, paths: string[], extra?: string[]) => string;
  filesUnder: (root: string, paths: string[]) => string[];
  isFresh: (root: string, step: Step) => boolean;
  writeStamp: (root: string, step: Step, inputs: string) => void;
}>('../../../scripts/lib/stamp.js');
const { lockfilesAgree } = jest.requireActual<{
  lockfilesAgree: (wanted: Record<string, object>, installed: Record<string, object>) => boolean;
}>('../../../scripts/lib/npm-packages.js');

describe('stamps', () => {
  const step: Step = { name: 'step', inputs: ['in', 'one.txt'], outputs: ['out.bin'], extra: ['v1'] };
  let root: string;
  const write = (name: string, text: string): void => writeFileSync(join(root, name), text);
  const stamp = (): void => writeStamp(root, step, digest(root, step.inputs, step.extra));

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'sluice-stamp-'));
    mkdirSync(join(root, 'in/deep'), { recursive: true });
    write('in/b', 'b');
    write('in/deep/a', 'a');
    write('one.txt', '1');
    write('out.bin', 'made');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  test('files are found below folders, in order; what is absent gives nothing', () => {
    expect(filesUnder(root, ['one.txt', 'in', 'gone'])).toEqual(['in/b', 'in/deep/a', 'one.txt']);
  });

  test('a step never run is not fresh, one that ran is', () => {
    expect(isFresh(root, step)).toBe(false);
    stamp();
    expect(isFresh(root, step)).toBe(true);
  });

  test.each([
    ['an input changed', () => write('in/deep/a', 'A')],
    ['an input was added', () => write('in/c', '')],
    ['an input went', () => rmSync(join(root, 'one.txt'))],
    ['the output changed', () => write('out.bin', 'tampered')],
    ['the output went', () => rmSync(join(root, 'out.bin'))],
  ])('not fresh: %s', (_, change) => {
    stamp();
    change();
    expect(isFresh(root, step)).toBe(false);
  });

  test('not fresh: another version of the tool', () => {
    stamp();
    expect(isFresh(root, { ...step, extra: ['v2'] })).toBe(false);
  });

  test('bytes moved from one file to the next are a change', () => {
    write('in/b', 'ba');
    write('in/deep/a', '');
    const moved = digest(root, ['in']);
    write('in/b', 'b');
    write('in/deep/a', 'a');
    expect(digest(root, ['in'])).not.toBe(moved);
  });
});

describe('lockfilesAgree', () => {
  const a = { version: '1.0.0', integrity: 'x' };

  test('the root entry and absent optional packages do not matter', () => {
    expect(lockfilesAgree({ '': { name: 'sluice' }, a, other: { ...a, optional: true } }, { a })).toBe(true);
  });

  test.each([
    ['a missing package', { a, b: a }, { a }],
    ['another version', { a }, { a: { ...a, version: '1.0.1' } }],
    ['another content', { a }, { a: { ...a, integrity: 'y' } }],
    ['one too many', { a }, { a, b: a }],
  ])('%s', (_, wanted, installed) => {
    expect(lockfilesAgree(wanted, installed)).toBe(false);
  });
});
