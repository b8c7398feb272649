import { findings, good } from './support';

test.each([
  ['', 'low'],
  ['logging: on', 'low'],
  ['logging: yes', 'low'],
  ['logging: false', 'off'],
  ['logging: "off"', 'off'],
  ['logging: medium', 'medium'],
  ['logging: high', 'high'],
  ['logging: full', 'full'],
])('%j is the level %s', (line, level) => expect(good(`version: 1\n${line}\n`).logging).toBe(level));

test.each(['logging: loud', 'logging: 3', 'logging: [low]'])('%j is no level', (line) => {
  expect(findings(`version: 1\n${line}\n`)).toHaveLength(1);
});

test.each([
  ['on', 'new'],
  ['true', 'new'],
  ['all', 'all'],
  ['off', undefined],
])('log: %s of an object', (value, log) => {
  const { rules } = good(`version: 1\ninbound: { rules: [{ action: deny, port: 5, log: ${value} }] }\n`).inbound;
  expect(rules[0].log).toBe(log);
});

test('log: maybe is refused', () => {
  expect(findings('version: 1\ninbound: { rules: [{ action: deny, log: maybe }] }\n')).toHaveLength(1);
});
