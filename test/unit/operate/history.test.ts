/** Revisions: kept, bounded, damaged, cut short. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChangeNote } from '../../../src/operate/change-note';
import { contentDigest } from '../../../src/operate/digest';
import type { GenerationRecord } from '../../../src/operate/generation-record';
import {
  addEnd,
  addRevision,
  catchUp,
  currentRevision,
  endPending,
  endTrials,
  findRevision,
  keepRevisionText,
  keepRevisionTexts,
  readHistory,
  readRevisionText,
  readSectionText,
  tolerate,
} from '../../../src/operate/history';
import {
  OWNERS_REVISIONS_MAX,
  REVISIONS_MAX,
  SECTION_BYTES_MAX,
  SERVER_REVISIONS_MAX,
  TEXT_BYTES_MAX,
  beyondBounds,
  textsToKeep,
} from '../../../src/operate/history-bounds';
import { describeRevision } from '../../../src/operate/render-history';
import type { StateFolder } from '../../../src/operate/state-files';
import { parseRuleset } from '../../../src/parse/parse';
import { sectionDigest } from '../../../src/operate/section-digest';
import { statesOf } from '../../../src/operate/section-state';
import { ruleset } from '../../support/findings';

let directory: string;
let folder: StateFolder;

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'slc-history-'));
  folder = { path: join(directory, 'host') };
});

afterEach(() => {
  fs.rmSync(directory, { recursive: true });
});

const note = (what: string, n: number): ChangeNote => ({
  what,
  at: new Date(Date.UTC(2027, 0, 31, 18, 0, n)).toISOString(),
  author: { user: 'alice', uid: 1000, from: '203.0.113.9' },
  plan: 'no changes\n',
  sections: ['inbound'],
});

/** The record of a generation whose file held `text`. */
const record = (
  generation: number,
  text = `text ${generation}`,
  more: Partial<GenerationRecord> = {},
): GenerationRecord => ({
  ...{ generation, instance: 'i', since: '', digest: contentDigest(`image ${text}`), datapath: '' },
  ...{ counterSlots: 0, imageBytes: 0, features: {} as never, sections: [], ranks: [], ruleset: ruleset([]) },
  source: { file: '/etc/sluice/rules.yaml', textDigest: contentDigest(text) },
  change: note(`apply ${generation}`, generation),
  ...more,
});

/** What an apply does that nothing interrupts. */
function apply(generation: number, text = `text ${generation}`): void {
  keepRevisionText(folder, text);
  addRevision(folder, record(generation, text), 'applied');
}

const numbers = (): number[] => readHistory(folder).revisions.map(({ number }) => number);
const files = (): string[] => fs.readdirSync(join(folder.path, 'history')).sort();

test('revisions in order, texts once each, found by number and digest', () => {
  expect(readHistory(folder)).toEqual({ revisions: [], warnings: [] });
  expect(currentRevision(readHistory(folder))).toBeNull();
  apply(1);
  apply(2, 'other');
  apply(3, 'text 1');
  const history = readHistory(folder);
  expect(history.revisions.map(({ number, what }) => [number, what])).toEqual([
    [1, 'apply 1'],
    [2, 'apply 2'],
    [3, 'apply 3'],
  ]);
  expect(files().filter((name) => name.endsWith('.text'))).toHaveLength(2);
  expect(readRevisionText(folder, history.revisions[2])).toBe('text 1');
  expect(findRevision(history, '2').number).toBe(2);
  expect(findRevision(history, contentDigest('text 1').slice(0, 9)).number).toBe(3);
  for (const wrong of ['4', '0', 'abc', '', '../1', contentDigest('other').slice(0, 6)])
    expect(() => findRevision(history, wrong)).toThrow(`there is no revision "${wrong}"`);
  expect(describeRevision(history.revisions[0])).toBe(
    '1  2027-01-31 18:00:01 UTC  alice from 203.0.113.9: apply 1; applied',
  );
  expect(fs.statSync(join(folder.path, 'history')).mode & 0o777).toBe(0o700);
  expect(fs.statSync(join(folder.path, 'history', '1.json')).mode & 0o777).toBe(0o600);
});

test('the same change twice is one revision', () => {
  apply(1);
  apply(1);
  catchUp(folder, { record: record(1), pending: null });
  expect(numbers()).toEqual([1]);
});

