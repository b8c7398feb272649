/** What the second thread says of a ruleset text, beside its findings. */
import { checkRuleset } from '../../../../src/operate/check';
import { knowDigests, sectionDigest } from '../../../../src/operate/section-digest';
import { judge } from '../../../../src/operate/thread/judge';

const FILE = '/etc/sluice/rules.yaml';
const TEXT = `version: 1
interfaces: [eth0]
sets: { office: [192.0.2.0/24] }
servers:
  red: { address: 198.51.100.1, owner: { group: 0 }, rules: [allow 22/tcp from office, deny 25/tcp until 2020-01-01] }
  blue: { address: 198.51.100.2, rules: [allow 80/tcp] }
  green: { address: 198.51.100.3, udp: off, owner: { group: 0, rules: 5 }, rules: [] }
`;

test('of servers with owners it says the digests that the first thread would make, by which that goes on', () => {
  const nowMs = Date.UTC(2026, 0);
  const { ruleset } = checkRuleset(FILE, TEXT, { nowMs });
  const { digests } = judge(FILE, TEXT, { nowMs });
  expect(digests).toEqual(new Map(['red', 'green'].map((name) => [name, sectionDigest(ruleset!, name)])));
  const told = new Map([['red', 'f'.repeat(64)]]);
  const { ruleset: again } = checkRuleset(FILE, TEXT, { nowMs });
  knowDigests(again!, told);
  expect(sectionDigest(again!, 'red')).toBe(told.get('red'));
  expect(sectionDigest(again!, 'green')).toBe(digests.get('green'));
});

test('of a ruleset that is refused it says none', () => {
  expect(judge(FILE, TEXT.replace('22/tcp', '220000/tcp'), {}).digests).toEqual(new Map());
});
