import { execFileSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRuleset, type ParseResult } from '../../../src/parse/parse';

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
