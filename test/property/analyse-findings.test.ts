import * as fc from 'fast-check';
import { ordinaryBudget } from '../../src/analyse/budget';
import { ALL_UDP, decide, sectionRegions, withUdpSwitch } from '../../src/analyse/decisions';
import { sampleExpectations } from '../../src/analyse/expect-samples';
import { expectationProblems } from '../support/findings';
import { analyse } from '../../src/analyse/analyse';
import { findShadowed } from '../../src/analyse/shadow';
import { evaluatePacket, evaluateSection } from '../../src/model/evaluate';
import { matches } from '../../src/model/match-packet';
import { isIcmpError, type FlowKey } from '../../src/model/packet';
import type { Expectation, Rule, Ruleset } from '../../src/model/ruleset';
import { anyKey, anyMatch, matchOf } from '../support/any-match';
import { at, rule, ruleset } from '../support/findings';

const someRules = fc
  .array(
    fc.record({
      action: fc.constantFrom('allow' as const, 'deny' as const, 'reject' as const),
      match: anyMatch,
      enabled: fc.oneof({ arbitrary: fc.constant(true), weight: 5 }, { arbitrary: fc.constant(false), weight: 1 }),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((list) => list.map(({ action, match, enabled }, i): Rule => ({ ...rule(i + 1, action), match, enabled })));
const someRuleset = fc
  .record({
    list: someRules,
    icmp: fc.constantFrom('essentials' as const, 'rules' as const),
    fallback: fc.constantFrom('allow' as const, 'deny' as const),
    udp: fc.constantFrom(undefined, 'off' as const),
    ssh: fc.constantFrom(undefined, { ports: [22], from: 'anyone' as const, source: at(80) }),
  })
  .map(({ list, icmp, fallback, udp, ssh }): Ruleset =>
    ruleset(list, { icmp, inbound: { default: fallback, ...(udp && { udp }), ...(ssh && { ssh }) } }),
  );

/** A packet of the rule itself where the sampled one is none, so that few samples are wasted. */
const firstMatch = (list: readonly Rule[], key: FlowKey): number =>
  list.findIndex((candidate) => candidate.enabled && matches(candidate.match, key));

describe('shadowed rules', () => {
  test('are the first match of no packet; all others are of one', () => {
    fc.assert(
      fc.property(someRules, fc.array(anyKey, { minLength: 20, maxLength: 20 }), (list, keys) => {
        const regions = sectionRegions(ruleset(list).inbound);
        const { shadowed, unproven } = findShadowed(regions);
        expect(unproven).toEqual([]);
        const numberOf = (row: number): number => {
          const { decider } = regions.rows[row];
          return decider.kind === 'rule' ? decider.number - 1 : -1;
        };
        const dead = new Set(shadowed.map(({ row }) => numberOf(row)));
        for (const key of keys) expect(dead.has(firstMatch(list, key))).toBe(false);

        // complete: whatever is neither dead nor empty decides the example that its own regions give
        const reached = new Set<number>();
        for (const { region } of regions.rows) {
          for (const { decider } of decide(regions, region, ordinaryBudget())) {
            if (decider.kind === 'rule') reached.add(decider.number - 1);
          }
        }
        regions.rows.forEach(({ region }, row) => {
          if (region.length > 0) expect(dead.has(numberOf(row))).toBe(!reached.has(numberOf(row)));
        });

        for (const { row, cover, differing } of shadowed) {
          const own = list[numberOf(row)];
          const covering = cover.map((member) => list[numberOf(member)]);
          for (const key of keys.filter((candidate) => matches(own.match, candidate))) {
            expect(covering.some(({ match }) => matches(match, key))).toBe(true);
            const decider = list[firstMatch(list, key)];
            if (decider.action !== own.action) {
              expect(differing.map((member) => list[numberOf(member)])).toContain(decider);
            }
          }
        }
      }),
      { numRuns: 1500 },
    );
  });

  test('are found completely in a universe small enough to try every packet', () => {
    const ports = Array.from({ length: 5 }, (_, i) => i + 1);
    const sources = ['0.0.0.0/0', '0.0.0.0/1', '128.0.0.0/1', '64.0.0.0/2', '192.0.0.0/2'];
    const small = fc.array(
      fc.record({
        from: fc.constantFrom(...sources),
        first: fc.constantFrom(...ports),
        last: fc.constantFrom(...ports),
        proto: fc.constantFrom([6], [17], [6, 17]),
      }),
      { minLength: 2, maxLength: 7 },
    );
    const packets = [0, 0x40000000, 0x80000000, 0xc0000000].flatMap((source) =>
      [6, 17].flatMap((protocol) =>
        ports.map((destinationPort): FlowKey => ({
          family: 4,
          source: [source],
          destination: [1],
          protocol,
          sourcePort: 9,
          destinationPort,
        })),
      ),
    );
    fc.assert(
      fc.property(small, (list) => {
        const written = list.map(({ from, first, last, proto }, i) =>
          rule(i + 1, 'deny', { from: [from], port: [[Math.min(first, last), Math.max(first, last)]], proto }),
        );
        const reached = new Set(packets.map((key) => firstMatch(written, key)));
        const expected = written.map((_, i) => i).filter((i) => !reached.has(i));
        const found = findShadowed(sectionRegions(ruleset(written).inbound)).shadowed.map(({ row }) => row);
        expect(found).toEqual(expected);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('decisions by region', () => {
  test('are those of the scan, and cover the whole region', () => {
    fc.assert(
      fc.property(someRuleset, anyMatch, anyKey, ({ inbound }, match, key) => {
        const regions = withUdpSwitch(sectionRegions(inbound, [ALL_UDP, match, matchOf(key)]));
        const { space } = regions;
        for (const { decider, verdict, cube } of decide(regions, space.regionOf(match), ordinaryBudget())) {
          const example = space.exampleOf(cube);
          const decision = evaluateSection(inbound, example);
          expect(matches(match, example)).toBe(true);
          expect(decision.verdict).toBe(verdict);
          expect(decision.rule).toBe(decider.kind === 'rule' ? decider.rule.id : null);
          expect(decision.tier).toBe({ 'udp-off': '6', rule: '7', ssh: '8', default: '9' }[decider.kind]);
        }
        const point = [...decide(regions, space.regionOf(matchOf(key)), ordinaryBudget())];
        expect(point.map(({ verdict }) => verdict)).toEqual([evaluateSection(inbound, key).verdict]);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('expectations', () => {
  const isDescribed = (key: FlowKey, icmp: Ruleset['icmp']): boolean => {
    if (!key.icmp) return true;
    if (key.family === 6 && key.icmp.type >= 133 && key.icmp.type <= 136) return false;
    return icmp === 'rules' || !isIcmpError(key.family, key.icmp.type);
  };

  test('that hold are contradicted by no packet they describe', () => {
    const verdict = fc.constantFrom<Expectation['verdict']>('allow', 'deny', 'reject');
    fc.assert(
      fc.property(
        someRuleset,
        anyMatch,
        verdict,
        fc.array(anyKey, { minLength: 30, maxLength: 30 }),
        (set, match, wanted, keys) => {
          const line: Expectation = { direction: 'in' as const, verdict: wanted, match, text: 'line', source: at(90) };
          const findings = expectationProblems({ ...set, expect: [line] });
          const wrong = keys.filter((key) => {
            if (!matches(match, key) || !isDescribed(key, set.icmp)) return false;
            return evaluatePacket(set, { ...key, hopLimit: 64, fragment: 'none' }).verdict !== wanted;
          });
          if (wrong.length > 0) expect(findings.map(({ code }) => code)).toEqual(['expect/failed']);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('that hold do so for the packets they are tried with, which they describe', () => {
    const verdict = fc.constantFrom<Expectation['verdict']>('allow', 'deny', 'reject');
    let tried = 0;
    fc.assert(
      fc.property(someRuleset, anyMatch, verdict, (set, match, wanted) => {
        const line: Expectation = { direction: 'in' as const, verdict: wanted, match, text: 'line', source: at(90) };
        const [{ packets }] = sampleExpectations({ ...set, expect: [line] }, 40);
        expect(packets.length).toBeLessThanOrEqual(40);
        for (const key of packets)
          expect({ key, described: matches(match, key) && isDescribed(key, set.icmp) }).toEqual({
            key,
            described: true,
          });
        if (expectationProblems({ ...set, expect: [line] }).length > 0) return;
        // What holds describes packets.
        expect(packets.length).toBeGreaterThan(0);
        tried += packets.length;
        for (const key of packets) {
          const decision = evaluatePacket(set, { ...key, hopLimit: 64, fragment: 'none' });
          expect({ key, verdict: decision.verdict }).toEqual({ key, verdict: wanted });
        }
      }),
      { numRuns: 1500 },
    );
    expect(tried).toBeGreaterThan(0);
  });

  test('about one packet hold exactly when the scan says so', () => {
    fc.assert(
      fc.property(someRuleset, anyKey, (set, key) => {
        fc.pre(isDescribed(key, set.icmp));
        const { verdict } = evaluatePacket(set, { ...key, hopLimit: 64, fragment: 'none' });
        const line = (wanted: Expectation['verdict']): Expectation => ({
          direction: 'in',
          verdict: wanted,
          match: matchOf(key),
          text: 'line',
          source: at(90),
        });
        expect(expectationProblems({ ...set, expect: [line(verdict)] })).toEqual([]);
        expect(expectationProblems({ ...set, expect: [line(verdict === 'allow' ? 'deny' : 'allow')] })).toHaveLength(1);
      }),
      { numRuns: 3000 },
    );
  });
});

test('no ruleset makes the analysis throw', () => {
  fc.assert(
    fc.property(someRuleset, (set) => {
      for (const { message, code } of analyse(set)) expect(`${code} ${message}`).not.toMatch(/undefined|\[object|NaN/);
    }),
    { numRuns: 1500 },
  );
});
