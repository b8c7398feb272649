/**
 * No answer of the compiler rests on a hash alone: where all lists have one of two hashes, the image is byte for byte the
 * same; and rules that are made to have the same hash stay different rules.
 */
import { compile } from '../../src/compile/compile';
import { CompileMemory } from '../../src/compile/compile-memory';
import { KnownRules } from '../../src/compile/known-rules';
import type * as Memory from '../../src/compile/memory';
import { ListMemory } from '../../src/compile/memory';
import type { Ruleset } from '../../src/model/ruleset';
import { rulesetOf } from '../bench/sets/bench-set';
import { makeSet } from '../bench/sets/catalogue';
import { prefix, rule, ruleset } from '../support/findings';
import { Random } from '../support/generate/random';
import { drawWideRules } from '../support/generate/wide-rules';
import { findDifference } from '../support/image-scan';

const mockHash = { bits: -1, calls: 0 };
jest.mock('../../src/compile/memory', () => {
  const real = jest.requireActual<typeof Memory>('../../src/compile/memory');
  return {
    ListMemory: real.ListMemory,
    hashNumbers: (...numbers: Parameters<typeof Memory.hashNumbers>): number => {
      mockHash.calls++;
      return real.hashNumbers(...numbers) & mockHash.bits;
    },
  };
});

afterEach(() => {
  mockHash.bits = -1;
});

test('lists of one hash are told apart by all their numbers', () => {
  const memory = new ListMemory<{ name: string }>();
  const lists = [[1, 2, 3], [1, 2, 4], [1, 2], [], [-1, 2, 3], [3, 2, 1]].map((list) => Int32Array.from(list));
  const besides = [[], [7], [0xffffffff]].map((list) => Uint32Array.from(list));
  const cases = lists.flatMap((ids) =>
    besides.map((beside) => ({ ids, beside, name: `${ids.join()}|${beside.join()}` })),
  );
  for (const { ids, beside, name } of cases) {
    expect(memory.find(5, ids, 0, ids.length, beside)).toBeNull();
    memory.add(5, ids, 0, ids.length, beside, { name });
  }
  for (const { ids, beside, name } of cases) {
    expect(memory.find(5, ids, 0, ids.length, beside)).toEqual({ name });
    expect(memory.find(6, ids, 0, ids.length, beside)).toBeNull();
  }
});

const shape = { from: true, to: true, fromPort: true, icmp: true };
const CASES: readonly (readonly [string, Ruleset])[] = [
  ...['acl1', 'fw1', 'ipc1', 'crossing', 'ranges', 'servers'].map(
    (name) => [`set ${name}`, rulesetOf(makeSet(name, 300, 4), 'mixed')] as const,
  ),
  ['class tables', drawWideRules(new Random(5), 90, shape)],
];

test.each(CASES)('%s with two hashes in all is the same image, cold and after another ruleset', (_name, written) => {
  const image = compile(written);
  mockHash.bits = 1;
  mockHash.calls = 0;
  const memory = new CompileMemory();
  expect(Buffer.from(compile(written, memory).bytes).equals(image.bytes)).toBe(true);
  expect(mockHash.calls).toBeGreaterThan(100);
  compile(rulesetOf(makeSet('acl2', 300, 4), 'mixed'), memory);
  expect(Buffer.from(compile(written, memory).bytes).equals(image.bytes)).toBe(true);
});

/** As the compiler mixes fields (`known-rules.ts`): what comes in second can make up for any first. */
const mix = (hash: number, value: number): number => {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
};

test('rules of one hash stay different rules', () => {
  const hosts = Array.from({ length: 400 }, (_, i) => {
    const to = (0x0a000000 + Math.imul(i, 0x10001)) >>> 0;
    return { to, from: (mix((32 << 8) ^ 32, to) ^ 0x5eed) >>> 0 };
  });
  const text = (word: number): string => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');
  const rules = hosts.map(({ from, to }, i) =>
    rule(i + 1, i % 3 === 0 ? 'deny' : 'allow', { from: [text(from)], to: [text(to)], port: [80], proto: [6] }),
  );
  const known = new KnownRules(4);
  known.beginTable();
  const range = (value: number): { first: number; last: number } => ({ first: value, last: value });
  const service = { destinationPorts: range(80), sourcePorts: { first: 0, last: 65535 }, lanes: range(6) };
  const numbers = hosts.map(({ from, to }) => known.add(prefix(text(to)), prefix(text(from)), service, -1));
  expect(new Set(numbers)).toEqual(new Set(hosts.map((_, i) => i)));
  expect(new Set(known.columns().hash.subarray(0, known.count)).size).toBe(1);

  const written = ruleset([...rules, rule(401, 'allow', { from: ['10.0.0.0/8'] })]);
  const image = compile(written);
  expect(image.stats.expandedRules).toBe(401);
  expect(findDifference(new Random(3), written, image, 3000)).toBeNull();
});
