/**
 * Owners at the sockets of their servers: what they may do, and what they see, through the real sockets of a real daemon.
 */
import { once } from 'node:events';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { ServerPage, ServerSection } from '../../src/observe/server-page';
import type { Revision } from '../../src/operate/history';
import { tcpConnect } from '../support/clients';
import { type EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { endTrial } from '../support/end-trial';
import { type Answer, codeOf, linesOf, OwnersStand, RULES, waitRequest } from '../support/owners-stand';
import { run } from '../support/process';

let stand: OwnersStand;
let host: EdgeHost;

beforeAll(async () => {
  stand = await OwnersStand.open('owners');
  ({ host } = stand);
});

afterAll(() => stand.close());

test('a socket has the mode and the group that its server says; blue, which has no owner, has none', () => {
  const [red, green] = [lstatSync(stand.socketOf('red')), lstatSync(stand.socketOf('green'))];
  expect([red.isSocket(), red.mode & 0o777, red.uid, red.gid]).toEqual([true, 0o660, 0, 4711]);
  expect([green.isSocket(), green.mode & 0o777, green.uid, green.gid]).toEqual([true, 0o660, 0, 4712]);
  expect(existsSync(stand.socketOf('blue'))).toBe(false);
  expect(lstatSync(join(stand.folder, '.new')).mode & 0o777).toBe(0o700);
});

test('the client that the README shows is one', async () => {
  const readme = readFileSync(join(__dirname, '../../README.md'), 'utf8');
  const [, client] = /^```js\n(const \{ connect \}[^]*?)^```$/m.exec(readme)!;
  const shown = client.replace('/run/sluice-owners/gpu-17.sock', stand.socketOf('red'));
  const { stdout, stderr } = await run([process.execPath, '-e', shown]);
  expect([stderr, stdout]).toEqual(['', expect.stringMatching(/^\{\n {2}name: 'red',\n/) as string]);
});

test('an owner edits his rows, and nothing else of the file changes', async () => {
  const before = await stand.greenIs();
  expect(await tcpConnect(host.wire, HOST.ipv4, 1080)).toBe('timeout');
  expect(await stand.did('red', 'allow', '1080/tcp', 'comment', 'my web', '-m', 'the shop opens')).toBe(
    'red: added rule 3: allow 1080/tcp\napplied\n',
  );
  expect(await tcpConnect(host.wire, HOST.ipv4, 1080)).toBe('connected');
  expect(await stand.did('red', 'move', '3', 'before', '1')).toMatch(/moved rule 3 to 1/);
  expect(await stand.did('red', 'udp', 'on')).toMatch(/udp is now on/);
  expect(await stand.did('red', 'ssh', '1022', 'from', 'rules')).toMatch(/the SSH row is 1022\/tcp from rules now/);
  expect(await stand.did('red', 'default', 'reject')).toMatch(/default is now reject/);
  const expected = RULES.replace(
    '  red:\n',
    '  red:\n    default: reject\n    ssh: { port: 1022, from: rules }\n    udp: on\n',
  ).replace('      - deny 1022', "      - allow 1080/tcp id tcp-1080 comment 'my web'\n      - deny 1022");
  expect(readFileSync(join(host.directory, 'rules.yaml'), 'utf8')).toBe(expected);
  expect(await stand.greenIs()).toEqual(before);
  const history = await host.must('history');
  expect(history).toMatch(/root, owner of red +allow 1080\/tcp comment my web --server red +applied +the shop opens/);
  // A panel that the provider runs sees the same on its page.
  const { page } = JSON.parse(await host.must('snapshot', 'red')) as { page: ServerPage };
  expect(page.owner).toEqual({
    ...{ group: '4711', mode: '0660', rules: { used: 3, most: 8 }, entries: { used: 3, most: 20 }, changes: 500 },
  });
  expect(page.changes.map(({ by, what }) => `${by}: ${what}`).slice(-2)).toEqual([
    'owner: allow 1080/tcp comment my web --server red',
    'provider: apply',
  ]);
  expect(page.changes[0]).toMatchObject({ what: 'default reject --server red', digest: page.server.digest });
  await stand.did('red', 'delete', 'tcp-1080');
  expect(await stand.did('red', 'prepend', 'deny', '1081/tcp')).toMatch(/inserted rule 1: deny 1081\/tcp/);
  await stand.did('red', 'delete', '1');
  expect((await stand.as('red', 'delete', '9')).stderr).toMatch(/error edit\/no-such-rule: there is no rule 9/);
});

test('he sees his section, and of everybody else that the provider blocks', async () => {
  const status = await stand.did('red', 'status');
  expect(status).toMatch(/^red: 192\.0\.2\.10 port 1000:1099; default reject/);
  expect(status).toMatch(/yours: 2 of 8 rules, 2 of 20 entries, 500 changes a minute/);
  // It is what the provider sees, but for the shares, by which he could count the servers.
  await tcpConnect(host.wire, HOST.ipv4, 1022);
  const { section, active } = (await stand.ask('red', 'status')) as Answer & { section: ServerSection };
  expect(active).toBe(true);
  const theirs = JSON.parse(await host.must('status', 'red', '--json')) as { server: ServerSection };
  const shares = ({ server: { room } }: ServerSection): unknown =>
    [room!.flows, room!.limits].map(({ share }) => share);
  expect([shares(theirs.server), shares(section)]).toEqual([
    [1250, 4096],
    [1024, 4096],
  ]);
  // The time of a hit is as exact as the kernel's tick: two looks may tell it a few milliseconds apart.
  const counted = ({ rows, digest, server }: ServerSection): unknown => ({
    rows: rows.map((row) => ({ ...row, lastHit: row.lastHit !== null })),
    ...{ digest, denied: server.denied },
  });
  expect(counted(section)).toEqual(counted(theirs.server));
  expect(Number(section.server.denied)).toBeGreaterThan(0);
  expect(await stand.did('red', 'explain', 'tcp from 198.18.77.9 to 192.0.2.10 port 1022')).toBe(
    'deny: blocked by the provider\n',
  );
  await host.must('ban', '198.18.78.1');
  const banned = await stand.did('red', 'doctor', '1033', '198.18.78.1');
  expect(banned).toMatch(/blocked by the provider[^]*no row lets it in[^]*sluice --socket \S+red\.sock allow from/);
  await host.must('unban', '198.18.78.1');
  expect(await stand.did('red', 'explain', 'tcp from 203.0.113.5 to 192.0.2.10 port 1033')).toMatch(
    /^allow by rule 2 .*hall/,
  );
  expect((await stand.as('red', 'explain', 'tcp from 203.0.113.5 to 192.0.2.10 port 2080')).stderr).toMatch(
    /no packet to red/,
  );
  expect((await stand.as('red', 'doctor', '2080', '203.0.113.5')).stderr).toMatch(/2080 is not a port of red/);
  await stand.until('an event', async () => {
    await tcpConnect(host.wire, HOST.ipv4, 1055);
    return /SPT=\d+ DPT=1055/.test(await stand.did('red', 'events'));
  });
  expect(await stand.did('green', 'events')).toBe('');
  await stand.did('red', 'check');
  // Everything he can be told, in one text: nothing of the others is in it.
  const verbs = ['status', 'events', 'history', 'check'] as const;
  const all = [
    ...(await Promise.all(verbs.map((verb) => stand.ask('red', verb)))),
    await stand.ask('red', 'doctor', '1033'),
    await stand.ask('red', 'allow', 'from', 'offic', 'to', 'any', 'port', '1033'),
    await stand.ask('red', 'delete', 'allow', 'from', 'offic'),
    await stand.ask('red', 'udp', 'on', 'other'),
    await stand.ask('red', 'explain', 'tcp', 'from', '198.18.77.9', 'to', '192.0.2.10', 'port', '1033'),
  ];
  const told = JSON.stringify(all);
  for (const hidden of [
    'secret',
    '198.18',
    'green',
    'blue',
    '2080',
    'eth0',
    'rules.yaml',
    host.directory,
    'did you mean',
  ])
    expect([hidden, told.includes(hidden)]).toEqual([hidden, false]);
});

test('he learns who reaches a port by his rows', async () => {
  expect(await stand.did('red', 'who-reaches', '1033/tcp')).toBe(
    'who gets in at red by your rows:\n1033/tcp over IPv4: 203.0.113.0/24\nthe provider may block more, for all his servers\n',
  );
  const { reached } = await stand.ask('red', 'who-reaches', '1055');
  expect(reached).toMatchObject([
    { protocol: 'tcp', sources: { everyoneBut: false, networks: [] } },
    { protocol: 'udp', sources: { everyoneBut: false, networks: [] } },
  ]);
  await host.must('allow-all', 'red', '--for', '10m');
  expect(await stand.did('red', 'who-reaches', '1055/tcp')).toMatch(
    /under ALLOW ALL:\n1055\/tcp over IPv4: everyone$/m,
  );
  await host.must('allow-all', 'off');
  expect((await stand.as('red', 'who-reaches', '2080')).stderr).toMatch(/2080 is not a port of red/);
  expect((await stand.as('red', 'who-reaches', '1033', '--file', 'x')).stderr).toMatch(/--file is the provider's/);
  expect(codeOf(await stand.ask('red', 'who-reaches', '1055', 'x'))).toBe('cli/usage');
  expect(codeOf(await stand.ask('red', 'who-reaches'))).toBe('cli/usage');
});

test('he sees who connects; of whom the provider keeps out, and of other servers, he sees nothing', async () => {
  const seen = await stand.connecting(1055, stand.as('red', 'doctor', '1055', '--wait', '60s'));
  expect(seen.stderr).toBe('connect now: looking for 60 s\n');
  expect(seen.stdout).toMatch(/^seen: a packet from 192\.0\.2\.1 port \d+ was refused by default, [\d:]+ UTC\n/);
  expect(seen.stdout).toMatch(/^ +sluice --socket \S+red\.sock allow from 192\.0\.2\.1 to any port 1055 proto tcp$/m);
  expect(await stand.connecting(1022, stand.did('red', 'doctor', '1022', NEIGHBOUR.ipv4, '--wait', '60s'))).toMatch(
    /^counted: .* refused by \S+ of red,/,
  );
  // By a row of the guard that is told of: whom he has named, or that there was somebody.
  const named = await stand.connecting(1077, stand.send('red', waitRequest(60, '1077', NEIGHBOUR.ipv4)));
  expect(linesOf(named)).toMatch(/^seen: a packet from 192\.0\.2\.1 port \d+ was refused by the provider, /);
  const unnamed = await stand.connecting(1077, stand.send('red', waitRequest(60, '1077')));
  expect(linesOf(unnamed)).toMatch(/^seen: a packet was refused by the provider, /);
  expect(JSON.stringify(unnamed)).not.toMatch(/192\.0\.2\.1\b|noted/);
  const { events } = (await stand.ask('red', 'events')) as Answer & { events: { text: string }[] };
  expect(events.at(-1)!.text).toBe('[SLUICE BLOCK] blocked by the provider');
  // The same row, and a ban, keep somebody from green: nothing of that is for red to see.
  await host.must('ban', '198.51.100.66', NEIGHBOUR.ipv4);
  const elsewhere = await stand.connecting(2080, stand.send('red', waitRequest(2, '1055', NEIGHBOUR.ipv4)));
  await host.must('unban', '198.51.100.66', NEIGHBOUR.ipv4);
  expect(linesOf(elsewhere)).toMatch(/^nothing was seen: no packet to that port met your rows within 2 s\n/);
  expect(linesOf(elsewhere)).toMatch(/blocked by the provider/);
  expect(linesOf(await stand.connecting(2077, stand.send('red', waitRequest(2, '1077', NEIGHBOUR.ipv4))))).toMatch(
    /^nothing was seen: no packet to that port met your rows within 2 s\n/,
  );
  // He asks again: who waited before is told so, and the second one waits. Meanwhile both owners are answered.
  const waits = [stand.send('red', waitRequest(60, '1066'))];
  await stand.until('the first to wait', async () => codeOf(await stand.ask('red', 'status')) === 'ok');
  waits.push(stand.send('red', waitRequest(60, '1066')));
  expect(codeOf(await waits[0])).toBe('owner/busy');
  expect([codeOf(await stand.ask('red', 'status')), codeOf(await stand.ask('green', 'status'))]).toEqual(['ok', 'ok']);
  expect(linesOf(await stand.connecting(1066, waits[1]))).toMatch(/^seen: a packet from 192\.0\.2\.1 /);
  for (const wait of [0, 61, 1.5, '5', null])
    expect([wait, codeOf(await stand.send('red', waitRequest(wait, '1055')))]).toEqual([wait, 'owner/request']);
  expect(codeOf(await stand.send('red', waitRequest(1, '2080')))).toBe('cli/usage');
  expect(codeOf(await stand.send('red', waitRequest(1, '1055').replace('doctor', 'check')))).toBe('cli/usage');
});

test('his report for a ticket names nobody else', async () => {
  await tcpConnect(host.wire, HOST.ipv4, 1055);
  const report = await stand.did('red', 'doctor', '1055', NEIGHBOUR.ipv4, '--report');
  expect(report).toMatch(
    /^sluice \S+, report of [^]*^red: 192\.0\.2\.10, port 1000:1099; [^]*^newest refusals at that port:\n {2}\S+ \S+ UTC TCP from 192\.0\.2\.1 port \d+ to port 1055: default$/m,
  );
  const guarded = await stand.connecting(1077, stand.did('red', 'doctor', '1077', '--wait', '60s', '--report'));
  expect(guarded).toMatch(/^seen: a packet was refused by the provider/m);
  const blocked = await stand.did('red', 'doctor', '1033', '198.18.77.9', '--report');
  expect(blocked).toMatch(/NO +blocked by the provider/);
  for (const hidden of ['secret', 'noted', '198.18.77.0', 'green', 'blue', '2080', 'eth0', 'rules.yaml', 'guard'])
    for (const text of [report, guarded, blocked]) expect([hidden, text.includes(hidden)]).toEqual([hidden, false]);
  expect(guarded).not.toMatch(/192\.0\.2\.1\b/);
});

test('his history is of his section, and he goes back in it alone, by digest', async () => {
  const path = join(host.directory, 'rules.yaml');
  const before = await stand.greenIs();
  await stand.did('green', 'allow', '2099/tcp');
  await stand.did('green', 'delete', 'tcp-2099');
  const changes = await stand.ownHistory('red');
  expect(changes.map(({ who, what }) => `${who}: ${what}`)).toEqual([
    'your provider: changed your server',
    ...['allow 1080/tcp comment my web', 'move 3 before 1', 'udp on', 'ssh 1022 from rules', 'default reject'].map(
      (words) => `root: ${words} --server red`,
    ),
    ...['delete tcp-1080', 'insert 1 deny 1081/tcp', 'delete 1'].map((words) => `root: ${words} --server red`),
  ]);
  // Numbers would tell how often others change something.
  expect(Object.keys(changes[1]).sort()).toEqual(['at', 'digest', 'outcome', 'reason', 'what', 'who']);
  const [first, web] = changes.map(({ digest }) => digest);
  const last = changes.at(-1)!.digest;
  expect(await stand.did('red', 'diff', web)).toMatch(/default: reject \(was deny\)[^]*- +red\/tcp-1080/);
  expect(await stand.did('red', 'rollback', web.slice(0, 9), '-m', 'open again')).toMatch(
    /are as [0-9a-f]{12} left them\napplied/,
  );
  expect(await tcpConnect(host.wire, HOST.ipv4, 1080)).toBe('connected');
  expect(readFileSync(path, 'utf8')).toBe(
    RULES.replace(/( +- \{ id: hall.*\n)/, "$1      - allow 1080/tcp id tcp-1080 comment 'my web'\n"),
  );
  const stale = JSON.stringify({ version: 1, verb: 'allow', words: ['1081/tcp'], ifDigest: last });
  const refused = await stand.send('red', `${stale}\n`);
  expect(codeOf(refused)).toBe('owner/changed');
  expect(refused!.error!.message).toContain(`root: rollback ${web.slice(0, 9)} --server red`);
  expect((await stand.as('red', 'deny', '1081/tcp', '--if-digest', last)).status).toBe(5);
  expect(JSON.stringify(refused)).not.toContain('green');
  expect(codeOf(await stand.send('red', `${stale.replace(last, web)}\n`))).toBe('ok');
  // Another's digest is nobody's; a row that the provider had told of is not his to bring back.
  const [theirs] = await stand.ownHistory('green');
  for (const none of [theirs.digest, 'a'.repeat(64)])
    expect(codeOf(await stand.ask('red', 'rollback', none))).toBe('owner/no-revision');
  expect(codeOf(await stand.ask('red', 'diff', theirs.digest))).toBe('owner/no-revision');
  expect(codeOf(await stand.ask('red', 'rollback', '1'))).toBe('cli/usage');
  expect(codeOf(await stand.ask('red', 'rollback', web, '--force'))).toBe('cli/usage');
  expect((await stand.as('red', 'rollback', web, '--server', 'green')).stderr).toContain("--server is the provider's");
  await host.must('allow', 'log', '1090/tcp', '--server', 'red');
  const logged = (await stand.ownHistory('red')).at(-1)!;
  expect(logged).toMatchObject({ who: 'your provider', what: 'changed your server' });
  await host.must('delete', 'tcp-1090', '--server', 'red');
  expect(codeOf(await stand.ask('red', 'rollback', logged.digest))).toBe('owner/provider');
  // What the provider changed beside his rows stays.
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace('owner: { group: 4711', 'target: 10.0.0.1\n    owner: { group: 4711'),
  );
  await host.must('apply');
  await stand.did('red', 'rollback', first);
  expect(readFileSync(path, 'utf8')).toBe(
    RULES.replace('    owner: { group: 4711', '    target: 10.0.0.1\n    owner: { group: 4711'),
  );
  writeFileSync(path, RULES);
  await host.must('apply');
  expect(await stand.greenIs()).toEqual(before);
});

test('his rows wait to be confirmed: he keeps them or takes them back, and nobody else is told', async () => {
  const path = join(host.directory, 'rules.yaml');
  const text = (): string => readFileSync(path, 'utf8');
  const [before, green] = [text(), await stand.greenIs()];
  const web = (): Promise<string> => tcpConnect(host.wire, HOST.ipv4, 1080);
  const outcome = async (): Promise<unknown> => (await stand.ownHistory('red')).at(-1);
  const tries = async (verb: string, ...words: string[]): Promise<void> =>
    expect(codeOf(await stand.send('red', JSON.stringify({ version: 1, verb, words, confirm: '10m' })))).toBe('ok');
  expect(await stand.did('red', 'allow', '1080/tcp', '--confirm', '10m')).toMatch(
    /^red: added rule 3: allow 1080\/tcp\napplied\nnot confirmed yet: \d+ s left, .*\(confirm keeps these/,
  );
  expect(await web()).toBe('connected');
  expect(await stand.did('red', 'status')).toMatch(/^not confirmed yet: \d+ s left, then your rows before judge again/);
  const { section } = (await stand.ask('red', 'status')) as Answer & { section: { waiting: object } };
  expect(section.waiting).toMatchObject({ by: 'owner' });
  expect(await outcome()).toMatchObject({ outcome: 'waits to be confirmed' });
  // Somebody else neither sees that, nor is stopped by it, nor decides it.
  const verbs = ['status', 'history', 'check', 'confirm', 'rollback'] as const;
  const told = JSON.stringify([...(await Promise.all(verbs.map((verb) => stand.ask('green', verb))))]);
  expect(told).not.toMatch(/red|waiting|1080/);
  expect(told.match(/owner\/not-pending/g)).toHaveLength(2);
  expect(codeOf(await stand.ask('green', 'allow', '2099/tcp'))).toBe('ok');
  expect(codeOf(await stand.ask('green', 'delete', 'tcp-2099'))).toBe('ok');
  expect((await host.status()).waiting.map((one) => one.section)).toEqual(['red']);
  expect(codeOf(await stand.ask('red', 'allow', '1081/tcp'))).toBe('owner/pending');
  expect((await stand.as('red', 'allow', '1081/tcp')).status).toBe(5);
  expect(await stand.did('red', 'confirm')).toBe('confirmed: your rows hold\n');
  expect([await web(), (await host.status()).waiting]).toEqual(['connected', []]);
  expect(await outcome()).toMatchObject({ outcome: 'confirmed' });
  expect(await host.must('history')).toContain('confirmed by root, owner of red');
  const kept = text();
  expect(kept).toContain('allow 1080/tcp');
  // Taken back.
  await tries('delete', 'tcp-1080');
  expect(await web()).toBe('timeout');
  expect(await stand.did('red', 'rollback')).toBe('taken back: your rows before judge again\n');
  expect([await web(), text()]).toEqual(['connected', kept]);
  expect(await outcome()).toMatchObject({ outcome: 'taken back' });
  // Nobody says anything in time: the daemon tidies up, and his desk goes by what judges.
  await tries('delete', 'tcp-1080');
  await endTrial(host, 'red');
  expect(await web()).toBe('connected');
  expect(await stand.did('red', 'explain', 'tcp from 203.0.113.5 to 192.0.2.10 port 1080')).toMatch(/^allow by rule 3/);
  const late = await stand.ask('red', 'confirm');
  expect(late.error).toMatchObject({
    ...{ code: 'owner/not-pending', hint: 'it came too late' },
    message: expect.stringMatching(
      /^your change of .* was not confirmed in time: your rows before judge again$/,
    ) as string,
  });
  expect(text()).toBe(kept);
  await tries('deny', '1081/tcp');
  await endTrial(host, 'red');
  await stand.until('the daemon to tidy up', async () => /not confirmed in time/.test(JSON.stringify(await outcome())));
  await stand.until('the file as before', () => text() === kept);
  expect(await stand.did('red', 'delete', 'tcp-1080')).toBe('red: deleted rule 3: allow 1080/tcp\napplied\n');
  expect([await web(), text(), await stand.greenIs()]).toEqual(['timeout', before, green]);
});

test('what the provider tries is his to say, and settings that wait are in nobody’s way', async () => {
  const before = readFileSync(join(host.directory, 'rules.yaml'), 'utf8');
  await host.must('allow', '1080/tcp', '--server', 'red', '--confirm', '10m');
  expect(await stand.did('red', 'status')).toMatch(/^not confirmed yet: .*\(your provider decides\)/);
  for (const [verb, ...words] of [['confirm'], ['rollback'], ['allow', '1081/tcp'], ['delete', 'tcp-1080']])
    expect([verb, codeOf(await stand.ask('red', verb, ...words))]).toEqual([verb, 'owner/pending']);
  const joined = { version: 1, verb: 'allow', words: ['1081/tcp'], confirm: '1h' };
  expect(codeOf(await stand.send('red', JSON.stringify(joined)))).toBe('owner/pending');
  expect((await host.status()).waiting[0].secondsLeft).toBeLessThanOrEqual(600);
  // What an owner began and his provider went on with is the provider's.
  await host.must('rollback', '--server', 'red');
  await stand.send('red', JSON.stringify({ ...joined, confirm: '10m' }));
  await host.must('allow', '1082/tcp', '--server', 'red', '--confirm', '10m');
  expect(codeOf(await stand.ask('red', 'confirm'))).toBe('owner/pending');
  await host.must('rollback', '--server', 'red');
  await host.must('logging', 'medium', '--confirm', '10m');
  // His rows are in both states of it: they wait by themselves, and are his to decide.
  expect(codeOf(await stand.send('red', JSON.stringify(joined)))).toBe('ok');
  await host.must('rollback');
  expect((await host.status()).waiting.map(({ section }) => section)).toEqual(['red']);
  expect(codeOf(await stand.ask('red', 'rollback'))).toBe('ok');
  expect(codeOf(await stand.send('red', JSON.stringify({ version: 1, verb: 'status', confirm: '60s' })))).toBe(
    'cli/usage',
  );
  expect(readFileSync(join(host.directory, 'rules.yaml'), 'utf8')).toBe(before);
});

test('ALLOW ALL of his server: he opens and ends it, nobody else’s opens, and what his provider opened is not his', async () => {
  const before = await stand.greenIs();
  expect(await tcpConnect(host.wire, HOST.ipv4, 1080)).toBe('timeout');
  expect(await stand.did('red', 'allow-all', '--for', '10m', '-m', 'what is wrong')).toMatch(
    /^red is under ALLOW ALL until \S+ \S+ UTC: it ends by itself\n$/,
  );
  expect([await tcpConnect(host.wire, HOST.ipv4, 1080), await tcpConnect(host.wire, HOST.ipv4, 2081)]).toEqual([
    ...['connected', 'timeout'],
  ]);
  expect(await stand.did('red', 'status')).toMatch(/^ALLOW ALL: until/m);
  expect(await host.must('allow-all')).toMatch(/^red: until .*, by root, owner of red \(what is wrong\)$/m);
  expect(await stand.did('red', 'allow-all', 'off')).toMatch(
    /^ALLOW ALL of red is over\n {2}\d+ packets passed[^]* by red\/default /,
  );
  expect([await tcpConnect(host.wire, HOST.ipv4, 1080), await stand.greenIs()]).toEqual(['timeout', before]);
  expect(await stand.did('green', 'allow-all', 'off')).toBe('green is not under ALLOW ALL\n');
  // What it let in he is told later too, where it ended by itself.
  expect(await stand.did('red', 'allow-all', 'off')).toMatch(
    /^red is not under ALLOW ALL; when it last was, until \S+ \S+ UTC at most:\n {2}\d+ packets passed[^]* by red\/default /,
  );
  await host.must('allow-all', 'red', '--for', '10m');
  for (const request of [{ for: '1m' }, { words: ['off'] }])
    expect(codeOf(await stand.send('red', JSON.stringify({ version: 1, verb: 'allow-all', ...request })))).toBe(
      'owner/provider',
    );
  await host.must('allow-all', 'off', 'red');
  for (const request of [{}, { words: ['green'], for: '1m' }, { for: '2h' }, { for: '0s' }, { until: '2030-01-01' }])
    expect([
      request,
      codeOf(await stand.send('red', JSON.stringify({ version: 1, verb: 'allow-all', ...request }))),
    ]).toEqual([...[request, 'cli/usage']]);
  expect((await stand.as('red', 'allow-all', '--everything', '--for', '1m')).stderr).toMatch(
    /--everything is the provider's/,
  );
  expect((await host.status()).allowAll).toEqual([]);
});

test('an edge that is open as a whole: he is told until when, and of his own rows', async () => {
  await host.must('allow-all', '--everything', '--for', '1h', '--yes', '-m', 'a hidden reason');
  // Nobody listens there, and it is let in to find that out.
  expect(await tcpConnect(host.wire, HOST.ipv4, 3085)).toBe('refused');
  expect((await host.status()).allowAll[0].rows.map(({ section }) => section)).toContain('blue');
  const answer = JSON.stringify(await stand.ask('red', 'status'));
  expect(answer).toContain('"allowAll":{"until":');
  expect(answer).not.toMatch(/hidden reason|blue|"uid"/);
  expect(await stand.did('red', 'status')).toMatch(/^ALLOW ALL: until .* left\)$/m);
  await host.must('allow-all', 'off');
});

test('the group comes through, others do not; who connected before it changed hands is nobody', async () => {
  const script = `require('node:net').connect(${JSON.stringify(stand.socketOf('red'))}).on('error', ({ code }) => { console.log(code); process.exit(); }).on('data', (text) => { console.log(String(text)); process.exit(); }).write('{"version":1,"verb":"check"}\\n')`;
  const byGroup = async (group: number): Promise<string> =>
    (await run(['setpriv', '--reuid=4242', `--regid=${group}`, '--clear-groups', process.execPath, '-e', script]))
      .stdout;
  expect(await byGroup(4711)).toContain('"ok":true');
  expect(await byGroup(4712)).toBe('EACCES\n');
  // Nor does he learn who else is a customer: neither of the folder, nor of what the kernel tells of sockets.
  const nobody = ['setpriv', '--reuid=4242', '--regid=4711', '--clear-groups'];
  expect((await run([...nobody, 'ls', stand.folder])).status).toBe(2);
  const sockets = await host.edge.run([...nobody, 'cat', '/proc/net/unix']);
  expect(sockets.stdout).toContain(stand.folder);
  expect(sockets.stdout).not.toMatch(/(red|green)\.sock/);

  const path = join(host.directory, 'rules.yaml');
  const text = readFileSync(path, 'utf8');
  /** What he is told who connected before the socket changed hands, and asks then. */
  const askedLate = async (): Promise<string> => {
    const early = connect({ path: stand.socketOf('red'), allowHalfOpen: true });
    early.on('error', () => undefined); // let go of: told says so
    await once(early, 'connect');
    const answered = new Promise<string>((resolve) => early.once('data', (data) => resolve(data.toString())));
    writeFileSync(path, text.replace(/group: "?4711"?/, 'group: 4713'));
    await host.must('apply');
    early.end('{"version":1,"verb":"check"}\n');
    return answered;
  };
  let told = await askedLate();
  // He is listened to for some seconds: where the apply took longer it says nothing of this.
  for (let again = 0; again < 5 && told.includes('no whole request came'); again++) {
    writeFileSync(path, text);
    await host.must('apply');
    await stand.until('the group of before', () => lstatSync(stand.socketOf('red')).gid === 4711);
    told = await askedLate();
  }
  expect(told).toContain('owner/gone');
  // The next owner is told nothing of what was before, and cannot bring it back.
  const known = await host.must('history', 'red', '--json');
  const digests = (JSON.parse(known) as { revisions: Revision[] }).revisions.map(({ after }) => after!.red.digest!);
  await stand.until('the next owner', () => lstatSync(stand.socketOf('red')).gid === 4713);
  expect((await stand.ownHistory('red')).map(({ what }) => what)).toEqual(['changed your server']);
  for (const digest of digests.slice(0, -1))
    expect(codeOf(await stand.ask('red', 'rollback', digest))).toBe('owner/no-revision');
  writeFileSync(path, text);
  await host.must('apply');
  await stand.until('the group of before', () => lstatSync(stand.socketOf('red')).gid === 4711);
});

test('nothing of all this reached a packet of anybody else', async () => {
  expect(await tcpConnect(host.wire, HOST.ipv4, 3080)).toBe('connected');
  expect(NEIGHBOUR.ipv4).toBe('192.0.2.1');
});
