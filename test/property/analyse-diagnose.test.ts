/** What is said to let a packet in does, by the scan: each remedy in its turn, over random rulesets and packets. */
import * as fc from 'fast-check';
import { diagnose, firstPacket, mended } from '../../src/analyse/diagnose';
import { evaluatePacket } from '../../src/model/evaluate';
import { NO_STATE } from '../../src/model/given-state';
import { type FlowKey, mirror } from '../../src/model/packet';
import type { GuardRule, Rule, Ruleset } from '../../src/model/ruleset';
import type { Action } from '../../src/model/verdict';
import { anyKey, matchOf } from '../support/any-match';
import { anyRuleset } from '../support/any-ruleset';
import { at, prefix, rule } from '../support/findings';

const bans = fc.subarray(['0.0.0.0/1', '128.0.0.0/1', '::/0'].map(prefix));
/** What makes rare obstacles common: an allow under a deny, an answer that the guard refuses, rows of a server. */
const AIMS = ['order', 'answer', 'none', 'server'] as const;

function aimed(any: Ruleset, key: FlowKey, aim: (typeof AIMS)[number]): Ruleset {
  const row = (number: number, action: Action, match = matchOf(key)): Rule => ({ ...rule(number, action), match });
  if (aim === 'order')
    return { ...any, inbound: { ...any.inbound, rules: [row(90, 'deny'), ...any.inbound.rules, row(91, 'allow')] } };
  if (aim === 'none') return any;
  if (aim === 'server') {
    const { family, destination: words } = key;
    const addresses = [{ family, words, length: family === 4 ? 32 : 128 }];
    const { inbound } = any;
    return {
      ...any,
      inbound: { ...inbound, rules: [] },
      servers: [{ ...inbound, name: 'box', addresses, source: at(1) }],
    };
  }
  const refusal: GuardRule = { ...row(92, 'deny', matchOf(mirror(key))), direction: 'out' };
  return { ...any, guard: { keepReachable: [], rules: [refusal] } };
}

const KINDS = ['unban', 'udp-on', 'move', 'allow', 'none: guard', 'none: answer'];

test('with all remedies done the packet gets in; with one left out it does not', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(anyRuleset, anyKey, bans, fc.constantFrom(...AIMS), (any, key, banned, aim) => {
      if (key.protocol !== 6 && key.protocol !== 17) return;
      const ruleset = aimed(any, key, aim);
      const state = { ...NO_STATE, bans: banned };
      const packet = firstPacket(key);
      const { decision, obstacles, afterwards } = diagnose(ruleset, key, state);
      const now = evaluatePacket(ruleset, packet, state);
      if (obstacles[0]?.what !== 'answer') expect(decision).toEqual(now);
      expect(now.verdict === 'allow').toBe(obstacles.every(({ what }) => what === 'answer'));
      let [set, given] = [ruleset, state];
      for (const { what, remedy, decision: refused } of obstacles) {
        if (remedy && remedy.kind !== 'unban') expect(remedy.server).toBe(aim === 'server' ? 'box' : undefined);
        seen.set(remedy?.kind ?? `none: ${what}`, (seen.get(remedy?.kind ?? `none: ${what}`) ?? 0) + 1);
        if (what !== 'answer') expect(evaluatePacket(set, packet, given)).toEqual(refused);
        if (!remedy) break;
        set = mended(set, remedy);
        if (remedy.kind === 'unban') given = { ...given, bans: given.bans.filter((ban) => ban !== remedy.prefix) };
      }
      if (afterwards) expect(evaluatePacket(set, packet, given)).toMatchObject({ verdict: 'allow' });
      else expect(obstacles.at(-1)?.remedy).toBeNull();
    }),
    { numRuns: 3000 },
  );
  const least = Math.min(...KINDS.map((kind) => seen.get(kind) ?? 0));
  expect({ seen, enough: least > 5 }).toEqual({ seen, enough: true });
});
