/** Whatever was compiled before, an image is byte for byte that of a process that has compiled nothing. */
import * as fc from 'fast-check';
import { compile } from '../../src/compile/compile';
import { CompileMemory } from '../../src/compile/compile-memory';
import { ANY } from '../../src/model/match';
import type { Rule, Ruleset } from '../../src/model/ruleset';
import { rulesetOf } from '../bench/sets/bench-set';
import { makeSet } from '../bench/sets/catalogue';
import { anyMatch } from '../support/any-match';
import { anyRuleset } from '../support/any-ruleset';

/** One row changed; `at` and `other` are thousandths of the list. */
interface Edit {
  readonly kind: 'action' | 'remove' | 'insert' | 'move' | 'swap' | 'match' | 'off';
  readonly at: number;
  readonly other: number;
  readonly match: Rule['match'];
}

const anyEdit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom('action', 'remove', 'insert', 'move', 'swap', 'match', 'off'),
  at: fc.integer({ min: 0, max: 999 }),
  other: fc.integer({ min: 0, max: 999 }),
  match: anyMatch,
});

function edited(ruleset: Ruleset, { kind, at: place, other, match }: Edit, number: number): Ruleset {
  const rules = [...ruleset.inbound.rules];
  const at = Math.floor((place * rules.length) / 1000);
  const to = Math.floor((other * rules.length) / 1000);
  const row = rules[at];
  switch (kind) {
    case 'action':
      rules[at] = { ...row, action: row.action === 'allow' ? 'deny' : 'allow' };
      break;
    case 'remove':
      rules.splice(at, 1);
      break;
    case 'insert':
      rules.splice(at, 0, { ...rules[to], id: `new-${number}`, match });
      break;
    case 'move':
      rules.splice(at, 1);
      rules.splice(to, 0, row);
      break;
    case 'swap':
      [rules[at], rules[to]] = [rules[to], rules[at]];
      break;
    case 'match':
      rules[at] = { ...row, match: { ...row.match, from: rules[to].match.to, to: rules[to].match.from } };
      break;
    case 'off':
      rules[at] = { ...row, enabled: !row.enabled };
      break;
  }
  return { ...ruleset, inbound: { ...ruleset.inbound, rules } };
}

test('a ruleset that cannot be compiled leaves nothing half known', () => {
  const memory = new CompileMemory();
  const ruleset = rulesetOf(makeSet('acl1', 300, 4), 'mixed');
  compile(ruleset, memory);
  const [first, ...others] = ruleset.inbound.rules;
  const broken: Rule = { ...first, match: { ...first.match, from: [{ family: 4, words: [7], length: 32 }] } };
  // As where memory runs out while a rule is written down.
  Object.defineProperty(broken.match, 'to', {
    get: () => {
      throw new RangeError('out of memory');
    },
  });
  const half = { ...ruleset, inbound: { ...ruleset.inbound, rules: [...others, broken] } };
  expect(() => compile(half, memory)).toThrow('out of memory');
  expect(memory[4].rules.count).toBe(0);
  expectSame(ruleset, memory);
});

test('one row of two thousand grows a small part of the trees anew, none grows nothing', () => {
  const memory = new CompileMemory();
  const ruleset = rulesetOf(makeSet('acl1', 2000, 4), 'mixed');
  compile(ruleset, memory);
  const whole = memory[4].trees.size;
  compile(ruleset, memory);
  expect(memory[4].trees.size).toBe(whole);
  compile({ ...ruleset, inbound: { ...ruleset.inbound, rules: ruleset.inbound.rules.toSpliced(1000, 1) } }, memory);
  expect(memory[4].trees.size - whole).toBeGreaterThan(0);
  expect(memory[4].trees.size - whole).toBeLessThan(whole / 2);
});

function expectSame(ruleset: Ruleset, memory: CompileMemory): void {
  const warm = compile(ruleset, memory);
  const cold = compile(ruleset);
  expect(warm.digest).toBe(cold.digest);
  expect(Buffer.compare(warm.bytes, cold.bytes)).toBe(0);
  expect(warm.stats).toEqual(cold.stats);
  expect(warm.features).toEqual(cold.features);
}

function expectSameAfterEach(first: Ruleset, edits: readonly Edit[], memory: CompileMemory): void {
  expectSame(first, memory);
  edits.reduce((ruleset, edit, number) => {
    const next = edited(ruleset, edit, number);
    expectSame(next, memory);
    return next;
  }, first);
}

test.each([
  ['acl1', 400, 4],
  ['fw1', 400, 4],
  ['ipc1', 400, 6],
  ['crossing', 300, 4],
  ['ranges', 300, 6],
] as const)('%s, %i rules, IPv%i: edit after edit', (shape, size, family) => {
  const first = rulesetOf(makeSet(shape, size, family), 'mixed');
  fc.assert(
    fc.property(fc.array(anyEdit, { minLength: 4, maxLength: 12 }), (edits) => {
      expectSameAfterEach(first, edits, new CompileMemory());
    }),
    { numRuns: 6 },
  );
});

