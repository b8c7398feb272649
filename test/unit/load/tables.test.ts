import { SLC_FLOW_TIMEOUT, SLC_LIMITS } from '../../../src/abi/layout.gen';
import { DEFAULT_MAX_FLOWS } from '../../../src/model/flow';
import { flowBuckets, flowTableBytes } from '../../../src/compile/flow-table';
import { tableFactors, flowTimeouts } from '../../../src/load/tables';

test('buckets are a power of two and hold twice the flows asked for', () => {
  expect(flowBuckets(DEFAULT_MAX_FLOWS) * SLC_LIMITS.TABLE_WAYS).toBe(2 * DEFAULT_MAX_FLOWS);
  for (const flows of [1, 3, 4, 5, 1000, 1_000_000]) {
    const buckets = flowBuckets(flows);
    expect(Number.isInteger(Math.log2(buckets))).toBe(true);
    expect(buckets * SLC_LIMITS.TABLE_WAYS).toBeGreaterThanOrEqual(2 * flows);
  }
});

test('the memory of a table is stated', () => {
  expect([1024, DEFAULT_MAX_FLOWS, 1_000_000].map(flowTableBytes)).toEqual([149_504, 9_568_256, 153_092_096]);
});

test('factors depend on the seed alone, and all differ', () => {
  const seed = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  expect(tableFactors(seed)).toEqual(tableFactors(seed));
  expect(new Set([...tableFactors(seed), ...tableFactors(seed.map((byte) => byte + 1))]).size).toBe(
    2 * SLC_LIMITS.TABLE_KEY_WORDS,
  );
});

test('every timeout has its jiffies', () => {
  const jiffies = flowTimeouts(250);
  expect(jiffies).toHaveLength(SLC_FLOW_TIMEOUT.FLOW_TIMEOUTS);
  expect(jiffies.every((value) => value > 0n)).toBe(true);
  expect(jiffies[SLC_FLOW_TIMEOUT.TCP_ESTABLISHED]).toBe(BigInt(5 * 24 * 3600 * 250));
});
