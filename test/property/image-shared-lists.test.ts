/**
 * Lists of networks that stand in front of the rows that name them, sources as well as destinations: what is not
 * multiplied out says what the scan says. The ceiling is made small here, so that small rulesets pass it.
 */
import type * as Capacity from '../../src/compile/capacity';
import { CapacityError } from '../../src/compile/capacity';
import { compile } from '../../src/compile/compile';
import type { Image } from '../../src/compile/image';
import { ANY, type Match } from '../../src/model/match';
import type { Rule, Ruleset } from '../../src/model/ruleset';
import { rule, type RuleText, ruleset } from '../support/findings';
import { Random, testSeed } from '../support/generate/random';
import { findDifference } from '../support/image-scan';

jest.mock('../../src/compile/capacity', () => ({
  ...jest.requireActual<typeof Capacity>('../../src/compile/capacity'),
  MAX_IMAGE_RULES: 3000,
}));

const v4 = (word: number, length: number): string =>
  `${[24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.')}/${length}`;
const v6 = (high: number, low: number, length: number): string =>
  `2001:db8:${(high >>> 16).toString(16)}:${(high & 0xffff).toString(16)}::${(low >>> 16).toString(16)}:${(low & 0xffff).toString(16)}/${length}`;

/** Networks, some inside others and some in other lists too: few bits differ. */
function networks(random: Random, count: number, family: 4 | 6): string[] {
  return Array.from({ length: count }, () => {
    const word = (0x0a000000 | (random.word() & 0x00f3c0ff)) >>> 0;
    const wide = random.chance(0.01);
    return family === 4
      ? v4(word, wide ? 12 : random.pick([20, 24, 27, 31, 32, 32]))
      : v6(word, random.word() & 0xf, wide ? 44 : random.pick([56, 60, 64, 68, 97, 126, 128]));
  });
}

/** The list of a rule, to be named by others: one object, as a set is. */
const listOf = (text: readonly string[]): Match['from'] => rule(1, 'deny', { from: [...text] }).match.from;
const naming = (one: Rule, from: Match['from'], to: Match['to']): Rule => ({
  ...one,
  match: { ...one.match, ...(from !== ANY && { from }), ...(to !== ANY && { to }) },
});

function hold(shape: Ruleset, keys = 400): Image {
  const image = compile(shape);
  expect(findDifference(new Random(5), shape, image, keys)).toBeNull();
  return image;
}

const PORTS = Array.from({ length: 60 }, (_, i) => 2 * i + 1);

test('one list of sources to many ports', () => {
  const random = new Random(testSeed(0x115f));
  for (const family of [4, 6] as const) {
    const image = hold(
      ruleset([
        rule(1, 'allow', { from: networks(random, 3, family), port: [5], proto: [6] }),
        rule(2, 'deny', { from: networks(random, 90, family), port: PORTS, proto: [6] }),
        rule(3, 'allow', { port: [[1, 90]], proto: [6, 17] }),
      ]),
    );
    expect(image.stats.fallbacks.join()).toMatch(/rule "r2": not multiplied out, \d+ sources in front of 60 rules/);
    expect(image.stats.expandedRules).toBeLessThan(100);
  }
});

test('one list that many rows name is there once, on either side', () => {
  const random = new Random(testSeed(0x2157));
  for (const side of ['from', 'to'] as const) {
    const list = listOf(networks(random, 60, 4));
    const rows = Array.from({ length: 90 }, (_, i) => {
      const text: RuleText = { [side === 'from' ? 'to' : 'from']: [v4(0xc0a80000 + i, 32)], port: [80], proto: [6] };
      const one = rule(i + 1, i % 3 === 0 ? 'deny' : 'allow', i % 7 === 0 ? { port: [[i, 99]] } : text);
      return i % 7 === 0 ? one : naming(one, side === 'from' ? list : ANY, side === 'to' ? list : ANY);
    });
    const image = hold(ruleset(rows), 2000);
    expect(image.stats.expandedRules).toBeLessThan(300);
    const { fallbacks } = image.stats;
    expect(fallbacks.filter((text) => text.includes(side === 'from' ? 'sources in' : 'destinations in'))).toHaveLength(
      8,
    );
    expect(fallbacks).toContain('ipv4: 69 more rules are not multiplied out');
  }
});

test.each([4, 6] as const)('lists on both sides, in front of many ports (IPv%i)', (family) => {
  const random = new Random(testSeed(0x3b07));
  const image = hold(
    ruleset([
      rule(1, 'deny', {
        from: networks(random, 70, family),
        to: networks(random, 70, family),
        port: PORTS,
        proto: [6],
      }),
      rule(2, 'allow', { from: networks(random, 70, family), port: [[3, 40]], proto: [6] }),
      rule(3, 'reject', { to: networks(random, 70, family) }),
    ]),
    3000,
  );
  expect(image.stats.fallbacks.join()).toMatch(/\d+ destinations and \d+ sources in front of 60 rules/);
});

test('any lists, named by any rows', () => {
  const random = new Random(testSeed(0x4a11));
  const met = { crossed: 0, refused: 0 };
  for (let round = 0; round < 60; round++) {
    const families: readonly (4 | 6)[] = random.pick([[4], [6], [4, 6]]);
    const lists = Array.from({ length: random.between(1, 4) }, () =>
      listOf(families.flatMap((family) => networks(random, random.pick([2, 20, 90]), family))),
    );
    const rows = Array.from({ length: random.between(2, 30) }, (_, i) => {
      const ports = random.chance(0.3) ? PORTS.slice(0, random.between(1, 60)) : [random.pick(PORTS)];
      const one = rule(i + 1, random.pick(['allow', 'deny', 'reject'] as const), {
        ...(random.chance(0.7) && { port: ports, proto: [random.pick([6, 17])] }),
      });
      return naming(one, random.chance(0.7) ? random.pick(lists) : ANY, random.chance(0.5) ? random.pick(lists) : ANY);
    });
    const shape = ruleset(rows);
    try {
      met.crossed += Number(hold(shape).stats.fallbacks.some((text) => text.includes('not multiplied out')));
    } catch (error) {
      if (!(error instanceof CapacityError)) throw error;
      met.refused++;
    }
  }
  expect(met.crossed).toBeGreaterThan(15);
  expect(met.refused).toBeLessThan(40);
});
