/** `outbound` and `guard`: what they hold, and what is refused there. */
import { DEFAULT_ETHERTYPES } from '../../../src/model/ruleset';
import { findings, good, parse } from './support';

const text = `version: 1
sets: { office: [203.0.113.0/24] }
guard:
  keep-reachable:
    - { from: office, port: 22/tcp, id: jump }
    - allow from 198.51.100.1 to any port 443 proto tcp
  rules: [deny from 192.0.2.0/24, deny out to 192.0.2.0/24, { action: allow, direction: out, port: 53 }]
inbound: { ssh: { port: 2222, from: anyone }, rules: [allow ssh] }
outbound:
  default: deny
  rules: |
    allow out to any port 53
    allow 443/tcp
    allow out ssh
`;

test('rows, directions, ids and texts', () => {
  const { guard, outbound, inbound, ethertypes } = good(text);
  expect(ethertypes).toEqual(DEFAULT_ETHERTYPES);
  expect(guard.keepReachable.map(({ id, action, text: words }) => [id, action, words])).toEqual([
    ['jump', 'allow', 'allow from office to any port 22 proto tcp'],
    ['allow-443_tcp-from-198.51.100.1', 'allow', 'allow from 198.51.100.1 to any port 443 proto tcp'],
  ]);
  expect(guard.rules.map(({ direction, text: words }) => [direction, words])).toEqual([
    ['in', 'deny from 192.0.2.0/24'],
    ['out', 'deny out to 192.0.2.0/24'],
    ['out', 'allow out 53'],
  ]);
  expect(outbound).toMatchObject({ name: 'outbound', default: 'deny' });
  // Outside, ssh is port 22; here it is the section's own.
  expect(outbound.rules.map(({ text: words }) => words)).toEqual([
    'allow out 53',
    'allow out 443/tcp',
    'allow out 22/tcp',
  ]);
  expect(inbound.rules[0].text).toBe('allow 2222/tcp');
});

test('what goes out can be rejected: by a row, by the guard, by the default', () => {
  const { guard, outbound } = good(
    'version: 1\nguard: { rules: [reject out 25/tcp] }\noutbound: { default: reject, rules: [reject out to 192.0.2.9] }\n',
  );
  expect(guard.rules.map(({ direction, action }) => [direction, action])).toEqual([['out', 'reject']]);
  expect(outbound).toMatchObject({ default: 'reject', rules: [{ action: 'reject', text: 'reject out to 192.0.2.9' }] });
});

test('ids are unique over both lists of the guard', () => {
  const twice = 'version: 1\nguard: { keep-reachable: [{ port: 22/tcp, id: a }], rules: [deny 25 id a] }\n';
  expect(findings(twice)).toEqual(['error parse/id 2:72+1']);
  const derived = good('version: 1\nguard: { keep-reachable: [{ port: 22/tcp }], rules: [allow 22/tcp] }\n').guard;
  expect([...derived.keepReachable, ...derived.rules].map(({ id }) => id)).toEqual(['allow-22_tcp', 'allow-22_tcp-2']);
});

test.each([
  ['inbound: { rules: [allow out 53] }', /"out" has no place under inbound/, /outbound: \{ rules/],
  ['outbound: { rules: [allow in 53] }', /"in" has no place under outbound/, /inbound: \{ rules/],
  ['inbound: { rules: [{ action: allow, port: 53, direction: out }] }', /"out" has no place under inbound/, /outbound/],
  ['guard: { keep-reachable: [allow out 53] }', /"out" has no place under keep-reachable/, /./],
  ['guard: { keep-reachable: [deny 53] }', /"deny" has no place under keep-reachable/, /guard: \{ rules/],
  ['guard: { keep-reachable: [{ action: allow, port: 22 }] }', /"action" is not a key/, /./],
  ['guard: { keep-reachable: [{ server: a, port: 22 }] }', /"server" is not supported yet/, /to:/],
  ['guard: { keepreachable: [] }', /"keepreachable" is not a key of "guard"/, /keep-reachable/],
  ['guard: { default: deny }', /"default" is not a key of "guard"/, /./],
  ['outbound: { ssh: off }', /"ssh" is not a key of "outbound"/, /./],
  ['outbound: { rules: [allow in out 53] }', /"out" contradicts "in"/, /./],
])('%s', (line, message, hint) => {
  const { ruleset, diagnostics } = parse(`version: 1\n${line}\n`);
  expect(ruleset).toBeNull();
  const finding = diagnostics.find((candidate) => message.test(candidate.message));
  expect(diagnostics.map((candidate) => candidate.message).join('\n')).toMatch(message);
  expect(finding?.hint ?? '.').toMatch(hint);
});

test('an empty guard and an empty outbound change nothing', () => {
  const plain = good('version: 1\n');
  expect(good('version: 1\nguard:\noutbound:\n')).toEqual(plain);
  expect(good('version: 1\nguard: { keep-reachable: [], rules: [] }\noutbound: { rules: [] }\n')).toEqual(plain);
});
