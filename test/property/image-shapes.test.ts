/** Shapes aimed at every branch of the tree builder; each must stay bounded and agree with the scan. */
import * as fc from 'fast-check';
import { SLC_LIMITS } from '../../src/abi/layout.gen';
import { MAX_IMAGE_RULES } from '../../src/compile/capacity';
import { compile } from '../../src/compile/compile';
import type { Image } from '../../src/compile/image';
import { anyMatch, anyKey } from '../support/any-match';
import { rule, type RuleText, ruleset } from '../support/findings';
import { Random } from '../support/generate/random';
import { findDifference } from '../support/image-scan';
import { printImage } from '../../src/compile/print';
import { interpret } from '../../src/compile/interpret';
import { RowMemory } from '../../src/compile/row-memory';
import { expandRows, rowsOf } from '../../src/compile/expand';
import { imageSections } from '../../src/compile/sections';
import { assignRanks, entryOfWord } from '../../src/compile/ranks';
import { evaluateSection } from '../../src/model/evaluate';
import type { Prefix } from '../../src/model/prefix';
import type { Ruleset } from '../../src/model/ruleset';

const build = (count: number, text: (i: number) => RuleText): Ruleset =>
  ruleset(Array.from({ length: count }, (_, i) => rule(i + 1, i % 3 === 0 ? 'deny' : 'allow', text(i))));

/** Compiles, compares on corner keys, and checks what no image may exceed. */
function hold(shape: Ruleset, keys = 1500): Image {
  const image = compile(shape);
  expect(findDifference(new Random(7), shape, image, keys)).toBeNull();
  expect(image.stats.longestLeaf).toBeLessThanOrEqual(SLC_LIMITS.MAX_LEAF_RULES);
  expect(image.stats.worstCase.nodes).toBeLessThanOrEqual(SLC_LIMITS.TREES * SLC_LIMITS.MAX_STEPS);
  // O(rules): node slots, leaf rules and services of one image rule cost at most so much.
  expect(image.bytes.length).toBeLessThan(64 * 1024 + 2048 * image.stats.expandedRules);
  return image;
}

const v4 = (word: number, length: number): string =>
  `${[24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.')}/${length}`;
const scattered = (i: number): number => Math.imul(i + 1, 0x9e3779b1) >>> 0;

