/** What a review says of rules, by what was counted of them and when. */
import { buildSnapshot, type SnapshotInput, type TotalFigures } from '../../../src/observe/build-snapshot';
import { type Review, reviewRuleset } from '../../../src/operate/review';
import { parseRuleset } from '../../../src/parse/parse';

const DAY = 86_400_000;
const NOW = Date.parse('2026-11-23T12:00:00Z');
const daysAgo = (days: number): string => new Date(NOW - days * DAY).toISOString();

const TEXT = `version: 1
guard:
  rules:
    - { id: passed-on, action: allow, from: 192.0.2.1 }
    - { id: feed, action: deny, from: 192.0.2.2 }
inbound:
  ssh: { port: 22, from: anyone }
  rules:
    - { id: busy, action: allow, port: 80/tcp }
    - { id: idle, action: allow, port: 81/tcp, owner: ops, note: agent }
    - { id: never, action: limit, port: 82/tcp }
    - { id: young, action: allow, port: 83/tcp }
    - { id: wall, action: deny, port: 84/tcp }
    - { id: under, action: allow, port: 84/tcp, from: 192.0.2.0/24 }
    - { id: again, action: allow, port: 80/tcp, from: 192.0.2.0/24 }
    - { id: over, action: allow, port: 85/tcp, until: 2026-11-01 }
    - { id: shut, action: allow, port: 86/tcp, enabled: off }
    - { id: dated, action: allow, port: 87/tcp, review: 2026-11-22 }
    - { id: today, action: allow, port: 88/tcp, review: 2026-11-23 }
    - { id: deaf, action: allow, port: 89/tcp }
    - { id: wide, action: allow, from: any, log: on }
outbound:
  rules: [{ id: idle, action: allow, port: 53/udp }]
servers:
  red: { address: 198.51.100.1, rules: [{ id: idle, action: allow, port: 80/tcp }] }
`;
const ruleset = parseRuleset(TEXT, { file: 'rules.yaml' }).ruleset!;

const hit = (lastHit: string | null, watched: number) => ({
  ...{ packets: lastHit === null ? '0' : '1', bytes: '0' },
  ...{ lastHit, watchedSince: daysAgo(watched) },
});
const recent = hit(daysAgo(0), 99);
const names = ['busy', 'wall', 'under', 'again', 'dated', 'today', 'deaf', 'wide'];
const rules: TotalFigures['rules'] = {
  ...Object.fromEntries(names.map((id) => [`inbound/${id}`, recent])),
  'inbound/idle': hit(daysAgo(31), 99),
  'inbound/never': hit(null, 45),
  'inbound/young': hit(null, 3),
  'inbound/over': hit(null, 99),
  'inbound/shut': hit(null, 99),
  'outbound/idle': hit(null, 99),
  'red/idle': hit(null, 99),
  'guard/passed-on': hit(null, 99),
  'guard/feed': hit(null, 99),
};
const none = { packets: '0', bytes: '0' };
const verdicts = { allow: none, deny: none };
const input: SnapshotInput = {
  takenAt: new Date(NOW).toISOString(),
  active: { generation: 1, digest: 'd', appliedAt: daysAgo(99) },
  ...{ file: '/rules.yaml', pending: null, ruleset, interfaces: [], notFiltered: [], allowAll: [], warnings: [] },
  figures: { rules, reasons: {}, verdicts, outgoing: { reasons: {}, verdicts } },
  ...{ bans: { hosts: 0, prefixes: 0 }, booted: null, spare: null, events: null },
};

function review(days: number): Review {
  return reviewRuleset(ruleset, {
    ...{ sections: buildSnapshot(input).sections, nowMs: NOW, unusedMs: days * DAY },
    silentPorts: ({ toPorts }) => (toPorts !== 'any' && toPorts[0].first === 89 ? '89/tcp' : null),
  });
}

test('each rule that is worth a look, why, and the line that takes it out', () => {
  const found = review(30).found.map(({ section, number, id, remarks, deletion }) => [
    `${section} ${number} ${id}`,
    remarks.map(({ kind, words }) => `${kind}: ${words}`),
    deletion,
  ]);
  expect(found).toEqual([
    ['inbound 2 idle', ['unused: no hit for 31 d'], 'sluice delete idle'],
    ['inbound 3 never', ['unused: no hit for 45 d, as long as it is watched'], 'sluice delete never'],
    ['inbound 6 under', [expect.stringMatching(/^unreached: is never reached: it sits under rule 5/)], null],
    ['inbound 7 again', [expect.stringMatching(/^unreached: is never reached: rule 1 above/)], 'sluice delete again'],
    [
      'inbound 8 over',
      [expect.stringMatching(/^ended: ended 2026-1[01]-\d\dT.* and matches nothing$/)],
      'sluice delete over',
    ],
    ['inbound 9 shut', ['off: is switched off'], 'sluice delete shut'],
    ['inbound 10 dated', ['due: was to be looked at 2026-11-22: then give it a new date'], null],
    ['inbound 12 deaf', ['silent: nothing here listens on 89/tcp'], 'sluice delete deaf'],
    ['inbound 13 wide', ['broad: lets everybody in on every port'], null],
    ['outbound 14 idle', ['unused: no hit for 99 d, as long as it is watched'], 'sluice delete outbound/idle'],
    ['guard null feed', ['unused: no hit for 99 d, as long as it is watched'], null],
    ['red 1 idle', ['unused: no hit for 99 d, as long as it is watched'], 'sluice delete idle --server red'],
  ]);
});

test('what is watched for too short a time is no verdict, but counted', () => {
  expect(review(30)).toMatchObject({ rules: 17, early: 1 });
  const long = review(60);
  expect(long.early).toBe(2);
  expect(long.found.map(({ id }) => id)).not.toContain('never');
});

test('a rule that decides otherwise than those above it is led out, not thrown away', () => {
  const [under] = review(30).found.filter(({ id }) => id === 'under');
  expect(under).toMatchObject({ remarks: [{ hint: 'sluice move 6 before 5' }], deletion: null });
});