test('at most so many, the oldest go with their texts, and no number comes back', () => {
  for (let n = 1; n <= REVISIONS_MAX + 3; n++) apply(n);
  expect(numbers()[0]).toBe(4);
  expect(numbers()).toHaveLength(REVISIONS_MAX);
  expect(files().filter((name) => name.endsWith('.text'))).toHaveLength(REVISIONS_MAX);
  expect(() => findRevision(readHistory(folder), '1')).toThrow('there is no revision "1"');
});

test('texts take so many bytes at most, but the newest two stay; what was changed is told of all', () => {
  const big = (n: number): string => `${n}`.repeat(30 * 1024 * 1024);
  const kept = (): boolean[] => readHistory(folder).revisions.map((one) => readRevisionText(folder, one) !== null);
  for (let n = 1; n <= 3; n++) apply(n, big(n));
  expect(kept()).toEqual([false, true, true]);
  apply(4, 'x'.repeat(70 * 1024 * 1024));
  expect(kept()).toEqual([false, false, true, true]);
  expect(files().filter((name) => name.endsWith('.text'))).toHaveLength(2);
});

test('nobody pushes out what another did', () => {
  const by = (ownerOf: string | undefined, i: number) => ({
    author: { user: 'u', uid: 1, ...(ownerOf !== undefined && { ownerOf }) },
    source: { textDigest: `whole ${ownerOf} ${i}` },
    after: { [ownerOf ?? 'inbound']: { digest: null, text: `part ${ownerOf} ${i}` } },
    name: `${ownerOf} ${i}`,
  });
  const many = (ownerOf: string | undefined, count: number) => Array.from({ length: count }, (_, i) => by(ownerOf, i));
  const all = [...many(undefined, 5), ...many('quiet', 3), ...many('busy', 500)];
  const gone = beyondBounds(all).map(({ name }) => name);
  expect(gone).toEqual(
    all
      .slice(8, 508 - SERVER_REVISIONS_MAX)
      .map(({ name }) => name)
      .reverse(),
  );
  const crowd = Array.from({ length: 50 }, (_, i) => many(`s${i}`, SERVER_REVISIONS_MAX)).flat();
  expect(beyondBounds([...many(undefined, 3), ...crowd])).toHaveLength(crowd.length - OWNERS_REVISIONS_MAX);
  expect(beyondBounds(many(undefined, REVISIONS_MAX + 2))).toHaveLength(2);
  // Whole texts of the operator's go last but the newest two; those of sections have room of their own.
  const third = TEXT_BYTES_MAX / 3;
  const kept = textsToKeep([...many(undefined, 2), ...many('busy', 4)], (digest) =>
    digest.startsWith('part') ? 10 : third,
  );
  expect([...kept].filter((digest) => digest.startsWith('whole')).sort()).toEqual([
    ...['whole busy 2', 'whole busy 3', 'whole undefined 1'],
  ]);
  expect([...kept].filter((digest) => digest.startsWith('part'))).toHaveLength(6);
  const parts = textsToKeep(many('busy', 4), (digest) => (digest.startsWith('part') ? SECTION_BYTES_MAX / 2 : 0));
  expect([...parts].filter((digest) => digest.startsWith('part'))).toEqual(['part busy 3', 'part busy 2']);
});

test('a section is found by its digest, and its text is kept beside the whole', () => {
  const text = 'version: 1\ninbound:\n  default: allow\n';
  const { ruleset: parsed } = parseRuleset(text, { file: 'x' });
  const after = statesOf({ file: 'x', text, ruleset: parsed! }, ['inbound', 'outbound']);
  expect(after).toEqual({
    inbound: { digest: sectionDigest(parsed!, 'inbound'), text: contentDigest('inbound:\n  default: allow\n') },
    outbound: { digest: sectionDigest(parsed!, 'outbound') },
  });
  const change = { ...note('apply', 1), after };
  keepRevisionTexts(folder, { file: 'x', text, ruleset: parsed! }, change);
  addRevision(folder, record(1, text, { change }), 'applied');
  const history = readHistory(folder);
  expect(findRevision(history, after.inbound.digest!.slice(0, 8)).number).toBe(1);
  expect(readSectionText(folder, history.revisions[0], 'inbound')).toBe('inbound:\n  default: allow\n');
  expect(readSectionText(folder, history.revisions[0], 'outbound')).toBeNull();
});

