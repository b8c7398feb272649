/** The text of one section goes from any layout into any other; what stands beside it keeps every byte. */
import { parse } from 'yaml';
import { takeLines } from '../../../src/operate/edit/section-lines';
import { putText, takeText } from '../../../src/operate/edit/section-text';

const BLOCK = `# top
version: 1
inbound:   # the door
  default: deny
  # rows
  rules:
    - allow 443/tcp   # web
    # the last word

servers:
  # about a
  a:
    address: 192.0.2.1
    rules: |
      allow 1/tcp
      # no comment of YAML
    # below a
  # about b
  "b":
    address: 192.0.2.2   # b's own
    rules:
    - allow 2/tcp
    - deny 3/tcp # shut


  c: { address: 192.0.2.3, rules: [allow 4/tcp] }   # c
  d: {
    address: 192.0.2.4,
    rules: [allow 5/tcp]
    }
# about what goes out
outbound: { default: allow }
`;
const FLOW = `{version: 1, inbound: {default: allow}, servers: {a: {address: 192.0.2.9, rules: []}, e: {address: 192.0.2.5}}}\n`;
const JSON_TEXT = JSON.stringify(
  { version: 1, servers: { a: { address: '192.0.2.8', rules: ['deny 9/tcp'] } } },
  null,
  2,
);
const EMPTY = 'version: 1\nservers: {}   # none yet\n';
const NOTHING = 'version: 1\nservers:\noutbound: { default: allow }';
const BARE = 'version: 1';
const WINDOWS = BLOCK.replaceAll('\n', '\r\n');
const TEXTS = { BLOCK, FLOW, JSON_TEXT, EMPTY, NOTHING, BARE, WINDOWS };
const PATHS = [['inbound'], ['outbound'], ['servers', 'a'], ['servers', 'b'], ['servers', 'c'], ['servers', 'd']];
PATHS.push(['servers', 'a', 'rules'], ['servers', 'e']);

type Plain = Record<string, Record<string, unknown> | undefined> | null;
const valueAt = (text: string, path: readonly string[]): unknown =>
  path.reduce<unknown>((at, key) => (at as Plain)?.[key], parse(text));
/** The document without what the path names, and without maps that are empty then. */
function without(text: string, path: readonly string[]): unknown {
  const strip = (value: unknown, [key, ...rest]: readonly string[]): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).map(([name, one]): [string, unknown] => [
      name,
      name === key && rest.length > 0 ? strip(one, rest) : one,
    ]);
    const left = entries.filter(([name, one]) => name !== key || (rest.length > 0 && !isEmpty(one)));
    return Object.fromEntries(left);
  };
  return strip(parse(text), path);
}
const isEmpty = (value: unknown): boolean =>
  value === null || (typeof value === 'object' && Object.keys(value).length === 0);

test.each(Object.keys(TEXTS) as (keyof typeof TEXTS)[])('everything into %s', (name) => {
  const text = TEXTS[name];
  let put = 0;
  for (const [from, other] of Object.entries(TEXTS))
    for (const path of PATHS) {
      const part = takeText(other, path);
      if (path.length > 2 && (valueAt(text, path) === undefined || part === null)) continue;
      const result = putText(text, path, part!);
      const where = { from, path, result };
      expect({ ...where, is: typeof result }).toEqual({ ...where, is: 'string' });
      expect({ ...where, value: valueAt(result!, path) }).toEqual({ ...where, value: valueAt(other, path) });
      expect({ ...where, rest: without(result!, path) }).toEqual({ ...where, rest: without(text, path) });
      put++;
    }
  expect(put).toBeGreaterThan(40);
});

test('there and back again is the same text, and a line beside it never changes', () => {
  for (const path of PATHS) {
    const part = takeText(BLOCK, path);
    if (part === null) continue;
    expect(putText(BLOCK, path, part!)).toBe(BLOCK);
    expect(putText(WINDOWS, path, part!)).toBe(WINDOWS);
  }
  expect(putText(BLOCK, ['servers', 'b'], 'b: { address: 192.0.2.7 }\n')).toBe(
    BLOCK.replace(/ {2}"b":[^]*# shut\n/, '  b: { address: 192.0.2.7 }\n'),
  );
  expect(putText(BLOCK, ['servers', 'a'], null)).toBe(BLOCK.replace(/ {2}a:[^]*# below a\n/, ''));
  expect(putText(BLOCK, ['servers', 'z'], 'z:\n  address: 192.0.2.7 # z\n')).toBe(
    BLOCK.replace('    }\n', '    }\n  z:\n    address: 192.0.2.7 # z\n'),
  );
});

test('lines found by their offset are those found by their key; what is not in lines of its own is not', () => {
  for (const text of [BLOCK, WINDOWS]) {
    expect(takeLines(text, text.indexOf('inbound:'))).toBe(takeText(text, ['inbound']));
    expect(takeLines(text, text.indexOf('a:\n') < 0 ? text.indexOf('a:\r') : text.indexOf('a:\n'))).toBe(
      takeText(text, ['servers', 'a']),
    );
    expect(takeLines(text, text.indexOf('"b"'))).toBe(takeText(text, ['servers', 'b']));
  }
  for (const key of ['  c:', '  d:', '\noutbound:']) expect(takeLines(BLOCK, BLOCK.indexOf(key) + 1)).toBeNull();
  expect(takeLines(FLOW, FLOW.indexOf('a:'))).toBeNull();
  // The brace that closes may stand no deeper than the key.
  for (const lineEnd of ['\n', '\r\n']) {
    const below = 'servers:\n  a: # x\n\n    # y\n    {\n      address: 192.0.2.1\n  }\n'.replaceAll('\n', lineEnd);
    expect(takeLines(below, below.indexOf('a:'))).toBeNull();
  }
});

test('what is written elsewhere is said to be, and is not taken for nothing', () => {
  const text =
    'version: 1\nx: &rules [allow 1/tcp]\nservers:\n  a: { address: 192.0.2.1, rules: *rules }\n  b: &b { address: 192.0.2.2 }\n';
  expect(takeText(text, ['servers', 'a', 'rules'])).toBeUndefined();
  expect(takeText(text, ['servers', 'b'])).toBeUndefined();
  expect(takeText(text, ['servers', 'c'])).toBeNull();
  expect(takeText('version: 1\nservers: *x\n', ['servers', 'a'])).toBeUndefined();
  expect(putText('version: 1\nx: &s {}\nservers: *s\n', ['servers', 'a'], 'a: {}\n')).toBeNull();
});
