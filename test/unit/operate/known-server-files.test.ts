/** Files of servers that a process has read are not read again as long as nothing about them has changed. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readParts } from '../../../src/operate/server-folder';

const directory = fs.mkdtempSync(join(tmpdir(), 'slc-folder-'));
const main = join(directory, 'rules.yaml');
const path = (name: string): string => join(directory, 'servers.d', `${name}.yaml`);
fs.mkdirSync(join(directory, 'servers.d'), { mode: 0o700 });

afterEach(() => {
  jest.restoreAllMocks();
});
afterAll(() => {
  fs.rmSync(directory, { recursive: true });
});

function texts(): string[] {
  return readParts(main, 'servers.d').map((part) => part.text);
}

/** As if what was written had been written a minute ago. */
function later(): void {
  const now = Date.now() + 60_000;
  jest.spyOn(Date, 'now').mockImplementation(() => now);
}

test('what is written, replaced or taken away is seen, whenever it happens', () => {
  fs.writeFileSync(path('red'), 'one', { mode: 0o600 });
  fs.writeFileSync(path('blue'), 'two', { mode: 0o600 });
  expect(texts()).toEqual(['two', 'one']);
  // At once, and of the same length: times may be as they were.
  fs.writeFileSync(path('red'), 'six');
  expect(texts()).toEqual(['two', 'six']);
  later();
  expect(texts()).toEqual(['two', 'six']);
  expect(texts()).toEqual(['two', 'six']);
  jest.restoreAllMocks();
  fs.writeFileSync(path('other'), 'ten', { mode: 0o600 });
  fs.renameSync(path('other'), path('red'));
  later();
  expect(texts()).toEqual(['two', 'ten']);
  fs.rmSync(path('blue'));
  expect(texts()).toEqual(['ten']);
  fs.writeFileSync(path('blue'), 'new', { mode: 0o600 });
  expect(texts()).toEqual(['new', 'ten']);
});

test('a file that others may write is refused, though its text is known', () => {
  later();
  texts();
  fs.chmodSync(path('red'), 0o666);
  if (process.geteuid!() === 0) expect(texts).toThrow(/can be written by everybody/);
  fs.chmodSync(path('red'), 0o600);
  expect(texts()).toEqual(['new', 'ten']);
});
