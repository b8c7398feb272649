/** Long texts are the same object as long as their bytes are, and bytes are those of the text. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beginDigest, contentDigest } from '../../../src/operate/digest';
import { bytesOf } from '../../../src/operate/long-text';
import { readRulesetText, writeRulesetText } from '../../../src/operate/ruleset-file';
import { beginKeepText, keepBegunText, stateFolder, textFile } from '../../../src/operate/state-files';
import { beginExchange } from '../../../src/operate/text-file';
import { Random, testSeed } from '../../support/generate/random';

const LONG = `# ${'é'.repeat(100_000)}\n`;
let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'slc-long-'));
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

test('what is read again is what stands there, whatever was read before', () => {
  const file = join(directory, 'rules.yaml');
  for (const text of [LONG, LONG.replace('é', 'è'), LONG, `\ufeff${LONG}`, LONG.slice(1)]) {
    fs.writeFileSync(file, text, { mode: 0o600 });
    expect(readRulesetText(file).text).toBe(text);
    expect(bytesOf(text).equals(Buffer.from(text))).toBe(true);
    expect(contentDigest(text)).toBe(contentDigest(Buffer.from(text)));
  }
  fs.writeFileSync(file, Buffer.concat([Buffer.from(LONG), Buffer.of(0xff)]));
  expect(() => readRulesetText(file)).toThrow(/is not UTF-8 text/);
  fs.writeFileSync(file, `${LONG}\u001c`);
  expect(() => readRulesetText(file)).toThrow(/U\+001C/);
});

test('an edit of a known text has its own bytes, wherever it is and whatever it is of', () => {
  const random = new Random(testSeed(4402));
  const pieces = ['deny from 192.0.2.7\n', 'é', 'ü✓', '😀', '😁', '\u{1F600}\u{10FFFF}', '\n', '', '\ud83d', '\ude00'];
  for (const start of [`# ${'a line of it\n'.repeat(9000)}`, `# ${'😀é\n'.repeat(30_000)}`]) {
    let text = start;
    for (let round = 0; round < 60; round++) {
      const at = random.between(0, text.length);
      const taken = random.between(0, 3);
      const put = Array.from({ length: random.between(0, 3) }, () => random.pick(pieces)).join('');
      const next = text.slice(0, at) + put + text.slice(at + taken);
      expect({ round, same: bytesOf(next).equals(Buffer.from(next)) }).toEqual({ round, same: true });
      // Half a character goes on with what is read of it.
      if (Buffer.from(next).toString() === next) text = next;
    }
    expect(text).not.toBe(start);
  }
});

test('a digest that another thread makes is the digest', async () => {
  for (const text of [LONG, `${LONG}#`, 'short\n', LONG])
    expect([await beginDigest(text), contentDigest(text)]).toEqual(Array(2).fill(contentDigest(Buffer.from(text))));
});

test('half a character is not read back as one', () => {
  const file = join(directory, 'rules.yaml');
  fs.writeFileSync(file, LONG, { mode: 0o600 });
  writeRulesetText(file, `${LONG}# \ud800\n`, contentDigest(LONG));
  expect(readRulesetText(file).text).toBe(`${LONG}# \ufffd\n`);
});

test('a text that was begun is kept whole, and given up without a trace', async () => {
  const folder = stateFolder('host', join(directory, 'state'));
  await beginKeepText(folder, LONG)();
  expect(fs.existsSync(folder.path)).toBe(false);
  fs.mkdirSync(folder.path, { recursive: true, mode: 0o700 });
  const file = textFile(folder, contentDigest(LONG));
  const giveUp = beginKeepText(folder, LONG);
  expect(fs.existsSync(file)).toBe(false);
  await giveUp();
  expect(fs.readdirSync(folder.path)).toEqual([]);
  for (const text of [LONG, 'short\n']) {
    const done = beginKeepText(folder, text);
    expect(fs.readdirSync(folder.path).filter((name) => name.endsWith('.new'))).toHaveLength(text === LONG ? 1 : 0);
    await keepBegunText(folder, text);
    await done();
    const kept = textFile(folder, contentDigest(text));
    expect(fs.readFileSync(kept, 'utf8')).toBe(text);
    expect(fs.statSync(kept).mode & 0o777).toBe(0o600);
  }
  await keepBegunText(folder, 'never begun\n');
  expect(fs.readdirSync(folder.path)).toHaveLength(3);
});

test('a file that is written while something else is done is exchanged as any other, or as it was', async () => {
  const file = join(directory, 'rules.yaml');
  fs.writeFileSync(file, LONG, { mode: 0o640 });
  const next = LONG.replace('é', 'è');
  const given = beginExchange(file, next);
  await given.ready;
  expect(fs.readdirSync(directory)).toHaveLength(2);
  await given.giveUp();
  expect([fs.readdirSync(directory), fs.readFileSync(file, 'utf8')]).toEqual([['rules.yaml'], LONG]);

  const begun = beginExchange(file, next);
  await begun.ready;
  const [beside] = fs.readdirSync(directory).filter((name) => name.endsWith('.new'));
  const { ino } = fs.statSync(join(directory, beside));
  writeRulesetText(file, next, contentDigest(LONG));
  await begun.giveUp();
  expect([fs.readdirSync(directory), fs.readFileSync(file, 'utf8')]).toEqual([['rules.yaml'], next]);
  expect(fs.statSync(file)).toMatchObject({ ino, mode: 0o100640 });

  // Who may read it has changed meanwhile, or somebody has saved it.
  const late = beginExchange(file, LONG);
  await late.ready;
  fs.chmodSync(file, 0o600);
  writeRulesetText(file, LONG, contentDigest(next));
  await late.giveUp();
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  const lost = beginExchange(file, next);
  await lost.ready;
  fs.writeFileSync(file, `${LONG}# saved\n`);
  expect(() => writeRulesetText(file, next, contentDigest(LONG))).toThrow(/changed by somebody else/);
  await lost.giveUp();
  expect([fs.readdirSync(directory), fs.readFileSync(file, 'utf8')]).toEqual([['rules.yaml'], `${LONG}# saved\n`]);
});
