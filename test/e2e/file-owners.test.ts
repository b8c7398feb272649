/** What sluice does for root alone with the ruleset file: whose it may be, and whose it stays. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { readRulesetText, writeRulesetText } from '../../src/operate/ruleset-file';

let folder: string;
let file: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-owners-'));
  file = path.join(folder, 'rules.yaml');
  fs.writeFileSync(file, 'version: 1\n', { mode: 0o640 });
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const expectRead = (): void => expect(readRulesetText(file).text).toBe('version: 1\n');
const expectUnsafe = (): void =>
  expect(() => readRulesetText(file)).toThrow(expect.objectContaining({ code: 'file/unsafe' }) as Error);

test('a file that others may write is refused', () => {
  fs.chmodSync(file, 0o666);
  expectUnsafe();
  fs.chmodSync(file, 0o664);
  expectRead();
  fs.chownSync(file, 0, 100);
  expectUnsafe();
});

test('a file in a folder where others may replace it is refused', () => {
  fs.chmodSync(folder, 0o777);
  expectUnsafe();
  fs.chmodSync(folder, 0o1777);
  expectRead();
});

test('writing keeps whose file it is', () => {
  fs.chownSync(file, 1000, 1001);
  const written = writeRulesetText(file, 'version: 1\n# new\n', readRulesetText(file).digest);
  expect(written.digest).toBe(readRulesetText(file).digest);
  const { mode, uid, gid } = fs.statSync(file);
  expect([mode & 0o7777, uid, gid]).toEqual([0o640, 1000, 1001]);
});
