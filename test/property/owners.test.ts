/**
 * Whatever words an owner gives a verb, in any layout of the file: the text outside his server's place, and everything it
 * means, stays as it was.
 */
import * as fc from 'fast-check';
import { evaluatePacket } from '../../src/model/evaluate';
import { ROW_VERBS, VERBS } from '../../src/operate/edit/verbs';
import { ownFindings } from '../../src/operate/owner/change';
import { findWrong, rowsAmong } from '../../src/operate/owner/own-words';
import { forOwner } from '../../src/operate/owner/refusal';
import { UsageError } from '../../src/operate/usage-error';
import { parseRuleset } from '../../src/parse/parse';
import type { Ruleset, Server } from '../../src/model/ruleset';
import { anyKey } from '../support/any-match';

const FILE = '/nowhere/rules.yaml';
const parse = (text: string): Ruleset => parseRuleset(text, { file: FILE, readFile: () => Buffer.from('') }).ruleset!;

const HEAD = `# provider
version: 1
sets: { office: [203.0.113.0/24, 10.1.0.0/16] }
guard: { rules: [{ id: secret, action: deny, from: 198.18.0.0/15 }] }
inbound: { default: deny, rules: [allow from office to any port 22] }
servers:
`;
const BEFORE = `  green: # first\n    address: 192.0.2.1\n    ports: 1-999\n    rules:\n      - { id: web, action: allow, port: 80 }  # x\n`;
const AFTER = `  zebra: { address: [192.0.2.1, "2001:db8::1"], ports: 2000-2999, udp: on, rules: [deny 2022, allow 2000:2100] }\n# end\n`;
const OWN = [
  '  red:\n    address: 192.0.2.1\n    ports: 1000-1999\n    owner: { group: 1 }\n    rules:\n      # one\n      - deny 1022/tcp # why\n      - allow from office to any port 1033\n',
  '  red: { address: 192.0.2.1, ports: 1000-1999, owner: { group: 1 }, rules: [deny 1022/tcp, allow 1033] }\n',
  '  red:\n    address: 192.0.2.1\n    ports: 1000-1999\n    owner: { group: 1 }\n    rules: |\n      1 deny 1022/tcp\n      2 allow 1033\n',
  '  red:\n    address: 192.0.2.1\n    ports: 1000-1999\n    owner: { group: 1 }\n',
];

const subject = fc.constantFrom(
  ...[
    '1022/tcp',
    '1500',
    '80',
    '2022',
    'from 10.0.0.0/8',
    'from office',
    'from any to 192.0.2.1 port 2022',
    'to 192.0.2.9',
  ],
  ...[
    '1044/tcp id web',
    '1044 comment hello',
    "1044 comment 'a: b # c'",
    'out 53',
    '1044 }',
    '] #',
    '&a',
    '*a',
    '| x',
    'any',
  ],
);
const odd = fc.string({ maxLength: 12 });
const words = fc.oneof(subject, subject, odd).map((text) => text.split(' ').filter((word) => word !== ''));
/** The same in one piece, as it may come through the socket. */
const unsplit = fc.oneof(subject, fc.constant('from offic'), odd).map((text) => [`deny ${text}`]);
const number = fc.integer({ min: 0, max: 4 }).map(String);
const request = fc.oneof(
  fc.tuple(fc.constantFrom(...ROW_VERBS.filter((verb) => verb !== 'insert')), words),
  fc.tuple(
    fc.constant('insert' as const),
    fc.tuple(number, subject).map(([n, row]) => [n, 'deny', ...row.split(' ')]),
  ),
  fc.tuple(
    fc.constant('delete' as const),
    fc.oneof(
      number.map((n) => [n]),
      words,
      unsplit,
    ),
  ),
  fc.tuple(
    fc.constant('move' as const),
    fc.oneof(
      fc.tuple(number, number).map(([a, b]) => [a, 'before', b]),
      fc.tuple(unsplit, number).map(([[text], n]) => [text, 'before', n]),
      fc.tuple(number, unsplit).map(([n, [text]]) => [n, 'after', text]),
    ),
  ),
  fc.tuple(fc.constant('udp' as const), fc.constantFrom(['on'], ['off'], ['on', 'green'])),
  fc.tuple(fc.constant('ssh' as const), fc.constantFrom(['1022'], ['off'], ['22', 'from', 'rules'])),
  fc.tuple(fc.constant('default' as const), fc.constantFrom(['allow'], ['reject'], ['deny', 'outgoing'])),
);

const others = (ruleset: Ruleset): unknown =>
  JSON.parse(
    JSON.stringify(
      { ...ruleset, servers: ruleset.servers?.filter(({ name }) => name !== 'red') },
      (key, value: unknown) => (key === 'source' ? undefined : value),
    ),
  );

test('an edit of one server changes no letter and no verdict of the rest, and what is said of it names nothing else', () => {
  let changed = 0;
  const scenario = fc.tuple(
    fc.constantFrom(...OWN),
    fc.array(request, { minLength: 1, maxLength: 4 }),
    fc.array(anyKey, { maxLength: 8 }),
  );
  fc.assert(
    fc.property(scenario, ([own, requests, keys]) => {
      let text = HEAD + BEFORE + own + AFTER;
      const before = parse(text);
      for (const [verb, given] of requests) {
        const server = parse(text).servers!.find(({ name }): boolean => name === 'red') as Server;
        let findings: readonly unknown[] = [];
        try {
          const edit = VERBS[verb](given);
          const wrong = rowsAmong(verb, given).flatMap((row) => findWrong(server, row));
          if (wrong.length > 0) findings = wrong;
          else {
            const outcome = edit({ text, file: FILE, readFile: () => Buffer.from('') }, 'red');
            if (outcome.kind === 'refused') findings = ownFindings(outcome.diagnostics, outcome.text, server, FILE);
            else if (outcome.kind === 'changed') {
              text = outcome.text;
              changed++;
            }
          }
        } catch (error) {
          const { refusal } = forOwner(error);
          if (!(error instanceof UsageError)) expect(['owner/provider', 'owner/failed']).toContain(refusal.code);
          findings = [refusal.message, refusal.hint];
        }
        const told = JSON.stringify(findings, (key, value: unknown) => (key === 'source' ? undefined : value));
        for (const hidden of ['secret', '198.18', 'zebra', '203.0.113', 'rules.yaml', 'did you mean office'])
          expect(told).not.toContain(hidden);
      }
      expect(text.startsWith(HEAD + BEFORE)).toBe(true);
      expect(text.endsWith(AFTER)).toBe(true);
      const after = parse(text);
      expect(others(after)).toEqual(others(before));
      for (const key of keys.filter(({ icmp }) => !icmp)) {
        const packet = { ...key, hopLimit: 64, fragment: 'none' as const };
        const was = evaluatePacket(before, packet);
        if (was.section !== 'red') expect(evaluatePacket(after, packet)).toEqual(was);
      }
    }),
    { numRuns: 150 },
  );
  expect(changed).toBeGreaterThan(20);
});
