import {
  addRule,
  deleteRule,
  type EditOutcome,
  insertRule,
  moveRule,
  setDefault,
  setLogging,
  setSsh,
  setUdp,
} from '../../../src/operate/edit-ruleset';

const FILE = '/nowhere/rules.yaml';
const at = (text: string) => ({ text, file: FILE });
const changed = (outcome: EditOutcome): string => {
  if (outcome.kind !== 'changed') throw new Error(JSON.stringify(outcome, null, 1));
  return outcome.text;
};
const message = (outcome: EditOutcome): string =>
  outcome.kind === 'refused' ? outcome.diagnostics.map((d) => `${d.code}: ${d.message}`).join('\n') : outcome.message;

const commented = `# top
version: 1
inbound:   # the only section
  default: deny
  rules:
    # office first
    - allow from 10.0.0.0/8 to any port 22   # ssh

    # everybody
    - allow 443/tcp
    # objects keep their form
    - { id: api, action: allow, from: 10.1.0.0/16, port: 8000, note: "agent" }
  # nothing below
interfaces: [eth0]
`;

describe('adding', () => {
  test.each([
    ['deny 14141,15151', 'port-14141-15151'],
    ['deny 14141:15151,16161:17171', 'port-14141-15151-16161-17171'],
    // Cut between numbers, never within one.
    ['deny 14141:15151,16161:17171 proto udp', 'udp-14141-15151-16161-17171'],
    ['deny from 2001:db8:1234:5678:9abc:def0:1111:2222', 'from-2001-db8-1234-5678-9abc'],
    ['deny from 198.51.100.200 port 14141', 'from-198-51-100-200-port'],
  ])('%s is called %s', (row, id) => {
    expect(changed(addRule(at(commented), row))).toContain(`${row} id ${id}\n`);
  });

  test('a row goes to the end, with an id made of its match', () => {
    const outcome = addRule(at(commented), "allow from 192.168.1.0/24 to any port 9000 proto tcp comment 'why: not'");
    expect(changed(outcome)).toBe(
      commented.replace(
        '  # nothing below',
        '    - "allow from 192.168.1.0/24 to any port 9000 proto tcp id tcp-9000 comment \'why: not\'"\n  # nothing below',
      ),
    );
    expect(message(outcome)).toBe('added rule 4: allow from 192.168.1.0/24 to any port 9000 proto tcp');
  });

  test('the same row again changes nothing', () => {
    expect(addRule(at(commented), 'ALLOW 443/tcp')).toMatchObject({
      kind: 'unchanged',
      message: 'skipping, already there as rule 2: allow 443/tcp',
    });
    expect(addRule(at(commented), 'allow from 10.1.0.0/16 to any port 8000').kind).toBe('unchanged');
  });

  test('the same match with another action is replaced in place and keeps its id', () => {
    const outcome = addRule(at(commented), 'deny 443/tcp');
    expect(changed(outcome)).toBe(commented.replace('- allow 443/tcp', '- deny 443/tcp id allow-443_tcp'));
    expect(message(outcome)).toBe('replaced rule 2: deny 443/tcp (was allow 443/tcp)');
    // Back again: the id, and so the counters, are still the same.
    expect(changed(addRule(at(changed(outcome)), 'allow 443/tcp'))).toContain('- allow 443/tcp id allow-443_tcp\n');
  });

  test('of an object only what differs is written', () => {
    const outcome = addRule(at(commented), "deny from 10.1.0.0/16 to any port 8000 comment 'closed'");
    expect(changed(outcome)).toBe(commented.replace('action: allow', 'action: deny').replace('"agent"', 'closed'));
  });

  test('limits come, change and go', () => {
    const text =
      'version: 1\ninbound:\n  rules:\n    - limit 22/tcp 20/10s id door # knock\n    - { action: limit, port: 80/tcp, limit: 3/1m, verdict: deny, id: web }\n';
    const rows = (outcome: ReturnType<typeof addRule>): string[] => changed(outcome).split('\n').slice(3, 5);
    expect(addRule(at(text), 'limit 22/tcp 20/10s').kind).toBe('unchanged');
    expect(rows(addRule(at(text), 'limit 22/tcp'))[0]).toBe('    - limit 22/tcp id door # knock');
    expect(rows(addRule(at(text), 'reject 22/tcp'))[0]).toBe('    - reject 22/tcp id door # knock');
    expect(rows(addRule(at(text), 'limit 22/tcp 3/1m per /24'))[0]).toBe(
      '    - limit 22/tcp 3/1m per /24 id door # knock',
    );
    expect(rows(addRule(at(text), 'allow 80/tcp'))[1]).toBe('    - { action: allow, port: 80/tcp, id: web }');
    expect(rows(addRule(at(text), 'limit 80/tcp 5/1h'))[1]).toBe(
      '    - { action: limit, port: 80/tcp, limit: 5/1h, id: web }',
    );
    const block =
      'version: 1\ninbound:\n  rules:\n    - limit: 3/1m\n      action: limit\n      port: 80/tcp\n      verdict: deny # quietly\n      id: web\n';
    expect(changed(addRule(at(block), 'deny 80/tcp'))).toBe(
      'version: 1\ninbound:\n  rules:\n    - action: deny\n      port: 80/tcp\n      id: web\n',
    );
  });

  test('a disabled row is turned on again', () => {
    const text =
      'version: 1\ninbound:\n  rules:\n    - action: allow\n      port: 80\n      enabled: off\n    - allow 81\n';
    expect(changed(addRule(at(text), 'allow 80'))).toBe(
      'version: 1\ninbound:\n  rules:\n    - action: allow\n      port: 80\n      enabled: true\n      id: allow-80\n    - allow 81\n',
    );
  });

  test('an id can be chosen; one that is taken is refused', () => {
    expect(changed(addRule(at(commented), 'allow 80/tcp id web'))).toContain('- allow 80/tcp id web\n');
    expect(message(addRule(at(commented), 'allow 80/tcp id api'))).toMatch(/^parse\/id: /);
  });

  test('ids of the same port differ', () => {
    const once = changed(addRule(at(commented), 'allow from 192.0.2.1 to any port 80'));
    expect(changed(addRule(at(once), 'allow from 192.0.2.2 to any port 80'))).toContain(
      '192.0.2.2 to any port 80 id port-80-2',
    );
  });

  test('a row with an error is refused with its finding, and so is a ruleset with one', () => {
    const outcome = addRule(at(commented), 'allow from 300.0.0.1 to any port 22');
    expect(message(outcome)).toMatch(/^parse\/address: /);
    expect(outcome.text).toContain('300.0.0.1');
    expect(message(addRule(at('version: 1\ninbuond: {}\n'), 'allow 80'))).toMatch(/^parse\/unknown-key/);
  });
});