test('of a change of very many sections those that have an owner are told of', () => {
  const servers = Array.from({ length: 65 }, (_, i) => {
    const owner = i === 7 ? '\n    owner: { group: blue }' : '';
    return `  s${i}:\n    address: 192.0.2.${i + 1}${owner}\n    rules: [allow 1/tcp]\n`;
  });
  const text = `version: 1\nservers:\n${servers.join('')}`;
  const { ruleset: parsed } = parseRuleset(text, { file: 'x' });
  const names = parsed!.servers!.map(({ name }) => name);
  const written = { file: 'x', text, ruleset: parsed! };
  expect(statesOf(written, names)).toEqual({ s7: { digest: sectionDigest(parsed!, 's7'), group: 'blue' } });
  const few = statesOf(written, names.slice(0, 64));
  expect(Object.keys(few)).toHaveLength(64);
  expect([few.s0.digest, few.s0.text?.length]).toEqual([sectionDigest(parsed!, 's0'), 64]);
});

test('each change returns the history as it then is read, from what was read before', () => {
  const same = (returned: ReturnType<typeof readHistory>): typeof returned => {
    // As JSON, in which what is undefined is left out.
    expect(JSON.parse(JSON.stringify(returned))).toEqual(readHistory(folder));
    return returned;
  };
  let known = same(addRevision(folder, record(1), 'applied'));
  known = same(addRevision(folder, record(1), 'applied', known));
  expect(known.revisions).toHaveLength(1);
  known = same(addRevision(folder, record(2), 'pending', known));
  same(endPending(folder, 'confirmed', { by: { user: 'bob', uid: 1001 }, known }));
  same(catchUp(folder, { record: record(2), pending: {} }));
  known = same(catchUp(folder, { record: record(3), pending: null }));
  expect(known.revisions.map(({ outcome }) => outcome)).toEqual(['applied', 'rolled-back-by-hand', 'applied']);
  for (let generation = 4; generation <= REVISIONS_MAX + 2; generation++)
    known = addRevision(folder, record(generation), 'applied', known);
  expect(same(known).revisions).toHaveLength(REVISIONS_MAX);
});

test('what waited: confirmed, taken back, over, or gone with a boot, whoever writes it down', () => {
  const pending = (generation: number): void => {
    addRevision(folder, record(generation), 'pending');
  };
  apply(1);
  pending(2);
  expect(currentRevision(readHistory(folder))?.number).toBe(2);
  endPending(folder, 'rolled-back-by-deadline', { record: record(2) });
  expect(currentRevision(readHistory(folder))?.number).toBe(1);
  // Several that waited over one another end together.
  pending(3);
  pending(4);
  endPending(folder, 'confirmed', { by: { user: 'bob', uid: 1001 }, record: record(4) });
  expect(readHistory(folder).revisions.map(({ outcome }) => outcome)).toEqual([
    'applied',
    'rolled-back-by-deadline',
    'confirmed',
    'confirmed',
  ]);
  expect(describeRevision(readHistory(folder).revisions[3])).toMatch(/; confirmed by bob$/);
  // A rollback that was cut short before the kernel heard of it, then confirmed all the same.
  pending(5);
  endPending(folder, 'rolled-back-by-hand', { record: record(5) });
  catchUp(folder, { record: record(5, undefined, { confirm: { seconds: 60, ifindexes: [] } }), pending: {} });
  expect(readHistory(folder).revisions[4]).toMatchObject({ outcome: 'pending' });
  expect(readHistory(folder).revisions[4].ended).toBeUndefined();
  catchUp(folder, { record: record(5, undefined, { confirm: { seconds: 60, ifindexes: [] } }), pending: null });
  expect(readHistory(folder).revisions[4]).toMatchObject({ outcome: 'confirmed' });
  pending(6);
  catchUp(folder, { record: record(5), pending: null });
  expect(readHistory(folder).revisions[5]).toMatchObject({ outcome: 'rolled-back-by-hand' });
});

test('servers that wait by themselves go on while all else ends, and end with the changes they began with', () => {
  const waiting = (generation: number, ...began: number[]): GenerationRecord =>
    record(generation, undefined, {
      trials: [
        {
          ...{ previous: null as never, word: 1, seconds: 60, before: '', edited: true },
          began: began.map((one) => ({ generation: one, at: record(one).change!.at })),
        },
      ],
    });
  const outcomes = (): string[] => readHistory(folder).revisions.map(({ outcome }) => outcome);
  apply(1);
  // Cut short before its revision was written.
  catchUp(folder, { record: waiting(2, 2), pending: null });
  expect(outcomes()).toEqual(['applied', 'pending']);
  const later = waiting(3, 2, 3);
  catchUp(folder, { record: later, pending: null });
  addRevision(folder, record(4), 'pending');
  endPending(folder, 'rolled-back-by-deadline', { record: { ...later, ...record(4), trials: later.trials! } });
  expect(outcomes()).toEqual(['applied', 'pending', 'pending', 'rolled-back-by-deadline']);
  endTrials(folder, 'another', later.trials!, { outcome: 'confirmed' });
  expect(outcomes()[1]).toBe('pending');
  endTrials(folder, 'i', later.trials!, { outcome: 'confirmed', by: { user: 'bob', uid: 1001 } });
  endTrials(folder, 'i', later.trials!, { outcome: 'rolled-back-by-hand' });
  expect(outcomes()).toEqual(['applied', 'confirmed', 'confirmed', 'rolled-back-by-deadline']);
});

