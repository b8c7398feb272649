/**
 * Three servers behind one address, as hosts with NAT set them up: DNAT gives each a range of ports, and each is judged by
 * its own rows. Every packet is counted once, at a row of the server that it was for.
 */
import { httpGet, sendFrames, serve, tcpConnect, udpEcho, SILENT_SECONDS } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { joinByVeth, Namespace } from '../support/netns';
import * as p from '../support/packet';
import { must } from '../support/process';
import type { ServerSection } from '../../src/observe/server-page';

const NAMES = ['red', 'green', 'blue'] as const;
type Name = (typeof NAMES)[number];
const FAMILIES = ['ipv4', 'ipv6'] as const;

const inner = (i: number, host: number): Record<(typeof FAMILIES)[number], string> => ({
  ipv4: `10.0.${i + 1}.${host}`,
  ipv6: `fd00:${i + 1}::${host}`,
});
/** Ports N000–N099 of the shared address: N080 is HTTP, N022 SSH, N053 UDP. */
const port = (name: Name, low: number): number => (NAMES.indexOf(name) + 1) * 1000 + low;
const SERVED = { 80: 'tcp', 22: 'tcp', 53: 'udp' } as const;

function nat(): string {
  const rules = (family: 'ipv4' | 'ipv6'): string =>
    NAMES.flatMap((name, i) =>
      Object.entries(SERVED).map(([low, protocol]) => {
        const to = inner(i, 2)[family];
        return `iifname "eth0" ${protocol} dport ${port(name, Number(low))} dnat to ${family === 'ipv6' ? `[${to}]` : to}:${low}`;
      }),
    ).join('\n    ');
  return (['ipv4', 'ipv6'] as const)
    .map(
      (family) => `table ${family === 'ipv4' ? 'ip' : 'ip6'} nat {
  chain pre { type nat hook prerouting priority dstnat
    ${rules(family)}
  }
  chain post { type nat hook postrouting priority srcnat
    oifname "eth0" masquerade
  }
}`,
    )
    .join('\n');
}

const rules = (rows: Readonly<Record<Name, string>>): string => `version: 1
interfaces: [eth0]
inbound: { default: deny, ssh: { port: 22, from: anyone } }
servers:
${NAMES.map(
  (name, i) =>
    `  ${name}: { address: [${HOST.ipv4}, "${HOST.ipv6}"], ports: ${port(name, 0)}-${port(name, 99)}, target: ${inner(i, 2).ipv4}, ${rows[name]} }`,
).join('\n')}
`;
const WEB = `ssh: { port: 1022, from: anyone }, rules: [{ id: web, action: allow, port: 1080/tcp }]`;
const UDP = `udp: on, rules: [{ id: web, action: allow, from: ${NEIGHBOUR.ipv4}, port: 2080 }, allow 2053/udp]`;
const OPEN = 'default: allow, rules: [deny 3022/tcp]';

let host: EdgeHost;
const namespaces: Namespace[] = [];

