/** What doctor proposes, where the shape of the rows matters; that it helps is a property. */
import { diagnose, type Remedy } from '../../../src/analyse/diagnose';
import { NO_STATE } from '../../../src/model/given-state';
import type { Action } from '../../../src/model/verdict';
import { prefix, rule, type RuleText, ruleset } from '../../support/findings';

const key = {
  ...({ family: 4, source: prefix('198.51.100.77').words, destination: prefix('192.0.2.1').words } as const),
  ...{ protocol: 6, sourcePort: 40000, destinationPort: 80 },
};
const remedies = (...rows: (readonly [Action, RuleText])[]): (Remedy | null)[] => {
  const set = ruleset(rows.map(([action, text], i) => rule(i + 1, action, text)));
  return diagnose(set, key, NO_STATE).obstacles.map(({ remedy }) => remedy);
};

test('an allow is moved only above a row that takes all of it', () => {
  expect(remedies(['deny', { port: [80] }], ['allow', { from: ['198.51.100.0/24'], port: [80] }])).toEqual([
    { kind: 'move', row: 2, before: 1 },
  ]);
  // Moved, the allow for everybody would end the deny for everybody in it.
  expect(remedies(['deny', { from: ['198.51.100.0/24'] }], ['allow', {}])).toMatchObject([
    { kind: 'allow', text: 'allow from 198.51.100.77 to any port 80 proto tcp', before: 1 },
  ]);
});
