/** The packets whose verdict changes, against the scan: random pairs of rulesets, their variations, and every corner. */
import * as fc from 'fast-check';
import { Budget } from '../../src/analyse/budget';
import { CubeTable } from '../../src/analyse/cube-table';
import { type Difference, findDifference, judgeFresh } from '../../src/analyse/difference';
import { describeRegion } from '../../src/analyse/region-text';
import { TRAFFIC, type Traffic } from '../../src/analyse/verdict-layers';
import { evaluatePacket } from '../../src/model/evaluate';
import { flowOfAnswer } from '../../src/model/flow';
import { NO_STATE } from '../../src/model/given-state';
import { type FlowKey, mirror } from '../../src/model/packet';
import type { Rule, Ruleset } from '../../src/model/ruleset';
import { anyKey, matchOf } from '../support/any-match';
import { anyRuleset } from '../support/any-ruleset';
import { rule } from '../support/findings';

/** Another ruleset, or the same with rows moved, taken out, turned off or changed: that is what people do. */
const pair = anyRuleset.chain((before) =>
  fc.oneof(
    { weight: 1, arbitrary: anyRuleset.map((after) => [before, after] as const) },
    {
      weight: 3,
      arbitrary: fc
        .record({
          order: fc.shuffledSubarray([...before.inbound.rules.keys()], {
            minLength: Math.max(0, before.inbound.rules.length - 1),
          }),
          off: fc.integer({ min: 0, max: 8 }),
          extra: fc.option(anyKey),
          other: anyRuleset,
          keep: fc.constantFrom('inbound', 'guard', 'outbound', 'icmp', 'none'),
        })
        .map(({ order, off, extra, other, keep }): readonly [Ruleset, Ruleset] => {
          const rows = order.map((i) => before.inbound.rules[i]);
          const changed: Rule[] = rows.map((row, i) => (i === off ? { ...row, enabled: !row.enabled } : row));
          if (extra) changed.splice(off, 0, { ...rule(90, 'deny'), match: matchOf(extra) });
          const inbound = { ...before.inbound, rules: changed };
          if (keep === 'inbound')
            return [before, { ...before, inbound: { ...inbound, default: other.inbound.default } }];
          if (keep === 'guard') return [before, { ...before, guard: other.guard }];
          if (keep === 'outbound') return [before, { ...before, outbound: other.outbound }];
          if (keep === 'icmp') return [before, { ...before, inbound, icmp: other.icmp }];
          return [before, { ...before, inbound }];
        }),
    },
  ),
);

/** The change that holds the packet; no packet is in two. */
function changeOf({ space, changes }: Difference, key: FlowKey, traffic: Traffic): { from: string; to: string } | null {
  const point = space.pointOf(key);
  const found = changes.filter((change) => change.traffic === traffic && CubeTable.of([change.region]).holds(point));
  expect(found.length).toBeLessThanOrEqual(1);
  return found.length === 0 ? null : { from: found[0].from.key, to: found[0].to.key };
}

test('is exactly the packets about which the scan says something else', () => {
  const seen: Record<Traffic, { same: number; other: number }> = {
    in: { same: 0, other: 0 },
    out: { same: 0, other: 0 },
    answers: { same: 0, other: 0 },
  };
  let proven = 0;
  fc.assert(
    fc.property(pair, fc.array(anyKey, { minLength: 24, maxLength: 24 }), ([before, after], keys) => {
      const found = findDifference(before, after);
      expect(found.isExact).toBe(true);
      proven += Number(found.changes.length === 0);
      const examples = found.changes.flatMap((change) => change.examples.map(({ key }) => key));
      for (const traffic of TRAFFIC) {
        for (const key of [...keys, ...examples, ...examples.map(mirror)]) {
          if (traffic === 'answers' && key.protocol !== 6) continue;
          const [from, to] = [before, after].map((set) => judgeFresh(set, key, traffic).outcome.key);
          expect(changeOf(found, key, traffic)).toEqual(from === to ? null : { from, to });
          seen[traffic][from === to ? 'same' : 'other']++;
        }
      }
      for (const change of found.changes)
        for (const cube of change.region) expect(describeRegion(found.space, [cube])).toHaveLength(1);
    }),
    { numRuns: 200 },
  );
  // The samples are of all kinds.
  for (const { same, other } of Object.values(seen)) expect(Math.min(same, other)).toBeGreaterThan(50);
  expect(proven).toBeGreaterThan(5);
});

test('where no list decides otherwise no packet does, whatever came before it', () => {
  let quiet = 0;
  fc.assert(
    fc.property(pair, fc.array(anyKey, { minLength: 24, maxLength: 24 }), ([before, after], keys) => {
      const found = findDifference(before, after);
      if (found.lists.length > 0) return;
      quiet++;
      expect(found.changes).toEqual([]);
      for (const key of keys) {
        const packet = { ...key, hopLimit: 255, fragment: 'none' as const };
        const flow = flowOfAnswer(packet);
        const quote = { kind: 'packet', key: mirror(keys[0]) } as const;
        const state = { ...NO_STATE, ...(flow !== null && { flows: new Set([flow]) }) };
        const error = { ...packet, protocol: 1, family: 4 as const, icmp: { type: 3, code: 1 }, quote };
        for (const one of key.family === 4 ? [packet, error] : [packet]) {
          if (one.icmp && !('quote' in one)) continue;
          expect(evaluatePacket(after, one, state).verdict).toBe(evaluatePacket(before, one, state).verdict);
        }
      }
    }),
    { numRuns: 200 },
  );
  expect(quiet).toBeGreaterThan(5);
});

test('a budget that is spent is never a proof', () => {
  let spent = 0;
  fc.assert(
    fc.property(pair, fc.integer({ min: 0, max: 60 }), ([before, after], pieces) => {
      const [whole, part] = [findDifference(before, after), findDifference(before, after, new Budget(pieces, 2000))];
      spent += Number(!part.isExact);
      const words = ({ changes }: Difference): string[] => changes.map(({ from, to }) => `${from.key} ${to.key}`);
      if (part.isExact) expect({ ...part, changes: words(part) }).toEqual({ ...whole, changes: words(whole) });
    }),
    { numRuns: 100 },
  );
  expect(spent).toBeGreaterThan(10);
});
