/**
 * Every set of the benchmark, small: a hundred thousand packets and more, judged by the program in the kernel, get the
 * answers of the linear scan. The benchmark does the same with the large ones.
 */
import { compile } from '../../src/compile/compile';
import { checkTrace } from '../bench/measure/check';
import { rulesetOf } from '../bench/sets/bench-set';
import { makeSet, SET_NAMES } from '../bench/sets/catalogue';
import { Scan } from '../bench/sets/scan';
import { hitTrace, missTrace } from '../bench/sets/trace';

const SIZE = 150;
const PACKETS = 100_000;
const MISSES = 4000;
/** Of each kind one over IPv6. */
const OVER_IPV6 = ['acl1', 'fw1', 'ipc1', 'wildcard', 'ranges', 'crossing', 'nested', 'servers', 'blocklist'];
const CASES = [
  ...SET_NAMES.map((name) => [name, 4] as const),
  ...SET_NAMES.filter((name) => OVER_IPV6.includes(name)).map((name) => [name, 6] as const),
];

test.each(CASES)('set %s over IPv%i', async (name, family) => {
  const set = makeSet(name, SIZE, family);
  const image = compile(rulesetOf(set, 'mixed'));
  const scan = new Scan(set);
  // A whole number of rounds over the rows.
  const hits = hitTrace(set, scan, PACKETS + 2 * SIZE);
  const { checked, wrong, example } = await checkTrace(set, image, hits);
  expect([wrong, example]).toEqual([0, undefined]);
  expect(checked).toBeGreaterThanOrEqual(PACKETS);
  const misses = missTrace(set, scan, MISSES);
  if (misses) expect(await checkTrace(set, image, misses)).toMatchObject({ checked: MISSES, wrong: 0 });
});