test.each(['wildcard', 'fw4'])('%s, where copies run short: edit after edit', (shape) => {
  const first = rulesetOf(makeSet(shape, 6000, 4), 'mixed');
  fc.assert(
    fc.property(fc.array(anyEdit, { minLength: 4, maxLength: 4 }), (edits) => {
      expectSameAfterEach(first, edits, new CompileMemory());
    }),
    { numRuns: 2 },
  );
});

test('rulesets that have nothing in common, one after the other', () => {
  fc.assert(
    fc.property(fc.array(anyRuleset, { minLength: 2, maxLength: 6 }), (rulesets) => {
      const memory = new CompileMemory();
      for (const ruleset of [...rulesets, ...rulesets]) expectSame(ruleset, memory);
    }),
    { numRuns: 60 },
  );
});

test('a row of many networks, another of the same match above it and below', () => {
  const first = rulesetOf(makeSet('acl1', 120, 4), 'mixed');
  const lists = fc.uniqueArray(fc.integer({ min: 0, max: 119 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(fc.array(lists, { minLength: 2, maxLength: 5 }), fc.nat(119), (choices, at) => {
      const memory = new CompileMemory();
      for (const list of choices) {
        const rules = [...first.inbound.rules];
        const from = list.flatMap((number) => {
          const sources = first.inbound.rules[number].match.from;
          return sources === ANY ? [] : sources;
        });
        const match = { ...rules[at].match, from };
        rules.splice(at, 0, { ...rules[at], id: 'many', match });
        expectSame({ ...first, inbound: { ...first.inbound, rules } }, memory);
      }
    }),
    { numRuns: 30 },
  );
});

test('networks of one row, then a row each, then one row again', () => {
  // No two of them are halves of one; what is left of each below its rows of hosts is decided by the network's.
  const networks = Array.from({ length: 8 }, (_, i) => ({ family: 4 as const, words: [(i << 25) >>> 0], length: 8 }));
  const hosts = networks.flatMap(({ words: [word] }) =>
    Array.from({ length: 12 }, (_, i) => ({ family: 4 as const, words: [(word | (i << 20)) >>> 0], length: 12 })),
  );
  const first = rulesetOf(makeSet('acl1', 1, 4), 'mixed');
  const row = (id: string, from: Rule['match']['from']): Rule => ({
    ...{ ...first.inbound.rules[0], id },
    match: { ...first.inbound.rules[0].match, from, to: ANY, protocols: ANY, fromPorts: ANY, toPorts: ANY },
  });
  const above = hosts.map((host, i) => row(`host-${i}`, [host]));
  const apart = networks.map((network, i) => row(`row-${i}`, [network]));
  const memory = new CompileMemory();
  for (const rules of [
    [row('all', networks)],
    apart,
    [...apart.slice(0, 3), row('rest', networks)],
    [...apart].reverse(),
  ])
    expectSame({ ...first, inbound: { ...first.inbound, rules: [...above, ...rules] } }, memory);
});

test('what is too much to remember is forgotten', () => {
  const most = { rules: 500, numbers: 20_000 };
  const memory = new CompileMemory(most);
  let ruleset = rulesetOf(makeSet('acl1', 400, 4), 'mixed');
  const sizes: number[] = [];
  for (let number = 0; number < 40; number++) {
    const row = ruleset.inbound.rules[(number * 7) % ruleset.inbound.rules.length];
    const to = [{ family: 4 as const, words: [(number << 16) | 0x0b000000] as const, length: 16 }];
    ruleset = edited(ruleset, { kind: 'insert', at: 500, other: 0, match: { ...row.match, to } }, number);
    expectSame(ruleset, memory);
    sizes.push(memory[4].trees.size);
  }
  expect(sizes.some((size, i) => i > 0 && size < sizes[i - 1])).toBe(true);
  // What one ruleset takes may come on top of what is kept.
  const alone = new CompileMemory(most);
  compile(ruleset, alone);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(most.numbers + 2 * alone[4].trees.size);
});

test('what a small ruleset leaves behind change by change is bounded by what it takes itself', () => {
  const memory = new CompileMemory();
  const first = rulesetOf(makeSet('acl1', 60, 4), 'mixed');
  let most = 0;
  let forgot = 0;
  for (let number = 0; number < 450; number++) {
    const before = memory[4].rules.count;
    const changed = first.inbound.rules.map((row, i) => {
      const from = [{ family: 4 as const, words: [(0x0a000000 + (number * 64 + i) * 16) >>> 0] as const, length: 28 }];
      return i % 2 === 0 ? row : { ...row, match: { ...row.match, from } };
    });
    compile({ ...first, inbound: { ...first.inbound, rules: changed } }, memory);
    most = Math.max(most, memory[4].rules.count);
    if (memory[4].rules.count < before) forgot++;
  }
  expect(forgot).toBeGreaterThan(0);
  expect(most).toBeLessThan(8192 + 200);
});
