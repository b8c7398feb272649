import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { LogFile, logFiles } from '../../../src/serve/log-file';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), `slc-log-${process.pid}-`))));
afterEach(() => rmSync(directory, { recursive: true }));
const path = (): string => join(directory, 'deep', 'sluice.log');
const open = (bytes = 100, keep = 2): LogFile => new LogFile({ path: path(), bytes, keep });
const read = (suffix = ''): string => readFileSync(path() + suffix, 'utf8');

test('lines are appended, also by the next writer', () => {
  for (const lines of [['one', 'two'], [], ['three']]) {
    const log = open();
    log.append(lines);
    log.close();
  }
  expect(read()).toBe('one\ntwo\nthree\n');
  expect(statSync(path()).mode & 0o007).toBe(0);
});

test('it is bounded: so many files of so many bytes', () => {
  const log = open(100, 2);
  for (let i = 0; i < 50; i++) log.append([`line ${String(i).padStart(3, '0')} of ${'x'.repeat(20)}`]);
  log.close();
  expect(logFiles(path())).toEqual([`${path()}.2`, `${path()}.1`, path()]);
  for (const file of logFiles(path())) expect(statSync(file).size).toBeLessThanOrEqual(100);
  // Nothing is missing between the files, and the newest line is the last.
  const numbers = logFiles(path()).flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/line (\d+)/g)].map((match) => Number(match[1])),
  );
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => 50 - numbers.length + i));
  expect(log.lastLine()).toMatch(/^line 049/);
});

test('none is kept where none is to be', () => {
  const log = open(20, 0);
  for (let i = 0; i < 5; i++) log.append([`a line of ${i} bytes`]);
  log.close();
  expect(logFiles(path())).toEqual([path()]);
  expect(read()).toBe('a line of 4 bytes\n');
});

test('a line larger than the bound is written all the same', () => {
  const log = open(10);
  log.append(['x'.repeat(50)]);
  log.append(['y'.repeat(50)]);
  log.close();
  expect([read('.1').length, read().length]).toEqual([51, 51]);
});

test('a file that was moved away is left alone, and a new one begun', () => {
  const log = open();
  log.append(['one']);
  renameSync(path(), `${path()}.moved`);
  log.append(['two']);
  rmSync(path());
  log.append(['three']);
  log.close();
  expect([read('.moved'), read()]).toEqual(['one\n', 'three\n']);
});

test('half a line of a writer that was killed goes; the last whole one is found', () => {
  const first = open();
  first.append(['one', 'two']);
  first.close();
  appendFileSync(path(), 'half of thr');
  const log = open();
  expect(log.lastLine()).toBe('two');
  log.append(['three']);
  log.close();
  expect(read()).toBe('one\ntwo\nthree\n');
});

test('the last line is found where the file was just rotated, and null where there is none', () => {
  const log = open();
  expect(log.lastLine()).toBeNull();
  log.append(['one']);
  renameSync(path(), `${path()}.1`);
  writeFileSync(path(), '');
  expect(log.lastLine()).toBe('one');
  log.close();
});

test('what cannot be written throws and leaves whole lines', () => {
  const log = new LogFile({ path: '/dev/full', bytes: 1000, keep: 0 });
  expect(() => log.append(['one'])).toThrow('ENOSPC');
  log.close();
  expect(existsSync('/dev/full')).toBe(true);
  const folder = new LogFile({ path: directory, bytes: 1000, keep: 0 });
  expect(() => folder.append(['one'])).toThrow('EISDIR');
});

test('a pipe in its place stops nobody, and a symbolic link leads nowhere', () => {
  mkdirSync(dirname(path()));
  execFileSync('mkfifo', [path()]);
  const log = open();
  expect(() => log.lastLine()).toThrow('is a pipe, not a file');
  expect(() => log.append(['one'])).toThrow('is a pipe, not a file');
  rmSync(path());
  // Not even what looks like half a line of ours is cut off another file.
  const other = join(directory, 'other');
  writeFileSync(other, 'half a line');
  symlinkSync(other, path());
  expect(() => log.lastLine()).toThrow('is a symbolic link, which is not followed');
  expect(() => log.append(['one'])).toThrow('is a symbolic link, which is not followed');
  expect(readFileSync(other, 'utf8')).toBe('half a line');
  rmSync(path());
  log.append(['one']);
  log.close();
  expect(read()).toBe('one\n');
});
