import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { compile } from '../../../src/compile/compile';
import { contentDigest } from '../../../src/operate/digest';
import {
  type GenerationRecord,
  readGenerationRecord,
  readRecordFile,
  writeGenerationRecord,
} from '../../../src/operate/generation-record';
import { type PackedRuleset, packRanks, packRuleset, unpackRuleset } from '../../../src/operate/packed-ruleset';
import { packLists, walkRuleset } from '../../../src/operate/shared-lists';
import {
  type EnforcedState,
  readEnforced,
  keepText,
  readEnforcedText,
  removeOtherTexts,
  removeState,
  stateDirectory,
  type StateFolder,
  stateFolder,
  writeEnforced,
  writeStateFile,
} from '../../../src/operate/state-files';
import { parseRuleset } from '../../../src/parse/parse';

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

test('a text that may become the enforced one is kept beside it, and goes when another is enforced', () => {
  writeEnforced(folder, state, text);
  keepText(folder, 'other');
  const other = { textDigest: contentDigest('other') };
  expect([readEnforcedText(folder, state), readEnforcedText(folder, other)]).toEqual([text, 'other']);
  keepText(folder, 'third');
  removeOtherTexts(folder, [state.textDigest, other.textDigest]);
  expect(readEnforcedText(folder, { textDigest: contentDigest('third') })).toBeNull();
  writeEnforced(folder, { ...state, ...other }, null);
  expect([readEnforcedText(folder, state), readEnforcedText(folder, other)]).toEqual([null, 'other']);
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

describe('the record of a generation', () => {
  const TEXT = `version: 1
sets: { office: [203.0.113.0/24, 2001:db8:77::/48], home: [198.51.100.7] }
guard: { keep-reachable: [allow from office to any port 22] }
inbound: { rules: [allow from office to any port 80, deny from home, "allow from office,home to any port 81", allow from any to home] }
outbound: { rules: [deny out to office] }
expect: [{ from: home, port: 80, verdict: deny }]
`;
  const record = (): GenerationRecord => {
    const { ruleset, diagnostics } = parseRuleset(TEXT, { file: state.file });
    if (!ruleset) throw new Error(JSON.stringify(diagnostics));
    const { ranks, ...image } = compile(ruleset);
    return {
      ...{ generation: 7, instance: 'here', since: state.appliedAt, digest: image.digest, datapath: '' },
      ...{ counterSlots: image.counterSlots, imageBytes: image.bytes.length, features: image.features },
      ...{
        sections: image.sections,
        ranks: ranks.map(({ rank, section, tier, action, id }) => ({ rank, section, tier, action, id })),
      },
      ...{ source: { file: state.file, textDigest: state.textDigest }, ruleset },
    };
  };

  test('holds each list once, and gives rows that shared one the same again', () => {
    const written = record();
    writeGenerationRecord(folder, written);
    const text = fs.readFileSync(path.join(folder.path, 'generation-7.json'), 'utf8');
    // The set, and the list that the row of two sets joined from it.
    expect(text.split(String(0xcb007100))).toHaveLength(1 + 2);
    const read = readGenerationRecord(folder, 7, 'here')!;
    expect(read).toEqual(JSON.parse(JSON.stringify(written)));
    const { sets, guard, inbound, outbound } = read.ruleset;
    for (const rule of [guard.keepReachable[0], inbound.rules[0]]) expect(rule.match.from).toBe(sets[0].addresses);
    expect(outbound.rules[0].match.to).toBe(sets[0].addresses);
    expect(compile(read.ruleset).digest).toBe(written.digest);
  });

  test('of the versions before is read too', () => {
    const old = record();
    writeStateFile(folder, 'generation-7.json', 2, old);
    expect(readGenerationRecord(folder, 7, 'here')).toEqual(JSON.parse(JSON.stringify(old)));
    const { lists, packed } = packLists(old.ruleset, walkRuleset);
    writeStateFile(folder, 'generation-7.json', 3, { ...old, lists, ruleset: packed });
    expect(readGenerationRecord(folder, 7, 'here')).toEqual(JSON.parse(JSON.stringify(old)));
  });

  test.each([
    ['a list', { lists: [] }, /a list of addresses is missing/],
    ['the end of a list', { lists: [[4, 1]] }, /a list of addresses is broken/],
    ['the family of a list', { lists: [[5, 1, 32]] }, /a list of addresses is broken/],
    ['a file', { files: [] }, /the file of a row is missing/],
  ])('without %s it is damaged', (_, damage, what) => {
    const { ruleset, ranks, ...rest } = record();
    const body = { ...rest, packed: { ...packRuleset(ruleset), ...damage }, ranks: packRanks(ranks) };
    writeStateFile(folder, 'generation-7.json', 4, body);
    expect(readRecordFile(folder, 'generation-7.json').warning).toMatch(what);
  });

  test('a row comes back as it was, usual or not', () => {
    const rows = [
      'deny 22/tcp',
      '{ action: limit, port: 80/tcp, limit: 3/10s, id: l, enabled: false, note: n, owner: o, review: 2030-01-01 }',
      '1 Deny 0.0.0.0/0 Port 14141',
      'allow from 0.0.0.0/0 to any port 8080',
      '{ action: allow, proto: icmp, icmp-type: 13/0, family: ipv4, log: all }',
      'allow from any port 53 proto udp until 2090-01-01',
    ];
    const { ruleset, diagnostics } = parseRuleset(
      `version: 1\nicmp: rules\ninbound:\n  rules:\n${rows.map((row) => `    - ${row}\n`).join('')}`,
      { file: 'a.yaml' },
    );
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    const packed = JSON.parse(JSON.stringify(packRuleset(ruleset!))) as PackedRuleset;
    expect(unpackRuleset(packed)).toEqual(ruleset);
    expect((packed.ruleset as { inbound: { rules: unknown[] } }).inbound.rules[0]).toEqual({
      id: expect.any(String) as string,
      action: 'deny',
      match: { protocols: [6], toPorts: [{ first: 22, last: 22 }] },
      text: 'deny 22/tcp',
      source: [0, 5, 7, 47, 11],
    });
  });
});

test('what is too large to be read again is not written', () => {
  const megabyte = 'x'.repeat(2 ** 20);
  const write = (): void => writeStateFile(folder, 'large.json', 1, Array<string>(256).fill(megabyte));
  expect(write).toThrow('would have more than 256 MiB');
  expect(fs.existsSync(path.join(folder.path, 'large.json'))).toBe(false);
});