test('a process that was killed between the change and its revision: the next one writes it', () => {
  keepRevisionText(folder, 'text 1');
  catchUp(folder, { record: record(1), pending: null });
  expect(readHistory(folder).revisions[0]).toMatchObject({ what: 'apply 1', outcome: 'applied' });
  // What a boot loads again is no change of anybody's.
  const again = record(2);
  Reflect.deleteProperty(again, 'change');
  catchUp(folder, { record: again, pending: null });
  catchUp(folder, null);
  expect(numbers()).toEqual([1]);
});

test('the end of enforcement is a revision without a text', () => {
  apply(1);
  addEnd(folder, note('disable', 9));
  const [, end] = readHistory(folder).revisions;
  expect(end).toMatchObject({ number: 2, source: null, generation: null, what: 'disable' });
  expect(readRevisionText(folder, end)).toBeNull();
});

test.each([
  ['empty', ''],
  ['half', '{"schemaVersion":1,"checks'],
  ['not JSON', '\u0000\u0001'],
  ['of another kind', '[1]'],
  ['unsealed', '{"schemaVersion":1,"checksum":"","body":{"number":2}}'],
])('a revision that is %s is said and set aside; the others stay, its number is not used again', (_what, content) => {
  apply(1);
  apply(2);
  apply(3);
  fs.writeFileSync(join(folder.path, 'history', '3.json'), content);
  const { revisions, warnings } = readHistory(folder);
  expect(revisions.map(({ number }) => number)).toEqual([1, 2]);
  expect(warnings.join()).toMatch(/history\/3\.json" is damaged .* set aside/);
  apply(4);
  expect(numbers()).toEqual([1, 2, 4]);
});

test('another body under the right checksum is no revision either', () => {
  apply(1);
  const file = join(folder.path, 'history', '1.json');
  const sealed = (body: unknown): string => {
    const text = JSON.stringify(body);
    return `{"schemaVersion":1,"checksum":"${contentDigest(text)}","body":${text}}\n`;
  };
  const { body } = JSON.parse(fs.readFileSync(file, 'utf8')) as { body: object };
  const hostile = [
    ...[null, [], 7, { ...body, number: 2 }, { ...body, at: 'yesterday' }, { ...body, outcome: 'fine' }],
    ...[
      { ...body, author: null },
      { ...body, source: { file: 1 } },
      { ...body, sections: 'inbound' },
    ],
    ...[
      { ...body, source: { file: '/x', textDigest: '../../../etc/shadow' } },
      { ...body, reason: {} },
    ],
  ];
  for (const one of hostile) {
    fs.writeFileSync(file, sealed(one));
    expect(readHistory(folder)).toMatchObject({ revisions: [], warnings: [expect.stringContaining('damaged')] });
  }
});

test('no file where a file, or the folder, should be: said, and never thrown at who enforces', () => {
  apply(1);
  fs.mkdirSync(join(folder.path, 'history', '2.json'));
  expect(numbers()).toEqual([1]);
  expect(readHistory(folder).warnings.join()).toContain('2.json');
  apply(3);
  expect(numbers()).toEqual([1, 3]);
  fs.rmSync(join(folder.path, 'history'), { recursive: true });
  fs.writeFileSync(join(folder.path, 'history'), '');
  expect(readHistory(folder)).toEqual({ revisions: [], warnings: [] });
  expect(
    tolerate(() => {
      apply(4);
    }),
  ).toContain('history');
});

test('a text that is not the one its name says is lost, and mended by the next change to it', () => {
  apply(1);
  const [name] = files().filter((one) => one.endsWith('.text'));
  fs.writeFileSync(join(folder.path, 'history', name), 'something else');
  expect(readRevisionText(folder, readHistory(folder).revisions[0])).toBeNull();
  apply(2, 'text 1');
  expect(readRevisionText(folder, readHistory(folder).revisions[0])).toBe('text 1');
});
