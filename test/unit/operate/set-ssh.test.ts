/** `sluice ssh`: the row alone changes, comments and layout stay. */
import { type EditOutcome, setSsh, type SshChange } from '../../../src/operate/edit-ruleset';
import { parseRuleset } from '../../../src/parse/parse';

const FILE = '/nowhere/rules.yaml';
const set = (text: string, change: SshChange | 'off'): EditOutcome => setSsh({ text, file: FILE }, change);
const changed = (outcome: EditOutcome): string => {
  if (outcome.kind !== 'changed') throw new Error(JSON.stringify(outcome, null, 1));
  return outcome.text;
};
const rowOf = (text: string) => {
  const ssh = parseRuleset(text, { file: FILE }).ruleset!.inbound.ssh;
  return ssh && `${ssh.ports.join(',')} ${ssh.from}`;
};

const inline = `# top
version: 1
inbound:   # the door
  default: deny
  ssh: { port: 22, from: anyone }   # everybody
  # rows
  rules: [allow 443/tcp]
`;
const block = `version: 1
inbound:
  ssh:
    # two of them
    port:
      - 22   # old
      - 2222
    from: rules   # narrow
  # below
  rules:
    - allow ssh   # by name
`;

test.each<[string, string, SshChange | 'off', string]>([
  ['a port', inline, { ports: [2222] }, inline.replace('port: 22', 'port: 2222')],
  [
    'ports',
    inline,
    { ports: [2222, 22, 22], from: 'rules' },
    inline.replace('22, from: anyone', '[22, 2222], from: rules'),
  ],
  ['who', inline, { from: 'rules' }, inline.replace('anyone', 'rules')],
  ['off', inline, 'off', inline.replace('{ port: 22, from: anyone }', 'off')],
  ['who in a block', block, { from: 'anyone' }, block.replace('from: rules ', 'from: anyone ')],
  ['on again', inline.replace('{ port: 22, from: anyone }', 'off'), { ports: [22] }, inline],
  [
    'a first row',
    'version: 1\ninbound:\n  rules: [allow 1]\n',
    { ports: [22] },
    'version: 1\ninbound:\n  ssh: { port: 22, from: anyone }\n  rules: [allow 1]\n',
  ],
  ['no section', 'version: 1\n', { ports: [22] }, 'version: 1\ninbound:\n  ssh: { port: 22, from: anyone }\n'],
  [
    'JSON',
    '{"version":1,"inbound":{"rules":[]}}',
    { ports: [22] },
    '{"version":1,"inbound":{"ssh": { "port": 22, "from": "anyone" }, "rules":[]}}',
  ],
])('%s', (_, text, change, expected) => {
  expect(changed(set(text, change))).toBe(expected);
});

test('a list of lines becomes one value, the comments around it stay', () => {
  const text = changed(set(block, { ports: [2022] }));
  expect(rowOf(text)).toBe('2022 rules');
  for (const comment of ['# two of them', '# narrow', '# below', '# by name']) expect(text).toContain(comment);
  expect(rowOf(changed(set(block, 'off')))).toBeUndefined();
  expect(changed(set(block, 'off'))).toContain('  ssh: off');
});

test('what it says: the row, and rows that name ssh', () => {
  expect(set(inline, { ports: [22] })).toMatchObject({
    kind: 'unchanged',
    message: 'the SSH row is 22/tcp from anyone already',
  });
  expect(set(inline, { ports: [22, 2222] })).toMatchObject({
    message: 'the SSH row is 22,2222/tcp from anyone now (was 22/tcp from anyone)',
  });
  expect(set(block, { ports: [2022] })).toMatchObject({
    message:
      'the SSH row is 2022/tcp from rules now (was 22,2222/tcp from rules); rule 1 is now allow 2022/tcp (was allow 22,2222/tcp)',
  });
  expect(set('version: 1\n', 'off')).toMatchObject({
    kind: 'unchanged',
    message: 'the SSH row is off already',
  });
});

test('what cannot be done safely is left to its author', () => {
  const refused = (outcome: EditOutcome): string =>
    outcome.kind === 'refused' ? outcome.diagnostics.map(({ message }) => message).join() : outcome.kind;
  expect(refused(set('version: 1\n', { from: 'rules' }))).toContain('its port must be said');
  expect(refused(set('version: 1\ninbound: { ssh: &a { port: 22, from: anyone } }\n', { ports: [1] }))).toContain(
    'anchor',
  );
  // An SSH port that an expectation contradicts, and a text with errors.
  expect(refused(set('version: 1\ninbound: { ssh: { port: 70000, from: anyone } }\n', { ports: [22] }))).toContain(
    '70000',
  );
});