describe('inserting', () => {
  test('at a position, above the comment of the row that stood there', () => {
    expect(changed(insertRule(at(commented), 1, 'deny from 192.0.2.0/24'))).toBe(
      commented.replace('    # office first', '    - deny from 192.0.2.0/24 id from-192-0-2-0-24\n    # office first'),
    );
    expect(changed(insertRule(at(commented), 4, 'deny 25/tcp'))).toContain(
      'note: "agent" }\n    - deny 25/tcp id tcp-25\n',
    );
  });

  test('positions that are not there', () => {
    for (const position of [0, -1, 5, 1.5, NaN])
      expect(message(insertRule(at(commented), position, 'deny 25'))).toMatch(/^edit\/position: there is no position/);
  });

  test('a repeated row stays, and the move is offered; another action moves it', () => {
    expect(insertRule(at(commented), 1, 'allow 443/tcp')).toMatchObject({
      kind: 'unchanged',
      hint: 'sluice move 2 to 1',
    });
    const outcome = insertRule(at(commented), 1, 'deny 443/tcp');
    expect(message(outcome)).toBe('replaced rule 2: deny 443/tcp (was allow 443/tcp), now rule 1');
    expect(changed(outcome)).toContain(
      '  rules:\n    # everybody\n    - deny 443/tcp id allow-443_tcp\n\n    # office first\n',
    );
  });
});

