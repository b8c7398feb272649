import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import fc from 'fast-check';
import { parseSocketTable } from '../../../src/kernel/sockets';
import { type InitFacts, initRuleset } from '../../../src/operate/init';
import { reachableListeners } from '../../../src/operate/init-facts';
import { parseUfwTuple, readUfwRules } from '../../../src/operate/ufw-rules';
import { UFW_LIMIT } from '../../../src/model/limit';
import { addRule } from '../../../src/operate/edit-ruleset';
import { parseRuleset } from '../../../src/parse/parse';

const facts: InitFacts = {
  defaultRoute: ['eth0'],
  otherInterfaces: ['eth1', 'wg0'],
  sshPorts: [2222],
  caller: '203.0.113.9',
  listeners: [
    { protocol: 'tcp', port: 80, program: 'nginx', addresses: ['any'] },
    { protocol: 'tcp', port: 40000, program: null, addresses: ['192.0.2.1'] },
    { protocol: 'udp', port: 68, program: 'dhclient', addresses: ['any'] },
  ],
  ufwRules: [{ row: 'allow 8000/tcp' }],
};
const parse = (text: string) => {
  const { ruleset, diagnostics } = parseRuleset(text, { file: '/nowhere/rules.yaml' });
  return { ruleset, findings: diagnostics.map(({ message }) => message) };
};

test('the text is valid without any finding, and keeps SSH', () => {
  const { ruleset, findings } = parse(initRuleset(facts));
  expect(findings).toEqual([]);
  expect(ruleset).toMatchObject({
    interfaces: 'auto',
    inbound: { default: 'deny', ssh: { ports: [2222], from: 'anyone' } },
  });
  expect(ruleset?.inbound.rules.map(({ id }) => id)).toEqual(['dhcp-answers']);
});

test('interfaces that were asked for are written, whatever has a default route', () => {
  const text = initRuleset({ ...facts, chosen: ['wg0', 'on'] });
  expect(parse(text).ruleset?.interfaces).toEqual(['wg0', 'on']);
  expect(text).toContain('# not filtered: eth0, eth1\n');
});

test('it reads like this', () => {
  expect(initRuleset(facts, { schema: '/usr/share/sluice/ruleset.schema.json' })).toBe(`\
# yaml-language-server: $schema=/usr/share/sluice/ruleset.schema.json
# Rules of sluice. Rows are read from top to bottom; the first that matches a packet decides, no later one is
# looked at. Look before you leap:  sluice check   sluice explain tcp from ADDRESS to ADDRESS port PORT
version: 1
interfaces: auto                    # those with a default route, now eth0
# not filtered: eth1, wg0

inbound:
  default: deny                     # what no row decides
  ssh: { port: 2222, from: anyone }
  # You are connected from 203.0.113.9. To let only some in, write "from: rules" and a row for them:
  #   - allow from 203.0.113.9 to any port 2222 proto tcp
  rules:
    # These listen and are closed now; take the # away from what others may reach:
    # - allow 80/tcp           # nginx
    # - allow 40000/tcp        # a program that could not be named on 192.0.2.1
    # ufw is active on this machine and goes on filtering behind sluice. Its rules:
    # - allow 8000/tcp
    - allow from any port 67 to any port 68 proto udp id dhcp-answers   # keeps the address of this machine

# What this machine opens itself gets its answers, whatever the rows say.
outbound: { default: allow }
# What the default refuses is told of: sluice events; with sluice daemon running, in /var/log/sluice.log
logging: low
`);
});

test('rows that are commented out are valid once they are not', () => {
  const text = initRuleset({ ...facts, sshPorts: [22, 2222] });
  const rows = [...text.matchAll(/^\s*#\s+- ([^#\n]+)/gm)].map((match) => match[1].trim());
  expect(rows).toHaveLength(4);
  expect(parse(JSON.stringify({ version: 1, inbound: { rules: rows } })).findings).toEqual([]);
  const uncommented = (from: string): string => from.replace(/^ {4}# (?=- )/gm, '    ');
  expect(parse(uncommented(text)).ruleset?.inbound.rules).toHaveLength(4);
  const noneActive = initRuleset({ ...facts, listeners: facts.listeners.slice(0, 2) });
  expect(parse(noneActive)).toMatchObject({ findings: [], ruleset: { inbound: { rules: [] } } });
  expect(parse(uncommented(noneActive)).ruleset?.inbound.rules).toHaveLength(3);
});

test('whatever the facts, the text is a ruleset that lets SSH in', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,9}$/);
  const port = fc.integer({ min: 1, max: 65535 });
  const listener = fc.record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    port,
    program: fc.option(fc.string({ unit: 'binary' })),
    addresses: fc.constantFrom(['any'], ['192.0.2.1', '2001:db8::1']),
  });
  const any = fc.record({
    defaultRoute: fc.array(name, { maxLength: 2 }),
    otherInterfaces: fc.uniqueArray(name, { maxLength: 3 }),
    sshPorts: fc.uniqueArray(port, { minLength: 1, maxLength: 3 }).map((ports) => ports.sort((a, b) => a - b)),
    caller: fc.constantFrom(null, '192.0.2.9', '2001:db8::9'),
    listeners: fc.array(listener, { maxLength: 4 }),
    ufwRules: fc.constantFrom(null, [], [{ row: 'allow 22/tcp' }]),
  });
  fc.assert(
    fc.property(any, (anything) => {
      const { ruleset } = parse(initRuleset(anything));
      expect(ruleset?.inbound.ssh).toMatchObject({ ports: anything.sshPorts, from: 'anyone' });
    }),
  );
});

