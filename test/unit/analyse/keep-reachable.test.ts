/** What a change takes out of keep-reachable: of whole prefixes and ranges, exactly, whichever entries keep them. */
import * as fc from 'fast-check';
import { findNarrowed } from '../../../src/analyse/keep-reachable';
import { matches } from '../../../src/model/match-packet';
import { type Guard, NO_GUARD, type Rule } from '../../../src/model/ruleset';
import { anyKey, anyMatch } from '../../support/any-match';
import { rule, type RuleText } from '../../support/findings';

const guard = (...entries: readonly Rule[]): Guard => ({ ...NO_GUARD, keepReachable: entries });
const kept = (...texts: readonly RuleText[]): Guard => guard(...texts.map((text, i) => rule(i + 1, 'allow', text)));
/** Entries that are not wholly kept: id, and the packet that is lost. */
const lost = (before: Guard, after: Guard): (readonly [string, string | null])[] =>
  findNarrowed(before, after).map(({ rule: { id }, example }) => [id, example]);

const OFFICE: RuleText = { proto: [6], from: ['203.0.113.0/24'], port: [22] };

test.each<[string, readonly RuleText[]]>([
  ['the same', [OFFICE]],
  [
    'both halves of it',
    [
      { ...OFFICE, from: ['203.0.113.0/25'] },
      { ...OFFICE, from: ['203.0.113.128/25'] },
    ],
  ],
  ['a wider prefix', [{ ...OFFICE, from: ['203.0.112.0/20'] }]],
  ['every port', [{ ...OFFICE, port: undefined }]],
  ['one beside it, in another order', [{ proto: [17], port: [53] }, OFFICE]],
])('kept by %s', (_name, after) => {
  expect(lost(kept(OFFICE), kept(...after))).toEqual([]);
});

test.each<[string, readonly RuleText[], RegExp]>([
  [
    'half of the prefix',
    [{ ...OFFICE, from: ['203.0.113.0/25'] }],
    /^tcp from 203\.0\.113\.(12[89]|1[3-9]\d|2\d\d) .*port 22$/,
  ],
  [
    'all but one address',
    [
      {
        ...OFFICE,
        from: ['0/25', '128/26', '192/27', '224/28', '240/29', '248/30', '252/31', '254/32'].map(
          (end) => `203.0.113.${end}`,
        ),
      },
    ],
    /^tcp from 203\.0\.113\.255 .*port 22$/,
  ],
  ['one port of it', [{ ...OFFICE, port: [23] }], /port 22$/],
  ['some destinations', [{ ...OFFICE, to: ['192.0.2.0/24'] }], /port 22$/],
  ['nothing', [], /^tcp from 203\.0\.113\.\d+ .*port 22$/],
])('not kept by %s: named, with a packet', (_name, after, packet) => {
  expect(lost(kept(OFFICE), kept(...after))).toEqual([['r1', expect.stringMatching(packet)]]);
});

test('an entry that is turned off keeps nothing; one that was off is not missed', () => {
  const off = { ...rule(1, 'allow', OFFICE), enabled: false };
  expect(lost(kept(OFFICE), guard(off))).toHaveLength(1);
  expect(lost(guard(off), guard())).toEqual([]);
});

test('named is who loses a packet, and nobody else', () => {
  const entries = fc.array(anyMatch, { minLength: 1, maxLength: 4 });
  let [missed, spared] = [0, 0];
  fc.assert(
    fc.property(
      entries,
      entries,
      fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      fc.array(anyKey, { minLength: 24, maxLength: 24 }),
      (a, b, keeps, keys) => {
        const before = a.map((match, i) => ({ ...rule(i + 1, 'allow'), match }));
        // Some entries stay: with none of them nearly all would be lost.
        const after = [
          ...before.filter((_, i) => keeps[i]),
          ...b.map((match, i) => ({ ...rule(i + 11, 'allow'), match })),
        ];
        const named = new Set(lost(guard(...before), guard(...after)).map(([id]) => id));
        for (const { id, match } of before) {
          const loses = keys.some((key) => matches(match, key) && !after.some((entry) => matches(entry.match, key)));
          if (loses) expect(named).toContain(id);
          if (after.some((entry) => entry.id === id)) expect(named).not.toContain(id);
          missed += Number(loses);
          spared += Number(!named.has(id));
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(Math.min(missed, spared)).toBeGreaterThan(10);
});