describe('deleting', () => {
  test('by number, id and text; comments go along and are told', () => {
    const outcome = deleteRule(at(commented), 1);
    expect(changed(outcome)).toBe(
      commented.replace('    # office first\n    - allow from 10.0.0.0/8 to any port 22   # ssh\n', ''),
    );
    expect(outcome).toMatchObject({ removedComments: ['# office first', '# ssh'] });
    expect(message(deleteRule(at(commented), 'api'))).toBe('deleted rule 3: allow from 10.1.0.0/16 to any port 8000');
    expect(message(deleteRule(at(commented), 'allow 443/tcp comment "x"'))).toBe('deleted rule 2: allow 443/tcp');
    expect(message(deleteRule(at(commented), ' 2 '))).toBe('deleted rule 2: allow 443/tcp');
  });

  test('what is not there', () => {
    expect(message(deleteRule(at(commented), 9))).toBe('edit/no-such-rule: there is no rule 9');
    expect(message(deleteRule(at(commented), 'nobody'))).toBe('edit/no-such-rule: no rule has the id "nobody"');
    expect(message(deleteRule(at(commented), 'deny 443/tcp'))).toBe(
      'edit/no-such-rule: there is no rule "deny 443/tcp"',
    );
    expect(message(deleteRule(at(commented), 'allow 443/tpc'))).toMatch(/^parse\//);
    expect(message(deleteRule(at('version: 1\n'), 1))).toBe('edit/no-such-rule: there is no rule 1');
  });

  test('the last row leaves an empty list', () => {
    const text = 'version: 1\ninbound:\n  rules: # mine\n    - allow 22/tcp\n  default: deny\n';
    const empty = changed(deleteRule(at(text), 1));
    expect(empty).toBe('version: 1\ninbound:\n  rules: [] # mine\n  default: deny\n');
    expect(changed(addRule(at(empty), 'allow 22/tcp id ssh-in'))).toBe(text.replace('22/tcp', '22/tcp id ssh-in'));
  });
});

describe('moving', () => {
  test('with the comments above and beside it', () => {
    expect(changed(moveRule(at(commented), 1, { after: 2 }))).toContain(
      '  rules:\n    # everybody\n    - allow 443/tcp\n\n    # office first\n    - allow from 10.0.0.0/8 to any port 22   # ssh\n    # objects',
    );
    expect(message(moveRule(at(commented), 'api', { before: 1 }))).toMatch(/^moved rule 3 to 1: /);
    expect(message(moveRule(at(commented), 1, { to: 3 }))).toMatch(/^moved rule 1 to 3: /);
  });

  test('to where it stands, to itself, to nowhere', () => {
    for (const target of [{ before: 3 }, { after: 1 }, { to: 2 }, { before: 2 }])
      expect(moveRule(at(commented), 2, target).kind).toBe('unchanged');
    expect(message(moveRule(at(commented), 2, { to: 4 }))).toBe('edit/position: there is no position 4');
    expect(message(moveRule(at(commented), 2, { before: 4 }))).toBe('edit/no-such-rule: there is no rule 4');
  });
});

describe('layouts', () => {
  const rows =
    'version: 1\ninbound:\n  default: allow\n  rules: |\n    # pasted\n    1 Deny 0.0.0.0/0 Port 14141\n    2 Allow 78.168.0.0/16 Port 14141   # home\n\n  ssh: { port: 22, from: anyone }\n';

  test('dashboard rows are renumbered', () => {
    expect(changed(moveRule(at(rows), 2, { before: 1 }))).toContain(
      '|\n    1 Allow 78.168.0.0/16 Port 14141   # home\n    # pasted\n    2 Deny 0.0.0.0/0 Port 14141\n',
    );
    expect(changed(deleteRule(at(rows), 1))).toContain('|\n    1 Allow 78.168.0.0/16 Port 14141   # home\n\n');
    expect(changed(addRule(at(rows), '7 Allow 192.0.2.0/24 Port 80'))).toContain(
      '# home\n    3 allow from 192.0.2.0/24 to any port 80 id port-80\n\n',
    );
    expect(changed(addRule(at(rows), 'Allow 0.0.0.0/0 Port 14141'))).toContain('1 allow 14141 id deny-14141\n');
  });

  test('a numbered list too', () => {
    const list =
      'version: 1\ninbound:\n  rules:\n  - 1 Deny 0.0.0.0/0 Port 14141\n  - "2 Allow 78.168.0.0/16 Port 14141"\n';
    expect(changed(moveRule(at(list), 2, { to: 1 }))).toContain(
      '  - "1 Allow 78.168.0.0/16 Port 14141"\n  - 2 Deny 0.0.0.0/0 Port 14141\n',
    );
  });

  test('a block of rows can be emptied and filled again', () => {
    const one = 'version: 1\ninbound:\n  rules: |\n    allow 22/tcp\n  default: deny\n';
    const empty = changed(deleteRule(at(one), 1));
    expect(changed(addRule(at(empty), 'allow 22/tcp id a'))).toBe(one.replace('22/tcp', '22/tcp id a'));
  });

  test('a flow list in one line', () => {
    const text = 'version: 1\ninbound: { default: deny, rules: [allow 22/tcp, "allow 80,443/tcp"] } # edge\n';
    expect(changed(addRule(at(text), 'allow 25/tcp'))).toContain(
      '[allow 22/tcp, "allow 80,443/tcp", allow 25/tcp id tcp-25] }',
    );
    expect(changed(addRule(at(text), 'allow 25,26/tcp'))).toContain('"allow 25,26/tcp id tcp-25-26"] }');
    expect(changed(moveRule(at(text), 2, { to: 1 }))).toContain('["allow 80,443/tcp", allow 22/tcp]');
    const empty = changed(deleteRule(at(changed(deleteRule(at(text), 1))), 1));
    expect(empty).toContain('rules: [] }');
    expect(changed(addRule(at(empty), 'allow 25/tcp'))).toContain('rules: [allow 25/tcp id tcp-25] }');
  });

  test('JSON, a row a line', () => {
    const text =
      '{\n  "version": 1,\n  "inbound": {\n    "rules": [\n      "allow 22/tcp",\n      { "action": "deny", "port": 23 }\n    ]\n  }\n}\n';
    expect(JSON.parse(changed(addRule(at(text), 'allow 80')))).toMatchObject({
      inbound: { rules: { 2: 'allow 80 id port-80' } },
    });
    expect(changed(moveRule(at(text), 2, { to: 1 }))).toContain(
      '[\n      { "action": "deny", "port": 23 },\n      "allow 22/tcp"\n    ]',
    );
    expect(changed(addRule(at(text), 'allow 23'))).toContain('{ "action": "allow", "port": 23, "id": "deny-23" }');
    expect(JSON.parse(changed(deleteRule(at(text), 2)))).toEqual({ version: 1, inbound: { rules: ['allow 22/tcp'] } });
    expect(JSON.parse(changed(setDefault(at(text), 'allow')))).toMatchObject({ inbound: { default: 'allow' } });
  });

  test.each([
    ['version: 1\n', 'version: 1\ninbound:\n  rules:\n    - allow 80 id port-80\n'],
    ['version: 1', 'version: 1\ninbound:\n  rules:\n    - allow 80 id port-80\n'],
    [
      'version: 1\ninbound: # x\nmode: auto\n',
      'version: 1\ninbound: # x\n  rules:\n    - allow 80 id port-80\nmode: auto\n',
    ],
    [
      'version: 1\ninbound:\n    default: deny\n',
      'version: 1\ninbound:\n    default: deny\n    rules:\n      - allow 80 id port-80\n',
    ],
    [
      'version: 1\ninbound:\n  rules: # no\n  default: deny\n',
      'version: 1\ninbound:\n  rules: # no\n    - allow 80 id port-80\n  default: deny\n',
    ],
    ['version: 1\ninbound:\n  rules: []\n', 'version: 1\ninbound:\n  rules:\n    - allow 80 id port-80\n'],
    ['version: 1\ninbound: {}\n', 'version: 1\ninbound: {rules: [allow 80 id port-80]}\n'],
    ['{"version": 1}', '{"version": 1, "inbound": {"rules": ["allow 80 id port-80"]}}'],
    ['{"version": 1, "inbound": {"rules": []}}', '{"version": 1, "inbound": {"rules": ["allow 80 id port-80"]}}'],
    [
      'version: 1\ninbound:\n  rules:\n  - deny 1\n...\n',
      'version: 1\ninbound:\n  rules:\n  - deny 1\n  - allow 80 id port-80\n...\n',
    ],
  ])('the first row in %j', (before, after) => {
    expect(changed(addRule(at(before), 'allow 80'))).toBe(after);
  });

  test('line ends are kept', () => {
    const windows = commented.replaceAll('\n', '\r\n');
    for (const edit of [
      (text: string) => addRule(at(text), 'allow 80'),
      (text: string) => insertRule(at(text), 2, 'allow 80'),
      (text: string) => moveRule(at(text), 3, { to: 1 }),
      (text: string) => deleteRule(at(text), 2),
      (text: string) => setDefault(at(text), 'allow'),
    ]) {
      expect(changed(edit(windows))).toBe(changed(edit(commented)).replaceAll('\n', '\r\n'));
    }
  });

  test('a file without a last line end, and one with a byte order mark', () => {
    const text = '\ufeffversion: 1\ninbound:\n  rules:\n    - allow 1\n    - allow 2 # two';
    expect(changed(moveRule(at(text), 2, { to: 1 }))).toBe(
      '\ufeffversion: 1\ninbound:\n  rules:\n    - allow 2 # two\n    - allow 1',
    );
  });

  test('texts that only their author can change', () => {
    for (const rules of [
      '&rows\n    - allow 1',
      'allow 1',
      '"allow 1\\nallow 2"',
      '\n    - |\n      allow 1\n      allow 2',
    ])
      expect(message(addRule(at(`version: 1\ninbound:\n  rules: ${rules}\n`), 'allow 80'))).toMatch(/^edit\/by-hand/);
    const shared = 'version: 1\ninbound:\n  rules:\n    - &a { action: allow, port: 1 }\n    - allow 2\n';
    expect(message(addRule(at(shared), 'deny 1'))).toMatch(/^edit\/by-hand/);
    expect(changed(deleteRule(at(shared), 2))).not.toContain('allow 2');
  });
});

describe('the default', () => {
  test('is replaced, or written where it is missing', () => {
    expect(changed(setDefault(at(commented), 'allow'))).toBe(commented.replace('default: deny', 'default: allow'));
    expect(setDefault(at(commented), 'deny').kind).toBe('unchanged');
    expect(changed(setDefault(at('version: 1\n'), 'allow'))).toBe('version: 1\ninbound:\n  default: allow\n');
    expect(changed(setDefault(at('version: 1\ninbound:\n  rules:\n  - allow 1\n'), 'allow'))).toBe(
      'version: 1\ninbound:\n  default: allow\n  rules:\n  - allow 1\n',
    );
  });

  test('of what goes out', () => {
    expect(setDefault(at(commented), 'allow', 'outgoing').kind).toBe('unchanged');
    const denied = setDefault(at(commented), 'deny', 'outgoing');
    expect(changed(denied)).toContain('outbound:\n  default: deny');
    expect(message(denied)).toBe('the outgoing default is now deny (was allow)');
  });
});

describe('outgoing rules', () => {
  const text = 'version: 1\ninbound:\n  rules:\n    - allow 22/tcp\n    - allow 80/tcp\n';
  const with53 = changed(addRule(at(text), 'allow out 53'));

  test('go to outbound, with numbers that go on', () => {
    expect(with53).toBe(`${text}outbound:\n  rules:\n    - allow out 53 id port-53\n`);
    expect(message(addRule(at(text), 'allow out 53'))).toBe('added rule 3: allow out 53');
    const inserted = insertRule(at(with53), 1, 'deny out to 192.0.2.9');
    expect(message(inserted)).toBe('inserted rule 3: deny out to 192.0.2.9');
    const moved = moveRule(at(changed(inserted)), 4, { before: 3 });
    expect(message(moved)).toBe('moved rule 4 to 3: allow out 53');
    const gone = deleteRule(at(changed(moved)), 'allow out 53');
    expect(message(gone)).toBe('deleted rule 3: allow out 53');
    expect(changed(gone)).toContain('- allow 22/tcp');
  });

  test('are replaced like incoming ones, and deleted by number and id', () => {
    const replaced = addRule(at(with53), 'deny out 53');
    expect(message(replaced)).toBe('replaced rule 3: deny out 53 (was allow out 53)');
    expect(addRule(at(with53), 'allow out 53').kind).toBe('unchanged');
    expect(message(deleteRule(at(with53), 3))).toBe('deleted rule 3: allow out 53');
    expect(message(deleteRule(at(with53), 'outbound/port-53'))).toBe('deleted rule 3: allow out 53');
    expect(message(deleteRule(at(with53), 2))).toBe('deleted rule 2: allow 80/tcp');
    expect(message(deleteRule(at(with53), 4))).toMatch(/there is no rule 4/);
  });
});

describe('servers', () => {
  const edge = `version: 1
servers:
  red: { address: 192.0.2.7, ports: 1000-1099 }
  green:
    address: 192.0.2.8   # alone
    ssh: { port: 22, from: anyone }
    rules:
      - allow 80/tcp   # web
      - deny from 10.0.0.0/8
inbound: { rules: [allow 9/tcp] }
`;

  test('rows are written where the server has none yet, in its own form', () => {
    const outcome = addRule(at(edge), 'allow 1080/tcp', 'red');
    expect(changed(outcome)).toBe(
      edge.replace('ports: 1000-1099 }', 'ports: 1000-1099, rules: [allow 1080/tcp id tcp-1080] }'),
    );
    expect(message(outcome)).toBe('red: added rule 1: allow 1080/tcp');
    const bare = edge.replace(/ {4}rules:\n.*\n.*\n/, '');
    expect(changed(addRule(at(bare), 'allow 1080/tcp', 'green'))).toContain(
      '    ssh: { port: 22, from: anyone }\n    rules:\n      - allow 1080/tcp id tcp-1080\ninbound',
    );
  });

  test('numbers are the server’s own, comments travel, and no other section is touched', () => {
    expect(changed(moveRule(at(edge), 2, { before: 1 }, 'green'))).toBe(
      edge.replace(/( {6}- allow.*\n)( {6}- deny.*\n)/, '$2$1'),
    );
    expect(changed(deleteRule(at(edge), 'green/allow-80_tcp', 'green'))).toBe(edge.replace(/ {6}- allow.*\n/, ''));
    const twice = insertRule(at(edge), 2, 'allow 80/tcp', 'green');
    expect(twice).toMatchObject({ kind: 'unchanged', hint: 'sluice move 1 to 2 --server green' });
    expect(message(deleteRule(at(edge), 3, 'green'))).toBe('edit/no-such-rule: there is no rule 3');
  });

  test('default, UDP switch and SSH row', () => {
    expect(changed(setDefault(at(edge), 'allow', 'incoming', 'red'))).toContain('red: { default: allow, address');
    const udp = setUdp(at(edge), 'on', 'green');
    expect(changed(udp)).toContain('  green:\n    udp: on\n    address: 192.0.2.8   # alone\n');
    expect(message(udp)).toBe('green: udp is now on; no row lets any in');
    expect(message(setUdp(at(edge), 'off', 'red'))).toBe('red: udp is off already');
    expect(changed(setSsh(at(edge), { ports: [2222] }, 'green'))).toBe(edge.replace('port: 22,', 'port: 2222,'));
    expect(changed(setSsh(at(edge), { ports: [1022] }, 'red'))).toContain('ssh: { port: 1022, from: anyone }');
  });

  test.each(['0x11', '1e3', '0017', '12', 'true', 'null', "'0x11'"])(
    'a server called %s, which YAML may read as another',
    (key) => {
      const text = `version: 1\nservers:\n  ${key}: { address: 192.0.2.7, rules: [allow 1/tcp] }\n`;
      const server = key.replaceAll("'", '');
      expect(changed(addRule(at(text), 'allow 2/tcp', server))).toBe(text.replace(']', ', allow 2/tcp id tcp-2]'));
      expect(message(deleteRule(at(text), 1, server))).toBe(`${server}: deleted rule 1: allow 1/tcp`);
      const ssh = changed(setSsh(at(text), { ports: [22] }, server));
      expect(ssh).toBe(text.replace('{ address', '{ ssh: { port: 22, from: anyone }, address'));
      expect(changed(setSsh(at(ssh), { ports: [23] }, server))).toBe(ssh.replace('22', '23'));
    },
  );

  test('a server that is not there, and one that is written elsewhere', () => {
    expect(addRule(at(edge), 'allow 1/tcp', 'rde')).toMatchObject({
      kind: 'refused',
      diagnostics: [
        {
          ...{ code: 'edit/no-such-server', message: 'there is no server "rde"', hint: 'there are: green, red' },
          source: { line: edge.split('\n').findIndex((line) => line.startsWith('servers:')) + 1, column: 1 },
        },
      ],
    });
    // Without servers no line is to blame.
    expect(addRule(at('version: 1\ninbound: { default: deny }\n'), 'allow 1/tcp', 'rde')).toMatchObject({
      diagnostics: [{ code: 'edit/no-such-server', source: { file: '' }, hint: 'the ruleset has no servers' }],
    });
    const alias = 'version: 1\nservers:\n  red: &all { address: 192.0.2.7, rules: [allow 1/tcp] }\n';
    expect(message(addRule(at(alias), 'allow 2/tcp', 'red'))).toMatch(/^edit\/by-hand: .*red is not a map written out/);
  });
});

describe('logging', () => {
  test('the level is written where it stood, or at the end', () => {
    const outcome = setLogging(at(commented), 'medium');
    expect(changed(outcome)).toBe(`${commented}logging: medium\n`);
    expect(message(outcome)).toBe('logging is now on (medium) (was on (low))');
    expect(changed(setLogging(at(changed(outcome)), 'off'))).toBe(`${commented}logging: off\n`);
    expect(setLogging(at(commented), 'low').kind).toBe('unchanged');
    expect(JSON.parse(changed(setLogging(at('{"version": 1}'), 'full')))).toEqual({ version: 1, logging: 'full' });
  });

  test('a verb that logs replaces a row that does not, and the other way round', () => {
    const told = changed(addRule(at(commented), 'allow log 443/tcp'));
    expect(told).toBe(commented.replace('- allow 443/tcp', '- allow log 443/tcp id allow-443_tcp'));
    expect(addRule(at(told), 'allow log 443/tcp').kind).toBe('unchanged');
    expect(changed(addRule(at(told), 'deny log-all 443/tcp'))).toContain('- deny log-all 443/tcp id allow-443_tcp\n');
    expect(changed(addRule(at(told), 'allow 443/tcp'))).toContain('- allow 443/tcp id allow-443_tcp\n');
    const object = changed(addRule(at(commented), 'allow log-all from 10.1.0.0/16 to any port 8000'));
    expect(object).toContain('port: 8000, note: "agent", log: all }');
  });
});