describe('hostile shapes', () => {
  test('nested prefixes, narrow first and wide first', () => {
    const nest = (i: number): RuleText => ({ from: [v4(0x4ea80000 | (scattered(i >> 3) & 0xffff), 32 - (i % 24))] });
    hold(build(600, nest));
    hold(build(600, (i) => nest(599 - i)));
  });

  test('port ranges that grow from one end', () => {
    hold(build(1000, (i) => ({ port: [[1, 1 + 60 * i]], proto: [6] })));
    hold(build(1000, (i) => ({ port: [[1 + 60 * i, 65535]], proto: [17] })));
  });

  test('crossing diagonals: every destination range with another source range', () => {
    const image = hold(
      build(900, (i) => ({ port: [[1 + 50 * i, 20000 + 50 * i]], fromPort: [[46000 - 50 * i, 65535 - 20 * i]] })),
    );
    expect(image.stats.longestLeaf).toBeGreaterThan(62);
    expect(image.stats.fallbacks.join()).toMatch(/ipv4, both wide: .* of more than 62 rules/);
  });

  test('the same diagonals beside many narrow rows: they may be copied more often', () => {
    const diagonal = (i: number): RuleText => ({
      ...{ port: [[1 + 50 * i, 20000 + 50 * i]], fromPort: [[46000 - 50 * i, 65535 - 20 * i]] },
      family: 4,
    });
    const image = hold(
      build(4500, (i) => (i < 900 ? diagonal(i) : { to: [v4(scattered(i), 32)], family: 4 })),
      400,
    );
    const alone = compile(build(900, diagonal));
    expect(image.stats.fallbacks.join()).toMatch(/ipv4, both wide: 900 rules in a tree, since class tables/);
    expect(image.stats.longestLeaf).toBeLessThan(alone.stats.longestLeaf);
  });

  test('hostile diagonals over addresses and ports', () => {
    hold(
      build(1500, (i) => ({
        from: [v4(scattered(i), 1 + (i % 12))],
        to: [v4(scattered(i + 7), 12 - (i % 12))],
        port: [[1 + i, 30000 + i]],
      })),
    );
  });

  test('one row over everything ends all that follows', () => {
    const image = hold(ruleset([rule(1, 'allow', { port: [80] }), rule(2, 'deny'), rule(3, 'allow', { port: [443] })]));
    expect(image.stats.expandedRules).toBe(4);
  });

  test('a region wholly covered is a terminal, not a leaf', () => {
    const image = hold(
      build(65, (i) => ({
        from: [i < 20 ? v4(0, 1 + (i % 13)) : v4(0x80000000 + i * 0x40000, 14)],
        to: [v4(0, i % 2)],
      })),
    );
    expect(printImage(image)).toMatch(/→ rule 1 \(r1\)/);
  });

  test('equal parts are stored once', () => {
    const image = hold(
      build(512, (i) => ({ to: [v4(0x0a000000 | ((i >> 4) << 8), 24)], port: [100 + (i % 16)], proto: [6] })),
    );
    expect(image.stats.leafRules).toBeLessThan(4 * 512);
  });

  test('lists on both sides and several services', () => {
    hold(
      build(40, (i) => ({
        from: ['10.0.0.0/9', '10.128.0.0/9', `192.0.2.${i}`, `2001:db8:${i}::/48`],
        to: [`198.51.100.${i}`, '203.0.113.0/24', '2001:db8:ffff::/48'],
        port: [[100, 200], 201, [400 + i, 500]],
        proto: [6, 17, 132],
      })),
    );
  });

  test('rows that say the same as an earlier one take no room', () => {
    const image = hold(
      build(10_000, (i) => ({ from: ['10.0.0.0/8'], port: [[443, 443 + (i % 3)]], proto: [6] })),
      200,
    );
    expect(image.stats.expandedRules).toBe(3);
  });

  test('more services than 16 bits can number', () => {
    const ports = Array.from({ length: 260 }, (_, i) => 2 * i + 1);
    const written = ruleset([
      rule(1, 'deny', { port: ports, fromPort: ports, proto: [6], from: ['10.0.0.0/8'] }),
      rule(2, 'allow', { port: [[1, 700]], proto: [6] }),
      rule(3, 'deny', { port: [[5, 9]], proto: [132], from: ['10.0.0.0/9', '2001:db8::/32'] }),
    ]);
    hold(written, 3000);
    const [section] = imageSections(written);
    const rows = rowsOf({ section, ranks: assignRanks(section, 256) });
    expect(expandRows(rows, new RowMemory()).services.length).toBeGreaterThan(65_536);
  });

  test('more rules than a call takes arguments print, a line each', () => {
    const hosts = Array.from({ length: 140_000 }, (_, i) => v4(scattered(i), 32));
    const text = printImage(compile(ruleset([rule(1, 'deny', { from: hosts })])));
    expect(text.match(/^ {2}rule 1 \(r1\): /gm)?.length).toBeGreaterThanOrEqual(140_000);
  });

  test('10,000 blocked hosts below some rows', () => {
    const image = hold(build(10_000, (i) => (i < 20 ? { port: [8000 + i] } : { from: [v4(scattered(i), 32)] })));
    expect(image.stats.longestLeaf).toBeLessThan(63);
  });
});

describe('ceilings', () => {
  test('image rules, with the row that needs most', () => {
    // Each row has a list of its own, so that nothing is saved where one stands in front.
    const { match } = rule(1, 'deny', { from: Array.from({ length: 100_000 }, (_, i) => v4(0x0a000000 + 2 * i, 32)) });
    const rows = Array.from({ length: 21 }, (_, i) => {
      const from = (match.from as readonly Prefix[]).slice(i === 3 ? 0 : 1);
      return { ...rule(i + 1, 'deny', { port: [1 + i], proto: [6] }), match: { ...match, from } };
    });
    const shape = ruleset(rows);
    expect(() => compile(shape)).toThrow(
      expect.objectContaining({
        name: 'CapacityError',
        ceiling: MAX_IMAGE_RULES,
        ruleId: 'r4',
        used: 2_099_980,
      }) as Error,
    );
  });

  test('distinct services', () => {
    const ports = Array.from({ length: 730 }, (_, i) => 2 * i + 1);
    const shape = ruleset([rule(1, 'deny', { port: ports, fromPort: ports, proto: [6] })]);
    expect(() => compile(shape)).toThrow('distinct services');
  });
});

test('image = scan for any match and packet, also such as parse would refuse', () => {
  fc.assert(
    fc.property(
      fc.array(anyMatch, { minLength: 1, maxLength: 40 }),
      fc.array(anyKey, { minLength: 20, maxLength: 40 }),
      (matches, packets) => {
        const shape = ruleset(matches.map((match, i) => ({ ...rule(i + 1, i % 2 === 0 ? 'allow' : 'reject'), match })));
        const image = compile(shape);
        for (const packet of packets) {
          const entry = entryOfWord(image.ranks, interpret(image, packet).word);
          expect(entry?.rule?.id ?? null).toBe(evaluateSection(shape.inbound, packet).rule);
        }
      },
    ),
    { numRuns: 300 },
  );
});
