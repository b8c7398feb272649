import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { execFileSync } from 'node:child_process';
import { contentDigest } from '../../../src/operate/digest';
import { MAX_RULESET_BYTES, readRulesetText, rulesetPath, writeRulesetText } from '../../../src/operate/ruleset-file';

let folder: string;
beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-file-'))));
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const file = (name = 'rules.yaml', text = 'version: 1\n'): string => {
  fs.writeFileSync(path.join(folder, name), text, { mode: 0o640 });
  return path.join(folder, name);
};
const refusal = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'nothing was refused';
};

test('the option names the file, then the environment, then the default', () => {
  expect(rulesetPath('/a/b.yaml', { SLUICE_CONFIG: '/c' })).toBe('/a/b.yaml');
  expect(rulesetPath(undefined, { SLUICE_CONFIG: 'c' })).toBe(path.resolve('c'));
  expect(rulesetPath(undefined, { SLUICE_CONFIG: '' })).toBe('/etc/sluice/rules.yaml');
  expect(rulesetPath('-', {})).toBe('-');
});

test('reading gives the text and the digest of the bytes', () => {
  const name = file('bom.yaml', '\ufeffversion: 1\r\n');
  const read = readRulesetText(name);
  expect(read).toEqual({ path: name, text: '\ufeffversion: 1\r\n', digest: contentDigest(fs.readFileSync(name)) });
});

test('standard input is read as well, and never written', () => {
  const script = `require('@swc/core'); const { transformFileSync } = require('@swc/core'); const Module = require('module');
    Module._extensions['.ts'] = (m, f) => m._compile(transformFileSync(f, { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'commonjs' } }).code, f);
    process.stdout.write(JSON.stringify(require('./src/operate/ruleset-file.ts').readRulesetText('-')));`;
  const cwd = path.resolve(__dirname, '../../..');
  const out = execFileSync(process.execPath, ['-e', script], { cwd, input: 'version: 1\n', encoding: 'utf8' });
  expect(JSON.parse(out)).toEqual({ path: '-', text: 'version: 1\n', digest: contentDigest('version: 1\n') });
  expect(refusal(() => writeRulesetText('-', 'x', null))).toBe('file/standard-input');
});

test('what cannot be a ruleset file is refused by name', () => {
  expect(refusal(() => readRulesetText(path.join(folder, 'none')))).toBe('file/missing');
  expect(refusal(() => readRulesetText(folder))).toBe('file/not-regular');
  execFileSync('mkfifo', [path.join(folder, 'fifo')]);
  expect(refusal(() => readRulesetText(path.join(folder, 'fifo')))).toBe('file/not-regular');
  expect(refusal(() => readRulesetText('/dev/null'))).toBe('file/not-regular');
  const binary = file('binary');
  fs.writeFileSync(binary, Buffer.from([0x61, 0xff, 0xfe]));
  expect(refusal(() => readRulesetText(binary))).toBe('file/encoding');
  const huge = file('huge');
  fs.truncateSync(huge, MAX_RULESET_BYTES + 1);
  expect(refusal(() => readRulesetText(huge))).toBe('file/too-large');
  expect(refusal(() => writeRulesetText(huge, 'x'.repeat(MAX_RULESET_BYTES + 1), null))).toBe('file/too-large');
});

test('a file that opens and cannot be read is named', () => {
  expect(refusal(() => readRulesetText('/proc/self/mem'))).toBe('file/read');
});

test('writing keeps mode and a symbolic link, and leaves nothing beside the file', () => {
  const name = file();
  fs.chmodSync(name, 0o600);
  const link = path.join(folder, 'link.yaml');
  fs.symlinkSync('rules.yaml', link);
  const written = writeRulesetText(link, 'version: 1\n# new\n', readRulesetText(link).digest);
  expect(written.digest).toBe(readRulesetText(name).digest);
  expect(fs.lstatSync(link).isSymbolicLink()).toBe(true);
  expect(fs.readFileSync(name, 'utf8')).toBe('version: 1\n# new\n');
  expect(fs.statSync(name).mode & 0o7777).toBe(0o600);
  expect(fs.readdirSync(folder).sort()).toEqual(['link.yaml', 'rules.yaml']);
});

test('a file somebody else changed, made or removed is not overwritten', () => {
  const name = file();
  const { digest } = readRulesetText(name);
  fs.appendFileSync(name, '# by hand\n');
  expect(refusal(() => writeRulesetText(name, 'x', digest))).toBe('file/changed');
  expect(refusal(() => writeRulesetText(name, 'x', null))).toBe('file/changed');
  expect(fs.readFileSync(name, 'utf8')).toBe('version: 1\n# by hand\n');
  fs.rmSync(name);
  expect(refusal(() => writeRulesetText(name, 'x', digest))).toBe('file/changed');
  expect(fs.readdirSync(folder)).toEqual([]);
});

test('a new file is made with its folder', () => {
  const name = path.join(folder, 'etc', 'sluice', 'rules.yaml');
  writeRulesetText(name, 'version: 1\n', null);
  expect(readRulesetText(name).text).toBe('version: 1\n');
  expect(fs.statSync(name).mode & 0o7777).toBe(0o644);
});
