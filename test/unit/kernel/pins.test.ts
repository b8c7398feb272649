import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PinLayout } from '../../../src/kernel/pins';

let parent: string;
let pins: PinLayout;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), `slc-${process.pid}-pins-`));
  pins = new PinLayout(7n, join(parent, 'sluice'));
});
afterEach(() => {
  rmSync(parent, { recursive: true, force: true });
});

test('what it makes is its own, and goes as a whole', () => {
  pins.create();
  expect(() => pins.assertOurs()).not.toThrow();
  pins.removeAll();
  expect(existsSync(join(parent, 'sluice'))).toBe(false);
});

test('clearing keeps the directory itself, which may be locked; an empty one goes, one that is used stays', () => {
  pins.create();
  mkdirSync(join(pins.directory, 'strange'));
  const { ino } = statSync(pins.directory);
  pins.removeEmpty();
  expect(existsSync(join(pins.directory, 'state'))).toBe(true);
  pins.clear();
  expect([readdirSync(pins.directory), statSync(pins.directory).ino]).toEqual([[], ino]);
  pins.removeEmpty();
  expect(existsSync(join(parent, 'sluice'))).toBe(false);
  pins.removeEmpty();
});

test('a directory that is open to others is refused', () => {
  pins.create();
  chmodSync(pins.directory, 0o755);
  expect(() => pins.assertOurs()).toThrow('does not belong to sluice');
});

test('so is one that stands in a directory open to others', () => {
  mkdirSync(join(parent, 'sluice'));
  chmodSync(join(parent, 'sluice'), 0o777);
  expect(() => pins.create()).toThrow(`"${join(parent, 'sluice')}" does not belong to sluice`);
});

test('a symbolic link is not followed, wherever it leads', () => {
  const elsewhere = join(parent, 'elsewhere');
  mkdirSync(join(elsewhere, 'links'), { recursive: true, mode: 0o700 });
  chmodSync(elsewhere, 0o700);
  writeFileSync(join(elsewhere, 'links', 'kept'), '');
  mkdirSync(join(parent, 'sluice'), { mode: 0o700 });
  symlinkSync(elsewhere, pins.directory);
  expect(() => pins.create()).toThrow('a symbolic link');
  expect(existsSync(join(elsewhere, 'links', 'kept'))).toBe(true);
});

test('nothing is made where a symbolic link leads', () => {
  const elsewhere = join(parent, 'elsewhere');
  mkdirSync(elsewhere, { mode: 0o700 });
  symlinkSync(elsewhere, join(parent, 'sluice'));
  expect(() => pins.claim()).toThrow(
    expect.objectContaining({ hint: expect.stringMatching(/then: rm \S*sluice$/) as string }) as Error,
  );
  expect(readdirSync(elsewhere)).toEqual([]);
});

test('a dangling link is there, and not ours', () => {
  mkdirSync(join(parent, 'sluice'), { mode: 0o700 });
  symlinkSync(join(parent, 'nowhere'), pins.directory);
  expect(pins.exists()).toBe(true);
  expect(() => pins.assertOurs()).toThrow('a symbolic link');
});

test('what stands in the way of the directory is named', () => {
  writeFileSync(join(parent, 'sluice'), '');
  expect(() => pins.create()).toThrow(/does not belong to sluice: owner \d+, not a directory/);
});

test('links come by the number of their interface', () => {
  pins.create();
  for (const name of ['10-xdp', '9-egress', '9-xdp', 'other']) writeFileSync(join(pins.directory, 'links', name), '');
  expect(pins.links().map(({ ifindex }) => ifindex)).toEqual([9, 9, 10]);
});