beforeAll(async () => {
  host = await EdgeHost.open('servers');
  for (const [i, name] of NAMES.entries()) {
    const namespace = Namespace.create(`servers-${name}`);
    namespaces.push(namespace);
    const end = (of: Namespace, link: string, at: number) => ({
      ...{ namespace: of, name: link, mac: `02:00:00:00:1${i}:0${at}` },
      addresses: [`${inner(i, at).ipv4}/24`, `${inner(i, at).ipv6}/64`],
    });
    joinByVeth(end(host.edge, name, 1), end(namespace, 'eth0', 2));
    namespace.ip(`route add default via ${inner(i, 1).ipv4}`, `route add default via ${inner(i, 1).ipv6}`);
    await serve(namespace, ['http:80', 'tcp:22', 'udp:53']);
  }
  host.edge.setSysctls({ 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' });
  must(host.edge.argv(['nft', '-f', '-']), { input: nat() });
  await serve(host.wire, ['http:8080']);
  host.write('rules.yaml', rules({ red: WEB, green: UDP, blue: OPEN }));
  await host.must('apply');
});

afterAll(async () => {
  for (const namespace of namespaces) namespace.destroy();
  await host.close();
});

/** Where an answer is expected nothing is waited for: it has the time of a busy machine. */
const get = async (name: Name, family: (typeof FAMILIES)[number], expected = true): Promise<boolean> => {
  const address = family === 'ipv6' ? `[${HOST.ipv6}]` : HOST.ipv4;
  const seconds = expected ? 20 : 3;
  return (await httpGet(host.wire, `http://${address}:${port(name, 80)}/`, seconds)) === 'hello from port 80\n';
};

async function section(name: Name): Promise<ServerSection> {
  const { server } = JSON.parse(await host.must('status', name, '--json')) as { server: ServerSection };
  return server;
}

test('each is judged by its own rows, switch, SSH row and default', async () => {
  for (const family of FAMILIES) {
    const ssh = (name: Name) => tcpConnect(host.wire, HOST[family], port(name, 22));
    const udp = (name: Name, seconds?: number) => udpEcho(host.wire, HOST[family], port(name, 53), seconds);
    expect([family, await get('red', family), await ssh('red'), await udp('red', SILENT_SECONDS)]).toEqual([
      ...[family, true, 'connected', false],
    ]);
    expect([family, await get('green', family, family === 'ipv4'), await ssh('green'), await udp('green')]).toEqual([
      ...[family, family === 'ipv4', 'timeout', true],
    ]);
    expect([family, await get('blue', family), await ssh('blue'), await udp('blue', SILENT_SECONDS)]).toEqual([
      ...[family, true, 'timeout', false],
    ]);
    expect(await tcpConnect(host.wire, HOST[family], 4080)).toBe('timeout');
  }
  // A server's own connections get their answers, whatever its rows say.
  for (const namespace of namespaces)
    expect(await httpGet(namespace, `http://${NEIGHBOUR.ipv4}:8080/`)).toBe('hello from port 8080\n');
});

test('what is written for one changes nothing of another, and counters go on', async () => {
  const [red, blue] = [await section('red'), await section('blue')];
  expect(red.rows.find(({ id }) => id === 'web')!.packets).not.toBe('0');
  host.write(
    'rules.yaml',
    rules({ red: WEB, green: 'default: allow, rules: [deny 1080, deny 3000:3099]', blue: OPEN }),
  );
  // Rows about the ports of others are errors; with one that is the server's own beside them they are a warning.
  expect((await host.sluice(['apply'])).status).toBe(3);
  host.write('rules.yaml', rules({ red: WEB, green: 'default: allow, rules: [deny 1000:3099/tcp]', blue: OPEN }));
  await host.must('apply');
  expect(await section('red')).toMatchObject({ rows: red.rows.map(({ id, packets }) => ({ id, packets })) });
  expect(await section('blue')).toMatchObject({ rows: blue.rows.map(({ id, packets }) => ({ id, packets })) });
  expect([await get('red', 'ipv4'), await get('green', 'ipv4', false), await get('blue', 'ipv6')]).toEqual([
    true,
    false,
    true,
  ]);
});

test('verbs edit one server alone, and the lines of doctor let somebody in', async () => {
  host.write('rules.yaml', rules({ red: WEB, green: UDP, blue: OPEN }));
  await host.must('apply');
  expect(await host.must('deny', '1080/tcp', '--server', 'red')).toContain(
    'red: replaced rule 1: deny 1080/tcp (was allow 1080/tcp)\n',
  );
  expect([await get('red', 'ipv4', false), await get('green', 'ipv4'), await get('blue', 'ipv4')]).toEqual([
    ...[false, true, true],
  ]);
  expect(await udpEcho(host.wire, HOST.ipv4, port('green', 53))).toBe(true);
  // While a row names UDP and nothing else the switch stays: the row would let nothing in.
  expect((await host.sluice(['udp', 'off', 'green'])).stderr).toContain('lint/udp-off');
  expect(await host.must('delete', '2', '--server', 'green')).toContain('green: deleted rule 2: allow 2053/udp\n');
  expect(await host.must('udp', 'off', 'green')).toContain('green: udp is now off');
  expect(await udpEcho(host.wire, HOST.ipv4, port('green', 53), SILENT_SECONDS)).toBe(false);
  expect(await host.must('history')).toContain('deny 1080/tcp --server red');
  for (const [name, protocol, source] of [
    ['red', 'tcp', NEIGHBOUR.ipv6],
    ['green', 'tcp', NEIGHBOUR.ipv6],
    ['green', 'udp', NEIGHBOUR.ipv4],
  ] as const) {
    const door = `${port(name, protocol === 'udp' ? 53 : 80)}/${protocol}`;
    const { obstacles } = JSON.parse(await host.must('doctor', name, door, source, '--json')) as {
      obstacles: { remedy: string }[];
    };
    expect(obstacles.length).toBeGreaterThan(0);
    for (const { remedy } of obstacles) await host.must(...remedy.split(' ').slice(1));
    expect(await host.must('doctor', name, door, source)).toMatch(/ok +the rules let it in/);
  }
  expect([await get('red', 'ipv6'), await get('red', 'ipv4', false), await get('green', 'ipv6')]).toEqual([
    ...[true, false, true],
  ]);
  expect(await udpEcho(host.wire, HOST.ipv4, port('green', 53))).toBe(true);
  expect(await host.must('doctor', 'red', '1080')).toMatch(/reached over IPv6 by: 2001:db8:1::1\n/);
  for (const [words, message] of [
    [['allow', '1/tcp', '--server', 'rde'], 'there is no server "rde"'],
    [['doctor', 'rde', '1080'], '"rde" is no server (there are: blue, green, red)'],
    [['doctor', 'red', '2080'], '2080 is not a port of red: 1000:1099'],
    [['default', 'deny', 'outgoing', '--server', 'red'], 'no default of its own for what goes out'],
    [
      ['logging', 'high', '--server', 'red'],
      'logging takes no --server\n  how much is told of packets is one setting for all',
    ],
    [['ban', '192.0.2.77', '--server', 'red'], 'bans stand above all servers'],
  ] as const)
    expect([words, (await host.sluice(words)).stderr]).toEqual([words, expect.stringContaining(message)]);
});

test('status, the list, plan and explain name the server', async () => {
  host.write('rules.yaml', rules({ red: WEB, green: UDP, blue: OPEN }));
  await host.must('apply');
  const status = await host.must('status', 'red');
  expect(status).toContain(
    `red: ${HOST.ipv4}, ${HOST.ipv6} port 1000:1099, behind it 10.0.1.2; default deny, ssh 1022`,
  );
  expect(await host.must('servers')).toMatch(
    /^red +192\.0\.2\.10 \+ 1 more +1000:1099 +1022 +10\.0\.1\.2 +deny +1 +\d+ +\d+ +\d+ +\d+ +\d+ +0$/m,
  );
  const explained = await host.must('explain', 'tcp', 'from', NEIGHBOUR.ipv4, 'to', HOST.ipv4, 'port', '1080');
  expect(explained).toContain(
    'allow in tier 7 by rule 1 of red "allow 1080/tcp" (web)\nthe model and the datapath program agree',
  );
  host.write('rules.yaml', rules({ red: WEB.replace('1080', '1081'), green: UDP, blue: OPEN }));
  const plan = await host.must('plan');
  expect(plan).toContain('~ red/web');
  expect(plan).toContain('allow → deny');
  const unknown = await host.sluice(['status', 'gren']);
  expect([unknown.status, unknown.stderr]).toEqual([2, expect.stringContaining('did you mean green?')]);
});

test('--server NAME is the same as the word, and makes of what has none an affair of one server', async () => {
  const text = rules({ red: WEB, green: UDP, blue: OPEN });
  host.write('rules.yaml', text);
  await host.must('apply');
  for (const [words, option] of [
    [
      ['who-reaches', 'red', '1080/tcp'],
      ['who-reaches', '1080/tcp', '--server', 'red'],
    ],
    [
      ['doctor', 'red', '1080', NEIGHBOUR.ipv4],
      ['doctor', '1080', NEIGHBOUR.ipv4, '--server', 'red'],
    ],
    [
      ['status', 'red', 'verbose'],
      ['status', 'verbose', '--server', 'red'],
    ],
    [
      ['metrics', '--section', 'red'],
      ['metrics', '--server', 'red'],
    ],
    [
      ['history', 'red'],
      ['history', '--server', 'red'],
    ],
    [
      ['snapshot', 'red'],
      ['snapshot', '--server', 'red'],
    ],
  ] as const) {
    const [one, other] = [await host.must(...words), await host.must(...option)];
    // The second command is asked a moment later: what tells an age, and the columns it pads, may differ.
    const still = (shown: string): string =>
      shown.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z|\b(?:\d+ (?:s|min) ago|just now|now)\b/g, 'NOW').replace(/ +/g, ' ');
    expect([option, still(other)]).toEqual([option, still(one)]);
  }
  expect(await host.must('allow-all', '--server', 'red', '--for', '10m')).toContain('red is under ALLOW ALL');
  expect(await host.must('allow-all', 'off', '--server', 'red')).toContain('ALLOW ALL of red');
  const explained = (...words: string[]) => host.sluice(['explain', '--server', ...words]);
  expect((await explained('red', 'tcp', 'from', NEIGHBOUR.ipv6, 'to', 'port', '1080')).stdout).toContain(
    `${HOST.ipv6}]:1080, by the enforced ruleset`,
  );
  expect(
    (await explained('red', 'out', 'tcp', 'from', HOST.ipv4, 'port', '1080', 'to', '203.0.113.1', 'port', '443'))
      .status,
  ).toBe(0);
  for (const [words, why] of [
    [['green', 'tcp', 'from', NEIGHBOUR.ipv4, 'to', 'port', '1080'], 'that is no packet of green'],
    [['rde', 'tcp', 'from', NEIGHBOUR.ipv4, 'to', 'port', '1080'], 'there is no server "rde"'],
  ] as const)
    expect(await explained(...words)).toMatchObject({ status: 2, stderr: expect.stringContaining(why) as string });
  for (const [words, why] of [
    [['status', 'green', '--server', 'red'], '"green" and --server red: one server is meant'],
    [['doctor', '--server', 'red'], 'expected a port'],
    [['doctor', '2080', '--server', 'red'], '2080 is not a port of red'],
    [['snapshot', '--server', 'gren'], 'did you mean green?'],
  ] as const)
    expect([words, (await host.sluice(words)).stderr]).toEqual([words, expect.stringContaining(why)]);

  const log = host.write(
    'events.log',
    ['red', 'green', 'guard']
      .map(
        (name) => `${new Date().toISOString()} edge sluice: [SLUICE BLOCK] IN=eth0 SRC=192.0.2.1 SRV=${name} RULE=x\n`,
      )
      .join(''),
  );
  const events = await host.must('events', '--since', '1h', '--log', log, '--server', 'green');
  expect(events).toMatch(/^\S+ \[SLUICE BLOCK\] IN=eth0 SRC=192\.0\.2\.1 SRV=green RULE=x\n$/);

  // What is wrong elsewhere is counted; how it ends is about the whole file, which apply would refuse.
  host.write('rules.yaml', text.replace('deny 3022/tcp', 'deny from 10.0.0.1/8 to any port 3022'));
  expect(await host.sluice(['check', '--server', 'red'])).toMatchObject({
    ...{ status: 0, stderr: 'note: 1 finding elsewhere: sluice check\n' },
  });
  expect((await host.sluice(['check', '--server', 'blue'])).stderr).toMatch(/10\.0\.0\.0\/8/);
  host.write('rules.yaml', text.replace('deny 3022/tcp', 'deny from nowhere'));
  const elsewhere = await host.sluice(['check', '--server', 'red']);
  expect([elsewhere.status, elsewhere.stderr]).toEqual([
    3,
    expect.stringMatching(/^note: 1 finding elsewhere, 1 of them errors: sluice check$/m),
  ]);
  expect(elsewhere.stderr).not.toContain('nowhere');
  expect((await host.sluice(['check', '--server', 'blue'])).stderr).toContain('nowhere');
  host.write('rules.yaml', text);
  expect((await host.sluice(['check', '--server', 'rde'])).stderr).toContain('has no server "rde"');
});

test('the list says how many packets a second, and who is refused most stands first', async () => {
  host.write('rules.yaml', rules({ red: WEB, green: UDP, blue: OPEN }));
  await host.must('apply');
  interface Line {
    readonly seconds: number;
    readonly servers: readonly (ServerSection & { readonly rate: Record<'allowed' | 'denied', number> | null })[];
  }
  const watching = host.startSluice(['servers', '--by', 'dropped', '--watch', '--json']);
  await watching.waitFor(/\n/);
  const frame = (to: number) => p.compose(p.ethernet({ to: HOST.mac }), p.ipv4(), p.tcp({ to }));
  const sent = { green: 40, blue: 30, red: 0 };
  await sendFrames(host.wire, HOST.link, [
    ...Array.from({ length: sent.green }, () => frame(2099)),
    ...Array.from({ length: sent.blue }, () => frame(3022)),
  ]);
  /** What the rates come to over all that was watched. */
  const counted = (lines: readonly Line[]): Record<string, number> =>
    Object.fromEntries(
      NAMES.map((name) => [
        name,
        Math.round(
          lines.reduce((sum, { seconds, servers }) => {
            const { rate } = servers.find((server) => server.name === name)!;
            return sum + (rate?.denied ?? 0) * seconds;
          }, 0),
        ),
      ]),
    );
  const lines = (): Line[] =>
    watching.output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  const deadline = Date.now() + 30_000;
  while (counted(lines()).green < sent.green && Date.now() < deadline)
    await new Promise((done) => setTimeout(done, 100));
  await watching.stop();
  expect(counted(lines())).toEqual(sent);
  const busy = lines().find(({ servers }) => servers.some(({ rate }) => (rate?.denied ?? 0) > 0))!;
  expect(['green', 'blue']).toContain(busy.servers[0].name);
  expect((await host.must('servers', '--by', 'dropped')).split('\n')[0]).toMatch(/Passed +\/s +Dropped +\/s/);
  expect((await host.sluice(['servers', '--by', 'size'])).stderr).toMatch(/name, passed, dropped/);
});

test('import nat: what the NAT table sends elsewhere, as servers; where the two differ', async () => {
  host.write('rules.yaml', rules({ red: WEB, green: UDP, blue: OPEN }));
  await host.must('apply');
  expect(await host.must('import', 'nat', '--exit-code')).toBe('# 3 servers and the NAT table agree\n');
  expect(await host.sluice(['servers'])).toMatchObject({ status: 0, stderr: '' });
  const doctor = async (): Promise<string> => host.must('doctor', 'red', '1081', NEIGHBOUR.ipv4);
  expect(await doctor()).toContain(
    'look  the NAT table of this machine does not send it on to 10.0.1.2, the target of red',
  );
  const [red, green] = [inner(0, 2).ipv4, inner(1, 2).ipv4];
  // Of the rules that say where something goes the first decides: these stand in a table that is asked before.
  must(host.edge.argv(['nft', '-f', '-']), {
    input: `table ip early {
  chain pre { type nat hook prerouting priority dstnat - 1
    iifname "eth0" tcp dport { 4022, 4080-4089 } dnat to ${green}
    iifname "eth0" tcp dport 4100 dnat to ${green}:22
    iifname "eth0" tcp dport 1081 dnat to ${green}:80
  }
}`,
  });
  try {
    const { status, stdout } = await host.sluice(['import', 'nat', '--exit-code']);
    expect(status).toBe(4);
    expect(stdout).toBe(`# red says target ${red}, and NAT sends ${HOST.ipv4} port 1081 to ${green}
# no server owns ${HOST.ipv4} ports 4022, 4080-4089, 4100, which NAT sends to ${green}: the rows of inbound judge it
servers:
  server-10-0-2-2:
    address: ${HOST.ipv4}
    ports: 4022, 4080-4089, 4100
    target: ${green}
    ssh: { port: 4100, from: rules }
    default: deny
    rules:
      # Translated and closed now; take the # away from what others may reach:
      # - allow 4022,4080:4089/tcp # ${green}, ip early pre handle 3
      # - allow 4100/tcp           # ${green} port 22, ip early pre handle 4
`);
    const differ = `servers and the NAT table differ: red says target ${red}, and NAT sends ${HOST.ipv4} port 1081 to ${green} and 1 more`;
    expect((await host.sluice(['servers'])).stderr).toBe(`note: ${differ}: sluice import nat\n`);
    expect(await doctor()).toContain(`look  NAT sends it to ${green} port 80, and the target of red is ${red}`);
    const ssh = await host.must('doctor', 'red', '1022', NEIGHBOUR.ipv4);
    expect(ssh).toContain(
      `ok    NAT sends it on to ${red} port 22; whether something listens there cannot be seen from here`,
    );
    // Pasted below the servers that are there, the ruleset and the table agree, but for what names another target.
    const pasted = stdout.slice(stdout.indexOf('servers:\n') + 'servers:\n'.length);
    host.write('rules.yaml', rules({ red: WEB, green: UDP, blue: OPEN }) + pasted);
    await host.must('apply');
    const document = JSON.parse(await host.must('import', 'nat', '--json')) as { drift: unknown[]; proposed: unknown };
    expect(document).toMatchObject({
      drift: [{ kind: 'elsewhere', server: 'red', ports: [{ first: 1081, last: 1081 }], target: green }],
      proposed: null,
    });
  } finally {
    must(host.edge.argv(['nft', 'delete', 'table', 'ip', 'early']));
  }
  const other = await host.sluice(['import', 'ufw']);
  expect([other.status, other.stderr]).toEqual([2, expect.stringContaining('sluice init')]);
});

test('a flood of made-up sources at one server takes nothing of another', async () => {
  const limited = 'rules: [{ id: web, action: limit, port: 1:65535/tcp, limit: 3/1h, verdict: deny }]';
  host.write('rules.yaml', rules({ red: limited, green: limited, blue: OPEN }));
  await host.must('apply');
  const flood = (first: number): Promise<number> =>
    sendFrames(
      host.wire,
      HOST.link,
      Array.from({ length: 3000 }, (_, i) =>
        p.compose(
          p.ethernet({ to: HOST.mac }),
          p.ipv4({ from: `198.18.${(first + i) >> 8}.${(first + i) & 255}`, to: HOST.ipv4 }),
          p.tcp({ to: port('red', 80) }),
        ),
      ),
    );
  await flood(0);
  // Two are let in, a third is not: before, during and after the flood.
  expect(await tcpConnect(host.wire, HOST.ipv4, port('green', 80))).toBe('connected');
  await flood(3000);
  expect(await tcpConnect(host.wire, HOST.ipv4, port('green', 80))).toBe('connected');
  await flood(6000);
  expect(await tcpConnect(host.wire, HOST.ipv4, port('green', 80))).toBe('timeout');
  const room = async (name: Name): Promise<NonNullable<ServerSection['server']['room']>> =>
    (JSON.parse(await host.must('status', name, '--json')) as { server: ServerSection }).server.server.room!;
  const [red, green] = [await room('red'), await room('green')];
  // 16,384 of the table for three servers and the edge itself; what was free was red's too, and gave way to red alone.
  expect(red.limits).toMatchObject({ share: 4096, refused: '0' });
  expect(red.limits.live).toBeGreaterThan(4096);
  expect(red.limits.live + Number(red.limits.evicted)).toBe(9000);
  expect(green.limits).toEqual({ live: 1, share: 4096, evicted: '0', refused: '0' });
  expect(await host.must('status', 'green')).toMatch(
    /^room: \d+ flows \(.*, 1 sources at limits \(4096 and what is free\)/m,
  );
  const metrics = await host.must('metrics');
  expect(metrics).toContain('sluice_server_room_used{server="green",table="limits"} 1\n');
  expect(metrics).toContain(`sluice_server_room_used{server="red",table="limits"} ${red.limits.live}\n`);
});
