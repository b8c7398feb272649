/** Rows of long lists are not multiplied out where they would not fit; the image still says what the scan says. */
import { MAX_IMAGE_RULES } from '../../src/compile/capacity';
import { compile } from '../../src/compile/compile';
import type { Image } from '../../src/compile/image';
import { printImage } from '../../src/compile/print';
import type { Ruleset } from '../../src/model/ruleset';
import { rule, ruleset } from '../support/findings';
import { Random, testSeed } from '../support/generate/random';
import { findDifference } from '../support/image-scan';

const v4 = (word: number, length: number): string =>
  `${[24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.')}/${length}`;
const v6 = (high: number, low: number, length: number): string =>
  `2001:db8:${(high >>> 16).toString(16)}:${(high & 0xffff).toString(16)}::${(low >>> 16).toString(16)}:${(low & 0xffff).toString(16)}/${length}`;

/** Networks of both families, some inside others, some of one bit only. */
function networks(random: Random, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    if (i % 3 === 2) return v6(random.word(), random.word(), random.pick([48, 56, 61, 64, 97, 128]));
    return v4(random.word(), random.pick([9, 12, 16, 17, 24, 29, 31, 32]));
  });
}

const hold = (shape: Ruleset, keys: number): Image => {
  const image = compile(shape);
  expect(findDifference(new Random(11), shape, image, keys)).toBeNull();
  return image;
};

describe('crossed rows', () => {
  const random = new Random(testSeed(0xc055));

  test('one among others, which stand in front of it and behind it', () => {
    const [from, to] = [networks(random, 900), networks(random, 900)];
    const image = hold(
      ruleset([
        rule(1, 'allow', { to: [to[3], to[11]], port: [22], proto: [6] }),
        rule(2, 'allow', { from: [from[0], from[1], from[2]], to: [to[0], to[1], to[2]] }),
        rule(3, 'deny', { from, to, port: [80, [1000, 2000]], proto: [6] }),
        rule(4, 'allow', { to: ['0.0.0.0/1', '8000::/1'] }),
        rule(5, 'reject', { from: from.slice(0, 40), port: [[1, 999]], proto: [17] }),
      ]),
      1500,
    );
    expect(image.stats.fallbacks.filter((text) => text.includes('rule "r3": not multiplied out'))).toHaveLength(2);
    expect(image.bytes.length).toBeLessThan(4 << 20);
  });

  test('several that overlap: the first that matches decides wherever they meet', () => {
    const lists = Array.from({ length: 4 }, () => networks(random, 480));
    const image = hold(
      ruleset([
        rule(1, 'deny', { from: lists[0], to: lists[1] }),
        rule(2, 'allow', { from: lists[1], to: [...lists[0].slice(100), ...lists[2].slice(0, 200)] }),
        rule(3, 'reject', { from: lists[3], to: [...lists[1].slice(0, 240), ...lists[3].slice(0, 300)] }),
        rule(4, 'allow', { from: ['10.0.0.0/8'] }),
      ]),
      1500,
    );
    expect(image.stats.fallbacks.length).toBeGreaterThanOrEqual(3);
  });

  test('rows that would fit one by one are crossed where all together would not', () => {
    // Most repeat an earlier one, and are left out when they are multiplied out: two million rules would take seconds.
    const BLOCKS = 7;
    const rows = Array.from({ length: 40 }, (_, i) => {
      const block = (i % BLOCKS) * 0x100000;
      const from = Array.from({ length: 240 }, (_, k) => v4(0x0a000000 + block + 4 * k, 32));
      const to = Array.from({ length: 240 }, (_, k) => v4(0xc0000000 + block + 8 * k, 31));
      return rule(i + 1, i % 2 === 0 ? 'allow' : 'deny', { from, to });
    });
    expect(40 * 240 * 240).toBeGreaterThan(MAX_IMAGE_RULES);
    const image = hold(ruleset(rows), 1000);
    const crossed = image.stats.fallbacks.filter((text) => text.includes('not multiplied out'));
    expect(crossed.length).toBeGreaterThan(0);
    expect(crossed.length).toBeLessThan(BLOCKS);
  });

  test('10,000 networks to 10,000 networks load, and print', () => {
    const from = Array.from({ length: 10_000 }, () => v4(random.word(), 32));
    const to = Array.from({ length: 10_000 }, () => v4(random.word(), random.pick([24, 32])));
    const image = hold(ruleset([rule(1, 'deny', { from, to, port: [443], proto: [6] }), rule(2, 'allow')]), 100);
    expect(image.bytes.length).toBeLessThan(16 << 20);
    expect(image.stats.worstCase.nodes).toBeLessThanOrEqual(48);
    const small = compile(ruleset([rule(1, 'deny', { from: from.slice(0, 300), to: to.slice(0, 300) })]));
    expect(printImage(small)).toContain('r1');
  });

  test('220,000 hosts to ten ports, and from them in ten rows', () => {
    const ports = Array.from({ length: 10 }, (_, i) => 1 + 7 * i);
    const hosts = Array.from({ length: 220_000 }, (_, i) => v4(Math.imul(i + 1, 0x9e3779b1) >>> 0, 32));
    const listed = rule(1, 'deny', { from: hosts, port: ports, proto: [6] });
    expect(220_000 * ports.length).toBeGreaterThan(MAX_IMAGE_RULES);
    const each = ports.map((port, i) => {
      const one = rule(i + 2, i % 2 === 0 ? 'deny' : 'reject', { port: [port], proto: [17] });
      return { ...one, match: { ...one.match, from: listed.match.from } };
    });
    for (const rows of [[listed], each]) {
      const image = hold(ruleset([...rows, rule(20, 'allow', { port: [[1, 30]] })]), 40);
      expect(image.bytes.length).toBeLessThan(8 << 20);
    }
  });

  test('IPv6 hosts far apart', () => {
    const hosts = (seed: number): string[] =>
      Array.from({ length: 500 }, (_, i) => v6(Math.imul(i + seed, 0x9e3779b1) >>> 0, random.word(), 128));
    hold(ruleset([rule(1, 'allow', { from: hosts(1), to: hosts(9) }), rule(2, 'deny', { proto: [17] })]), 800);
  });
});