test('listeners are those that others can reach, each once', () => {
  const row = (local: string, state: string, inode: number): string =>
    `  0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000 0 0 ${inode} 1 0`;
  const tcp = parseSocketTable(
    [
      row('00000000:1F40', '0A', 1),
      row('00000000000000000000000000000000:1F40', '0A', 2),
      row('0100007F:0050', '0A', 3),
      row('00000000:0016', '0A', 4),
      row('0A00000A:1F40', '01', 5),
    ].join('\n'),
  );
  const udp = parseSocketTable(
    [row('0A00000A:0035', '07', 6), row('0A00000A:0036', '01', 7), row('00000000:0000', '07', 8)].join('\n'),
  );
  const owners = new Map([1, 2].map((inode) => [inode, { pid: 9, command: 'node' }]));
  expect(reachableListeners(tcp, udp, owners, new Set([22]))).toEqual([
    { protocol: 'tcp', port: 8000, program: 'node', addresses: ['any'] },
    { protocol: 'udp', port: 53, program: null, addresses: ['10.0.0.10'] },
  ]);
});

describe('ufw', () => {
  test.each([
    ['allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in', ['allow 22/tcp']],
    ['allow any 80 ::/0 any ::/0 in', ['allow 80']],
    ['deny_log tcp 25,587 0.0.0.0/0 any 10.0.0.0/8 in', ['deny from 10.0.0.0/8 to any port 25,587 proto tcp']],
    ['limit any any 192.0.2.1 53 0.0.0.0/0 in comment=aabb', ['limit from any port 53 to 192.0.2.1']],
    ['allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 Apache - in', ['allow 80/tcp']],
    ['allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 out', []],
  ])('%s', (tuple, rows) => {
    expect(parseUfwTuple(`### tuple ### ${tuple}`)).toEqual(rows.map((row) => ({ row })));
  });

  test.each([
    ['allow any 3306 0.0.0.0/0 any 0.0.0.0/0 in_wg0', 'is for wg0 alone'],
    ['route:allow any 80 0.0.0.0/0 any 0.0.0.0/0 in', 'is for forwarded packets alone'],
    ['route:allow any 80 0.0.0.0/0 any 0.0.0.0/0 in_eth0!out_eth1', 'is for forwarded packets alone'],
  ])('%s is no row of ours', (tuple, why) => {
    expect(parseUfwTuple(`### tuple ### ${tuple} comment=6869`)).toEqual([{ words: tuple, why }]);
    const text = initRuleset({ ...facts, ufwRules: [{ words: tuple, why }] });
    expect(text).toContain(`    # no row says this, ufw's rule ${why}: ${tuple}\n`);
  });

  test('its limit and reject rules mean here what they mean there', () => {
    const rows = ['limit tcp 22', 'limit_log tcp 22', 'reject tcp 113'].flatMap((start) =>
      parseUfwTuple(`### tuple ### ${start} 0.0.0.0/0 any 0.0.0.0/0 in`),
    );
    const { ruleset } = parseRuleset(
      `version: 1\ninbound: { rules: ${JSON.stringify(rows.map((rule) => 'row' in rule && rule.row))} }\n`,
      { file: 'ufw.yaml' },
    );
    expect(ruleset!.inbound.rules.map(({ action, limit }) => [action, limit])).toEqual([
      ['limit', UFW_LIMIT],
      ['limit', UFW_LIMIT],
      ['reject', undefined],
    ]);
  });

  test('is mentioned only where it is on; a rule of both families once', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-ufw-'));
    try {
      expect(readUfwRules(folder)).toBeNull();
      fs.writeFileSync(
        path.join(folder, 'user.rules'),
        '*filter\n### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n',
      );
      fs.writeFileSync(path.join(folder, 'user6.rules'), '### tuple ### allow tcp 22 ::/0 any ::/0 in\n');
      fs.writeFileSync(path.join(folder, 'ufw.conf'), 'ENABLED=no\n');
      expect(readUfwRules(folder)).toBeNull();
      fs.writeFileSync(path.join(folder, 'ufw.conf'), '# on\nENABLED=yes\nLOGLEVEL=low\n');
      expect(readUfwRules(folder)).toEqual([{ row: 'allow 22/tcp' }]);
      fs.writeFileSync(
        path.join(folder, 'user6.rules'),
        '### tuple ### allow tcp 25 ::/0 any ::/0 in\n### tuple ### deny any any ::/0 any 2001:db8::/32 in\n',
      );
      expect(readUfwRules(folder)).toEqual([
        { row: 'allow 22/tcp family ipv4' },
        { row: 'allow 25/tcp family ipv6' },
        { row: 'deny from 2001:db8::/32 to any' },
      ]);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});

test('verbs can edit the file', () => {
  for (const start of [facts, { ...facts, listeners: [] }]) {
    const outcome = addRule({ text: initRuleset(start), file: '/nowhere/rules.yaml' }, 'allow 8000/tcp');
    expect(outcome).toMatchObject({ kind: 'changed' });
    expect(parse(outcome.text).ruleset?.inbound.rules.at(-1)?.text).toBe('allow 8000/tcp');
  }
});
