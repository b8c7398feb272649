import fc from 'fast-check';
import { DEFAULT_ECHO_RATES } from '../../../src/model/echo';
import { MATCH_ALL } from '../../../src/model/match';
import { DEFAULT_ETHERTYPES, NO_GUARD, OPEN_OUTBOUND, type Rule, type Ruleset } from '../../../src/model/ruleset';
import { longestIncreasing } from '../../../src/analyse/longest-increasing';
import { isEmptyPlan, planRuleset } from '../../../src/operate/plan';
import { renderPlan } from '../../../src/operate/render-plan';

const source = { file: 'rules.yaml', line: 1, column: 1, offset: 0, length: 0 };
const rule = (id: string, text: string, enabled = true): Rule => ({
  id,
  idIsExplicit: true,
  action: text.startsWith('allow') ? 'allow' : 'deny',
  match: MATCH_ALL,
  enabled,
  text,
  source,
  written: { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: false },
});
const ruleset = (rules: readonly Rule[], rest: Partial<Ruleset> = {}): Ruleset => ({
  version: 1,
  interfaces: 'auto',
  mode: 'auto',
  icmp: 'essentials',
  echo: DEFAULT_ECHO_RATES,
  fragments: 'track',
  logging: 'low',
  ethertypes: DEFAULT_ETHERTYPES,
  sets: [],
  guard: NO_GUARD,
  outbound: OPEN_OUTBOUND,
  inbound: { name: 'inbound', default: 'deny', rules },
  expect: [],
  ...rest,
});

test('added, changed, moved, removed, as a person would say it', () => {
  const before = ruleset([
    rule('ssh', 'allow from 203.0.113.0/25 to any port 22'),
    rule('web', 'allow 80/tcp'),
    rule('api', 'allow 8000/tcp'),
    rule('old', 'allow 8443/tcp'),
    rule('bogons', 'deny from bogons'),
  ]);
  const after = ruleset([
    rule('ssh', 'allow from 203.0.113.0/24 to any port 22'),
    rule('bogons', 'deny from bogons'),
    rule('web', 'allow 80/tcp', false),
    rule('api', 'allow 8000/tcp'),
    rule('metrics', 'allow from 10.0.0.0/8 to any port 9100'),
  ]);
  expect(renderPlan(planRuleset(before, after))).toBe(
    [
      '  + metrics  allow from 10.0.0.0/8 to any port 9100 (rule 5)',
      '  ~ ssh      allow from 203.0.113.0/24 to any port 22 (was allow from 203.0.113.0/25 to any port 22)',
      '  ~ web      allow 80/tcp (now disabled)',
      '  → bogons   deny from bogons (moved 5 → 2)',
      '  - old      allow 8443/tcp (was rule 4)',
      '1 added, 2 changed, 1 moved, 1 removed',
      '',
    ].join('\n'),
  );
});

test('rows with derived ids that change their action are changed, not exchanged', () => {
  const derived = (id: string, text: string): Ruleset => ruleset([{ ...rule(id, text), idIsExplicit: false }]);
  const plan = planRuleset(derived('allow-22', 'allow 22/tcp'), derived('deny-22', 'deny 22/tcp'));
  expect(plan.sections[0].changed).toEqual([
    {
      from: { id: 'allow-22', number: 1, text: 'allow 22/tcp' },
      to: { id: 'deny-22', number: 1, text: 'deny 22/tcp' },
    },
  ]);
});

test('settings, default, SSH row and sets', () => {
  const prefix = (word: number) => ({ family: 4, words: [word], length: 32 }) as const;
  const before = ruleset([], { sets: [{ name: 'office', addresses: [prefix(1)], source }] });
  const after = ruleset([], {
    mode: 'native',
    sets: [{ name: 'office', addresses: [2, 3, 4, 5, 6].map(prefix), source }],
    inbound: { name: 'inbound', default: 'allow', ssh: { ports: [22, 2222], from: 'anyone', source }, rules: [] },
  });
  expect(renderPlan(planRuleset(before, after))).toBe(
    [
      '  ~ mode: native (was auto)',
      '  ~ set office: +0.0.0.2 +0.0.0.3 +0.0.0.4 +2 more -0.0.0.1',
      '  ~ inbound default: allow (was deny)',
      '  ~ inbound ssh: port 22, 2222 from anyone (was none)',
      '4 other',
      '',
    ].join('\n'),
  );
});

