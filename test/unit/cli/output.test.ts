import { statSync } from 'node:fs';
import { SluiceError } from '../../../src/kernel/errors';
import { Output } from '../../../src/cli/output';
import { renderTable } from '../../../src/cli/table';

/** What a call writes to stdout and stderr. */
function written(call: () => void): string {
  let text = '';
  const take = (chunk: unknown): boolean => {
    text += String(chunk);
    return true;
  };
  const spies = [process.stdout, process.stderr].map((stream) => jest.spyOn(stream, 'write').mockImplementation(take));
  try {
    call();
  } finally {
    spies.forEach((spy) => {
      spy.mockRestore();
    });
  }
  return text;
}

const HOSTILE = '\u001b[2Jcleared\u009b0m\u202eesrever\u{e0001}';
const UNSAFE = /[^\n\t\P{C}]/u;

test.each([
  ['a line', (output: Output) => output.line(HOSTILE)],
  ['talk', (output: Output) => output.say(HOSTILE)],
  ['an exception', (output: Output) => void output.failure(new SluiceError('x/y', HOSTILE, { hint: HOSTILE }))],
])('%s cannot steer the terminal', (_, write) => {
  const text = written(() => write(new Output(false)));
  expect(text).toContain('\\x1b[2Jcleared\\x9b0m\\u202eesrever\\u{e0001}');
  expect(text).not.toMatch(UNSAFE);
});

test('JSON neither, and it says the same', () => {
  const text = written(() => {
    new Output(true).document({ text: HOSTILE });
  });
  expect(text).not.toMatch(UNSAFE);
  expect((JSON.parse(text) as { text: string }).text).toBe(HOSTILE);
});

test('lines and tabs of a text stay', () => {
  expect(
    written(() => {
      new Output(false).line('a\n\tb');
    }),
  ).toBe('a\n\tb\n');
});

test('a failed system call is told without the stack of the program', () => {
  const text = written(() => {
    try {
      statSync('/nowhere/at/all');
    } catch (error) {
      expect(new Output(false).failure(error)).toBe(1);
    }
  });
  expect(text).toBe("error: ENOENT: no such file or directory, stat '/nowhere/at/all'\n");
});

test('columns stand straight under wide characters', () => {
  const lines = renderTable(
    [{ title: 'a' }, { title: 'b' }],
    [
      ['管理', 'x'],
      ['plain', 'y'],
    ],
  ).split('\n');
  expect(lines).toEqual(['a      b', '管理   x', 'plain  y']);
});

describe('what a command is at', () => {
  const columns = process.stderr.columns;
  let tty: boolean;
  let now: number;
  beforeEach(() => {
    tty = process.stderr.isTTY;
    Object.assign(process.stderr, { isTTY: true, columns: 20 });
    now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
  });
  afterEach(() => {
    Object.assign(process.stderr, { isTTY: tty, columns });
    jest.restoreAllMocks();
  });

  test('is told after a second, in one line that other talk takes the place of', () => {
    const text = written(() => {
      const output = new Output(false);
      output.progress('one');
      output.say('early');
      now = 1500;
      output.progress('two');
      output.progress('a name with\u001b[2J much in it');
      output.say('late');
      output.endProgress();
    });
    expect(text).toBe('early\n\r\u001b[Ktwo\r\u001b[Ka name with\\x1b[2J\r\u001b[Klate\n');
  });

  test('at once where it is known to take longer; never in JSON, and nowhere but at a terminal', () => {
    const told = (output: Output): string =>
      written(() => {
        output.progress('reading …', true);
        output.endProgress();
      });
    expect(told(new Output(false))).toBe('\r\u001b[Kreading …\r\u001b[K');
    expect(told(new Output(true))).toBe('');
    Object.assign(process.stderr, { isTTY: false });
    expect(told(new Output(false))).toBe('');
  });
});
