/** A section as a revision left it, from whatever of it is kept: never as another revision left it. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contentDigest } from '../../../src/operate/digest';
import { keepRevisionText, type Revision } from '../../../src/operate/history';
import { changesSince, SectionChangedError, sectionAt } from '../../../src/operate/section-history';
import type { StateFolder } from '../../../src/operate/state-files';

let folder: StateFolder;
beforeEach(() => (folder = { path: join(fs.mkdtempSync(join(tmpdir(), 'slc-sections-')), 'host') }));
afterEach(() => fs.rmSync(join(folder.path, '..'), { recursive: true }));

const DIGESTS = ['a', 'b', 'c'].map((digit) => digit.repeat(64));
const partOf = (n: number): string => `red:\n  rules: [allow ${n}/tcp]\n`;

/** A revision that changed this section, and left it so; its whole text is not kept. */
function revision(number: number, section: string, more: Partial<Revision> = {}): Revision {
  keepRevisionText(folder, partOf(number));
  return {
    ...{ number, generation: number, instance: 'i', digest: '', outcome: 'applied', what: 'apply', plan: '' },
    ...{ at: '2027-01-31T18:00:00.000Z', author: { user: 'a', uid: 1 }, sections: [section] },
    source: { file: '/rules.yaml', textDigest: contentDigest(`whole ${number}`) },
    after: { [section]: { digest: DIGESTS[number % 3], text: contentDigest(partOf(number)) } },
    ...more,
  };
}

test('what did not change it left it as the last change before it, that holds, did', () => {
  const revisions = [
    revision(4, 'red'),
    revision(5, 'red', { outcome: 'rolled-back-by-hand' }),
    revision(6, 'green'),
    revision(7, 'red'),
  ];
  const at = (i: number) => sectionAt(folder, { revisions, warnings: [] }, revisions[i], 'red');
  expect([at(0), at(1), at(2), at(3)].map(({ text }) => text)).toEqual([4, 5, 4, 7].map(partOf));
});

test('where a revision between is lost, it may have been a change of it', () => {
  const revisions = [revision(4, 'red'), revision(6, 'green')];
  const history = { revisions, warnings: [] };
  expect(() => sectionAt(folder, history, revisions[1], 'red')).toThrow('is not kept any more');
  const whole = `version: 1\nservers:\n  red:\n    address: 192.0.2.1\n    rules: [allow 5/tcp]\n`;
  keepRevisionText(folder, whole);
  const kept = { ...revisions[1], source: { file: '/rules.yaml', textDigest: contentDigest(whole) } };
  expect(sectionAt(folder, history, kept, 'red').text).toContain('allow 5/tcp');
});

test('a writer is told of what changed it after he saw it, and where that is not known of the last', () => {
  const revisions = [revision(1, 'red'), revision(2, 'green'), revision(3, 'red'), revision(5, 'red')];
  const since = (given: string): number[] =>
    changesSince({ revisions, warnings: [] }, 'red', given).map(({ number }) => number);
  expect(since(DIGESTS[1].slice(0, 7))).toEqual([3, 5]);
  expect(since(DIGESTS[0])).toEqual([5]);
  expect(since('0'.repeat(7))).toEqual([5]);
});

test('whoever saw a section that is gone is not told to name a digest that it has not', () => {
  const error = new SectionChangedError('red', { given: 'abcdef0', now: null, since: [] });
  expect(error.message).toBe('"red" is not as you saw it: its digest is none, not "abcdef0"');
  expect(error.hint).toBe('nothing was changed; sluice history red tells since when there is none');
});