test('everything that can be written is compared', () => {
  const [web, guarded] = [rule('web', 'allow 80/tcp'), { ...rule('edge', 'deny from any'), direction: 'in' } as const];
  const before = ruleset([web]);
  const inbound = before.inbound;
  const expectation = { direction: 'in', verdict: 'deny', match: MATCH_ALL, text: 'deny from any', source } as const;
  const changes: [string, Ruleset, Ruleset?][] = [
    ['  ~ inbound udp: off (was on)', ruleset([web], { inbound: { ...inbound, udp: 'off' } })],
    ['  ~ logging: full (was low)', ruleset([web], { logging: 'full' })],
    ['  ~ web  allow 80/tcp (log all, was off)', ruleset([{ ...web, log: 'all' }])],
    ['  ~ web  allow 80/tcp (note "shop", was "")', ruleset([{ ...web, note: 'shop' }])],
    ['  ~ web  allow 80/tcp (owner ops, was none)', ruleset([{ ...web, owner: 'ops' }])],
    ['  ~ web  allow 80/tcp (review 2027-01-01, was none)', ruleset([{ ...web, review: '2027-01-01' }])],
    ['  ~ shop  allow 80/tcp (id shop, was web)', ruleset([{ ...web, id: 'shop' }])],
    ['  + expect deny from any', ruleset([web], { expect: [expectation] })],
    ['  - expect deny from any', before, ruleset([web], { expect: [expectation] })],
    [
      '  ~ guard/edge  deny from any (list rules, was keep-reachable)',
      ruleset([web], { guard: { keepReachable: [], rules: [guarded] } }),
      ruleset([web], { guard: { keepReachable: [rule('edge', 'deny from any')], rules: [] } }),
    ],
  ];
  for (const [line, after, from = before] of changes) {
    const plan = planRuleset(from, after);
    expect(renderPlan(plan).split('\n')[0]).toBe(line);
    expect(isEmptyPlan(plan)).toBe(false);
  }
});

test('the first ruleset is all added; the same one is no change', () => {
  const rules = ruleset([rule('web', 'allow 80/tcp')]);
  expect(planRuleset(null, rules).sections[0].added).toHaveLength(1);
  expect(isEmptyPlan(planRuleset(rules, rules))).toBe(true);
  expect(renderPlan(planRuleset(rules, rules))).toBe('no changes\n');
});

test('the longest increasing subsequence is increasing and longest', () => {
  const increasing = (values: readonly number[]): boolean => values.every((v, i) => i === 0 || values[i - 1] < v);
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(20), { maxLength: 9 }), (values) => {
      const found = [...longestIncreasing(values)].sort((a, b) => a - b).map((i) => values[i]);
      expect(increasing(found)).toBe(true);
      let best = 0;
      for (let mask = 0; mask < 1 << values.length; mask++) {
        const chosen = values.filter((_, i) => mask & (1 << i));
        if (increasing(chosen)) best = Math.max(best, chosen.length);
      }
      expect(found).toHaveLength(best);
    }),
  );
});

test('applying a plan of moves leads from one order to the other', () => {
  const order = fc.shuffledSubarray(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], { minLength: 8 });
  fc.assert(
    fc.property(order, order, (from, to) => {
      const rules = (ids: string[]): Ruleset => ruleset(ids.map((id) => rule(id, `allow from ${id}`)));
      const [section] = planRuleset(rules(from), rules(to)).sections;
      const moved = new Map(section.moved.map((move) => [move.id, move.to - 1]));
      const result: string[] = Array<string>(8);
      for (const [id, place] of moved) result[place] = id;
      for (const id of from) if (!moved.has(id)) result[result.findIndex((entry) => !entry)] = id;
      expect(result).toEqual(to);
    }),
  );
});
