import { DEFAULT_OWNER_QUOTAS } from '../../../../src/model/owner-access';
import type { Prefix } from '../../../../src/model/prefix';
import { prefix } from '../../../support/findings';
import { analyse } from '../../../../src/analyse/analyse';
import { CapacityError } from '../../../../src/compile/capacity';
import { capacityFinding } from '../../../../src/operate/check';
import { ownFindings } from '../../../../src/operate/owner/change';
import { ASKED_A_SECOND, ChangeRate, QuestionRate, requireQuota, useOf } from '../../../../src/operate/owner/quota';
import { parseRuleset } from '../../../../src/parse/parse';

const rulesOf = (rows: string[]) =>
  parseRuleset(JSON.stringify({ version: 1, inbound: { rules: rows } }), { file: 'x' }).ruleset!.inbound.rules;

test('a row counts the addresses and ports it names, one at least', () => {
  expect(useOf({ rules: [] })).toEqual({ rules: 0, entries: 0 });
  expect(useOf({ rules: rulesOf(['allow 22/tcp']) })).toEqual({ rules: 1, entries: 1 });
  const row = 'deny from 192.0.2.1,192.0.2.3,2001:db8::1 to any port 22,80,443 proto tcp';
  expect(useOf({ rules: rulesOf(['allow 22/tcp', row]) })).toEqual({ rules: 2, entries: 10 });
  const ssh = (...ports: number[]) => useOf({ rules: [], ssh: { ports } }).entries;
  expect([ssh(22), ssh(22, 2222), ssh(1, 2, 3, 4)]).toEqual([0, 1, 3]);
});

test('beyond a quota only what takes away goes through', () => {
  const most = { ...DEFAULT_OWNER_QUOTAS, rules: 3, entries: 10 };
  const use = (rules: number, entries: number) => ({ rules, entries });
  expect(() => requireQuota(use(2, 2), use(3, 10), most)).not.toThrow();
  expect(() => requireQuota(use(3, 3), use(4, 4), most)).toThrow('with this you had 4 rules, at most 3 are yours');
  expect(() => requireQuota(use(3, 3), use(3, 11), most)).toThrow(/11 entries .* at most 10/);
  // The provider has written more than he grants: the owner may take some away, and move them.
  expect(() => requireQuota(use(9, 30), use(9, 30), most)).not.toThrow();
  expect(() => requireQuota(use(9, 30), use(8, 29), most)).not.toThrow();
  expect(() => requireQuota(use(9, 30), use(9, 31), most)).toThrow(/entries/);
});

test('a list of a million counts a million entries, whatever it is called', () => {
  const [row] = rulesOf(['deny from 192.0.2.1']);
  const long = { ...row, match: { ...row.match, from: new Array<Prefix>(1_000_000).fill(prefix('192.0.2.1')) } };
  expect(useOf({ rules: [long] }).entries).toBe(1_000_000);
  expect(() => requireQuota(useOf({ rules: [] }), useOf({ rules: [long] }), DEFAULT_OWNER_QUOTAS)).toThrow(
    /1000000 entries .* at most 2000/,
  );
});

test('that all quotas together are more than there is his provider is told, and not he', () => {
  const servers = Array.from(
    { length: 11 },
    (_, i) =>
      `  s${i}:\n    address: 198.18.0.${i}\n    owner: { group: 1, rules: 10000 }\n    rules: [allow from any]\n`,
  );
  const text = `version: 1\nservers:\n${servers.join('')}`;
  const ruleset = parseRuleset(text, { file: 'rules.yaml' }).ruleset!;
  const findings = analyse(ruleset);
  const [first] = ruleset.servers!;
  expect(findings).toContainEqual(expect.objectContaining({ code: 'lint/owner-quotas', source: first.source }));
  const own = ownFindings(findings, text, first, 'rules.yaml');
  expect(own.map(({ code }) => code)).not.toContain('lint/owner-quotas');
  expect(own.length).toBeGreaterThan(0);
});

test('nor is he told what all servers take together, where his row is one too many', () => {
  const rows = '      - allow 22/tcp\n'.repeat(10_000);
  const servers = Array.from({ length: 10 }, (_, i) => `  s${i}:\n    address: 198.18.0.${i}\n    rules:\n${rows}`);
  const text = `version: 1\nservers:\n${servers.join('')}  z:\n    address: 198.18.1.1\n    rules: [allow 23/tcp]\n`;
  const { diagnostics } = parseRuleset(text, { file: 'rules.yaml' });
  const [found] = diagnostics.filter(({ severity }) => severity === 'error');
  expect(found).toMatchObject({ code: 'parse/rules-in-all', message: expect.stringContaining('"z"') as string });
  expect(ownFindings([found], text, { name: 'z', source: found.source }, 'rules.yaml')).toEqual([]);

  const small = 'version: 1\nservers:\n  z:\n    address: 198.18.1.1\n    rules: [allow 23/tcp]\n';
  const ruleset = parseRuleset(small, { file: 'rules.yaml' }).ruleset!;
  const capacity = capacityFinding(ruleset, new CapacityError('image rules', 3_000_000, 2_097_152));
  expect(capacity.source.line).toBe(5);
  expect(ownFindings([capacity], small, ruleset.servers![0], 'rules.yaml')).toEqual([]);
});

test('so many changes within any minute', () => {
  const rate = new ChangeRate();
  for (const at of [0, 10_000, 20_000]) rate.take(3, at);
  expect(() => rate.take(3, 59_999)).toThrow('you tried 3 changes within a minute, the most there can be');
  rate.take(3, 60_000);
  expect(() => rate.take(3, 69_999)).toThrow();
  rate.take(3, 70_000);
  rate.take(4, 70_000);
});

test('twenty questions within any second, then one for each that is a second ago', () => {
  const rate = new QuestionRate();
  for (let i = 0; i < ASKED_A_SECOND; i++) rate.take(1000 + i);
  expect(() => rate.take(1999)).toThrow('you asked 20 times within a second');
  rate.take(2000);
  expect(() => rate.take(2000)).toThrow('you asked');
  rate.take(2001);
});
