/** Who keeps a row of a ruleset keeps nothing else of its text: a daemon remembers rows of many texts. */
import { checkRuleset } from '../../../src/operate/check';
import { ownText } from '../../../src/parse/own-text';
import { inUse } from '../../support/in-use';

const LENGTH = 1 << 20;
const TEXTS = 40;
const WARM_UP = 8;

/** A ruleset of a mebibyte, nearly all of it a comment; another each time. */
function rulesText(i: number): string {
  const rules = [
    '- deny from 192.0.2.0/24 to 198.51.100.0/24 port 80 proto tcp',
    `- { id: a-name-of-some-length, action: deny, from: 203.0.113.${i}, to: 198.51.100.0/24, port: 443, proto: udp }`,
    `- { action: allow, from: "2001:db8::${i}", note: "a note of some length", owner: somebody-or-other }`,
    "- allow log from 192.0.2.9 port 8000:8080 comment 'another note of some length'",
  ].join('\n      ');
  return Buffer.from(
    `version: 1\n#${String(i).padEnd(LENGTH, 'x')}\ninbound:\n  rules:\n      ${rules}\nservers:\n` +
      `  a-server-of-some-length:\n    address: 198.51.100.7\n    target: 192.168.100.100\n` +
      `    owner: { group: a-group-of-some-length }\n    rules:\n      ${rules}\n`,
  ).toString();
}

test('what is kept of a text does not keep the text', () => {
  const kept: unknown[] = [];
  const keep = (from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      const { ruleset, image, diagnostics } = checkRuleset('rules.yaml', rulesText(i));
      expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
      kept.push(ruleset!.inbound, ruleset!.servers, image!.ranks);
    }
  };
  // What is loaded and compiled with the first, and the texts that are looked for again, are not what grows.
  keep(0, WARM_UP);
  const { mib } = inUse();
  keep(WARM_UP, WARM_UP + TEXTS);
  // All of them have more than 40 MiB.
  expect(inUse().mib - mib).toBeLessThan((TEXTS * LENGTH) / 2 ** 22);
  expect(kept).toHaveLength(3 * (WARM_UP + TEXTS));
});

test('the same text', () => {
  for (const text of [
    '',
    'a',
    'twelve chars',
    'thirteen char',
    'zwölf und ein mehr ✓',
    '\ud83d\ude00 more than thirteen',
  ])
    expect(ownText(text)).toBe(text);
});
