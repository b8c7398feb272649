import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { contentDigest } from '../../../src/operate/digest';
import {
  type EnforcedState,
  readEnforced,
  readEnforcedText,
  removeState,
  stateDirectory,
  type StateFolder,
  stateFolder,
  writeEnforced,
  writeStateFile,
} from '../../../src/operate/state-files';

let directory: string;
let folder: StateFolder;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-state-'));
  folder = stateFolder('host', directory);
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

const text = 'version: 1\n';
const state: EnforcedState = {
  file: '/etc/sluice/rules.yaml',
  textDigest: contentDigest(text),
  rulesetDigest: contentDigest('image'),
  generation: 7,
  appliedAt: '2026-01-02T03:04:05.000Z',
  interfaces: ['eth0'],
  mode: 'auto',
};

test('the directory comes from the environment, a folder from the namespace', () => {
  expect(stateDirectory({})).toBe('/var/lib/sluice');
  expect(stateDirectory({ SLUICE_STATE_DIR: '/tmp/x' })).toBe('/tmp/x');
  expect(stateFolder('4711', '/tmp/x').path).toBe('/tmp/x/4711');
  expect(() => stateFolder('../etc', '/tmp/x')).toThrow('namespace key');
});

test('what was enforced is read back, with its text', () => {
  expect(readEnforced(folder)).toEqual({ value: null });
  writeEnforced(folder, state, text);
  expect(readEnforced(folder)).toEqual({ value: state });
  expect(readEnforcedText(folder, state)).toBe(text);
  expect(fs.statSync(folder.path).mode & 0o7777).toBe(0o700);
});

test('only the newest text is kept', () => {
  writeEnforced(folder, state, text);
  const next = { ...state, generation: 8, textDigest: contentDigest('other') };
  writeEnforced(folder, next, 'other');
  expect(fs.readdirSync(folder.path)).toHaveLength(2);
  expect(readEnforcedText(folder, state)).toBeNull();
  expect(readEnforcedText(folder, next)).toBe('other');
  expect(() => writeEnforced(folder, next, text)).toThrow('digest');
});

test('a text that was tampered with is not believed', () => {
  writeEnforced(folder, state, text);
  const name = fs.readdirSync(folder.path).find((entry) => entry.endsWith('.text'))!;
  fs.appendFileSync(path.join(folder.path, name), '# more\n');
  expect(readEnforcedText(folder, state)).toBeNull();
});

test.each([
  ['half of it', (whole: string) => whole.slice(0, whole.length / 2)],
  ['empty', () => ''],
  ['no object', () => 'null'],
  ['another figure', (whole: string) => whole.replace('"generation":7', '"generation":9')],
  ['an older schema', (whole: string) => whole.replace('"schemaVersion":1', '"schemaVersion":0')],
])('a damaged file is set aside with a warning: %s', (_, damage) => {
  writeEnforced(folder, state, text);
  const file = path.join(folder.path, 'enforced.json');
  fs.writeFileSync(file, damage(fs.readFileSync(file, 'utf8')));
  const read = readEnforced(folder);
  expect(read.value).toBeNull();
  expect(read.warning).toMatch(/is damaged \(.+\); it was set aside as "/);
  expect(fs.existsSync(file)).toBe(false);
  expect(fs.readdirSync(folder.path).some((name) => name.startsWith('enforced.json.damaged-'))).toBe(true);
  expect(readEnforced(folder)).toEqual({ value: null });
  writeEnforced(folder, state, text);
  expect(readEnforced(folder).value).toEqual(state);
});

test('a well-sealed file with wrong fields is set aside too', () => {
  writeStateFile(folder, 'enforced.json', 1, { ...state, interfaces: 'eth0' });
  expect(readEnforced(folder).warning).toMatch(/fields are missing/);
});

test('a file of a newer version stays where it is', () => {
  writeStateFile(folder, 'enforced.json', 2, { anything: true });
  expect(readEnforced(folder).warning).toMatch(/newer version/);
  expect(fs.existsSync(path.join(folder.path, 'enforced.json'))).toBe(true);
});

test('removing', () => {
  writeEnforced(folder, state, text);
  removeState(folder);
  expect(fs.existsSync(folder.path)).toBe(false);
  removeState(folder);
});
