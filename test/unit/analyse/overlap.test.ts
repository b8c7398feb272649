import { analyse } from '../../../src/analyse/analyse';
import type { Diagnostic } from '../../../src/diagnostics/diagnostic';
import type { Rule } from '../../../src/model/ruleset';
import { parseRuleset } from '../../../src/parse/parse';
import { rules, ruleset } from '../../support/findings';

const overlaps = (list: readonly Rule[]): Diagnostic[] =>
  analyse(ruleset(list, { icmp: 'rules' })).filter(({ code }) => code === 'lint/overlap');
const brief = (list: readonly Rule[]): unknown[] => overlaps(list).map(({ source, hint }) => [source.line, hint]);

test('a deny behind an allow of another shape: names the allow, a packet and the move', () => {
  expect(overlaps(rules(['allow', { port: [8000], proto: [6] }], ['deny', { from: ['192.0.2.9'] }]))).toMatchObject([
    {
      severity: 'note',
      message: expect.stringMatching(
        /^rule 2 "deny from 192.0.2.9 to any" does not stop all that it names: rule 1 ".*" above it lets some pass, such as tcp from 192.0.2.9 port \d+ to [\d.]+ port 8000$/,
      ) as string,
      hint: 'where it is to come first: sluice move 2 before 1',
    },
  ]);
});

test('exceptions above what they are taken from, and denies above allows, are how lists are written', () => {
  expect(
    brief(
      rules(
        ['deny', { from: ['192.0.2.0/24'] }],
        ['allow', { from: ['10.0.0.0/8'], port: [22] }],
        ['deny', { port: [22] }],
        ['allow', { from: ['10.0.0.0/8'] }],
        ['deny', { to: ['198.51.100.9'] }],
        ['allow', { port: [443] }],
        ['deny', {}],
      ),
    ),
  ).toEqual([]);
});

test('what the allow lets pass must be its own: not what a row above decides, not what nothing reaches', () => {
  const deny = { from: ['192.0.2.9'] };
  // Row 1 takes from row 2 all that row 3 could lose to it.
  expect(brief(rules(['deny', { ...deny, port: [8000] }], ['allow', { port: [8000] }], ['deny', deny]))).toEqual([]);
  // Never reached: that is said by lint/shadowed.
  expect(brief(rules(['allow', {}], ['deny', deny]))).toEqual([]);
  expect(brief(rules(['allow', { port: [8000] }], ['reject', deny], ['deny', deny]))).toEqual([
    [2, 'where it is to come first: sluice move 2 before 1'],
  ]);
});

test('limit lets pass too; an allow with an end is meant', () => {
  const deny = ['deny', { from: ['192.0.2.9'] }] as const;
  expect(brief(rules(['limit', { port: [8000], proto: [6] }], [...deny]))).toHaveLength(1);
  const [allow, denied] = rules(['allow', { port: [8000] }], [...deny]);
  expect(brief([allow, denied])).toHaveLength(1);
  expect(brief([{ ...allow, untilMs: Date.UTC(2030, 1) }, denied])).toEqual([]);
});

test('of outbound, of a server, of the guard, each with its own remedy', () => {
  const text = `version: 1
inbound: { default: deny }
outbound: { default: deny, rules: [allow out 443/tcp, deny out to 192.0.2.9] }
guard: { rules: [allow from any to any port 53, deny from 203.0.113.0/24] }
servers:
  gpu-17: { address: 198.51.100.7, ports: 14500-14599, rules: [allow to any port 14511, deny from 192.0.2.9] }
`;
  const parsed = parseRuleset(text, { file: 'rules.yaml' });
  expect(parsed.diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  const found = analyse(parsed.ruleset!).filter(({ code }) => code === 'lint/overlap');
  expect(found.map(({ hint }) => hint)).toEqual([
    'where it is to come first: sluice move 2 before 1',
    'where it is to come first: write it above guard row 1',
    'where it is to come first: sluice move 2 before 1 --server gpu-17',
  ]);
});

test('the first twenty of a section are told of', () => {
  const denies = Array.from({ length: 30 }, (_, i) => ['deny', { from: [`192.0.2.${i}`] }] as const);
  const list = rules(['allow', { port: [8000] }], ...denies);
  expect(overlaps(list)).toHaveLength(20);
});
