/** Every entry of the section table is judged by its own rows and no others, whatever the other entries hold. */
import * as fc from 'fast-check';
import { compile } from '../../src/compile/compile';
import { interpret } from '../../src/compile/interpret';
import { entryOfWord } from '../../src/compile/ranks';
import { imageSections } from '../../src/compile/sections';
import { matches } from '../../src/model/match-packet';
import { laterRows } from '../../src/model/later-fragment';
import type { Match } from '../../src/model/match';
import type { Rule } from '../../src/model/ruleset';
import { anyKey, anyMatch } from '../support/any-match';
import { rule, ruleset } from '../support/findings';

const NOTHING_SHOWN = { sourcePort: 0, destinationPort: 0, icmp: undefined };

const rowsOf = (list: readonly Match[]): Rule[] =>
  list.map((match, i) => ({ ...rule(i + 1, i % 2 === 0 ? 'deny' : 'allow'), match, enabled: i % 7 !== 6 }));
const someMatches = fc.array(anyMatch, { maxLength: 12 });

test('first match in each section, and what no row matches goes to its default or on', () => {
  fc.assert(
    fc.property(
      fc.tuple(someMatches, someMatches, someMatches, someMatches),
      fc.constantFrom('allow', 'deny'),
      fc.array(anyKey, { minLength: 10, maxLength: 20 }),
      ([inbound, outbound, kept, guarded], otherwise, packets) => {
        const written = {
          ...ruleset(rowsOf(inbound)),
          outbound: { name: 'outbound', default: otherwise, rules: rowsOf(outbound) },
          guard: {
            keepReachable: rowsOf(kept),
            rules: rowsOf(guarded).map((row, i) => ({ ...row, direction: i % 3 === 0 ? 'out' : 'in' }) as const),
          },
        };
        const image = compile(written);
        const sections = imageSections(written);
        for (const packet of packets) {
          for (const [index, section] of sections.entries()) {
            // Later fragments show no ports, and no ICMP type.
            const shown = section.laterOf === undefined ? packet : { ...packet, ...NOTHING_SHOWN };
            const { word, fault } = interpret(image, shown, index);
            const entry = entryOfWord(image.ranks, word);
            const rows =
              section.laterOf === undefined
                ? section.rules.filter(({ enabled }) => enabled).map((row) => ({ row, match: row.match }))
                : laterRows(section.rules, (row) => row, packet.family);
            const row = rows.find(({ match }) => matches(match, shown))?.row;
            const expected = row ? { tier: section.rowTier, action: row.action } : section.otherwise;
            expect(fault).toBeUndefined();
            expect(entry && { tier: entry.tier, action: entry.action, rule: entry.rule }).toEqual(
              expected ? { ...expected, rule: row } : null,
            );
            expect(entry?.section ?? section.name).toBe(section.name);
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});
