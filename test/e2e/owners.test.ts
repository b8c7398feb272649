/**
 * Owners at the sockets of their servers: what they may do, what they see, and what no owner can do to another, to the
 * provider, or to the daemon, through the real sockets of a real daemon.
 */
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerPage, ServerSection } from '../../src/observe/server-page';
import type { Revision } from '../../src/operate/history';
import { serve, tcpConnect } from '../support/clients';
import { COMMAND, EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { endTrial } from '../support/end-trial';
import { type Background, type Finished, run } from '../support/process';

const SECRET = '198.18.77.0/24';
const RULES = `# the provider's own words
version: 1
interfaces: [eth0]
flows: { max: 5000 }
sets: { office: [203.0.113.0/24] }
guard:
  rules:
    - { id: secret-row, action: deny, from: ${SECRET} }
    - { id: noted-row, action: deny, from: ${NEIGHBOUR.ipv4}, port: "1077,2077", log: true }
inbound: { default: deny, ssh: { port: 22, from: anyone } }
servers:
  red:
    address: ${HOST.ipv4}
    ports: 1000-1099
    owner: { group: 4711, mode: 0660, rules: 8, entries: 20, changes: 500 }
    rules:
      - deny 1022/tcp   # red's own comment
      - { id: hall, action: allow, from: office, port: 1033 }
  green: # stays where it is
    address: ${HOST.ipv4}
    ports: 2000-2099
    owner: { group: 4712, changes: 500 }
    rules: [allow 2080/tcp]
  blue: { address: ${HOST.ipv4}, ports: 3000-3099, rules: [allow 3080/tcp] }
`;

let host: EdgeHost;
let daemon: Background;
let owners: string;

const startDaemon = async (): Promise<Background> => {
  const started = host.startSluice(['daemon', '--owners', owners]);
  await started.waitFor(/the daemon runs/, 60_000);
  return started;
};
const socketOf = (name: string): string => join(owners, `${name}.sock`);

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`never came: ${what}; ${daemon.output}`);
    await sleep(50);
  }
}

beforeAll(async () => {
  host = await EdgeHost.open('owners');
  // The daemon makes its folder itself, where everybody comes by.
  const above = mkdtempSync(join(tmpdir(), `slc-owners-${process.pid}-`));
  chmodSync(above, 0o755);
  owners = join(above, 'sockets');
  host.write('rules.yaml', RULES);
  await host.must('apply');
  await serve(host.edge, ['tcp:1022', 'tcp:1080', 'tcp:2080', 'tcp:3080']);
  daemon = await startDaemon();
  await until('sockets', () => existsSync(socketOf('red')) && existsSync(socketOf('green')));
});

afterAll(async () => {
  await daemon.stop();
  rmSync(dirname(owners), { recursive: true, force: true });
  await host.close();
});

/** The command of somebody who has nothing but the path of a socket. */
const as = async (name: string, ...words: string[]): Promise<Finished> =>
  run([process.execPath, COMMAND, '--socket', socketOf(name), ...words], { env: { PATH: process.env.PATH } });
const did = async (name: string, ...words: string[]): Promise<string> => {
  const { status, stdout, stderr } = await as(name, ...words);
  if (status !== 0) throw new Error(`${name}: ${words.join(' ')} ended with ${status}: ${stderr}${stdout}`);
  return stdout;
};

interface Answer {
  readonly ok: boolean;
  readonly error?: { readonly code: string; readonly message: string };
  readonly [key: string]: unknown;
}

/** The same of somebody who asks again in a while where he asked too often. */
async function send(name: string, bytes: string | Uint8Array, end = true): Promise<Answer | null> {
  for (;;) {
    const answer = await sendOnce(name, bytes, end);
    if (!/^you asked/.test(answer?.error?.message ?? '')) return answer;
    await sleep(100);
  }
}

/** Sends bytes and returns what comes back; null where the connection ended without an answer. */
async function sendOnce(name: string, bytes: string | Uint8Array, end = true): Promise<Answer | null> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ path: socketOf(name), allowHalfOpen: true });
    socket.on('data', (chunk) => (text += chunk.toString()));
    // A queue that is full takes nobody more.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EAGAIN') text ||= '{"ok":false,"error":{"code":"EAGAIN","message":""}}';
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve(text === '' ? null : (JSON.parse(text) as Answer)));
    if (end) socket.end(bytes);
    else socket.write(bytes);
  });
}
const ask = async (name: string, verb: string, ...words: string[]): Promise<Answer> =>
  (await send(name, `${JSON.stringify({ version: 1, verb, words })}\n`))!;
const codeOf = (answer: Answer | null): string | null => (answer?.error ? answer.error.code : answer && 'ok');

/** What must not change through anything that another owner does. */
async function greenIs(): Promise<unknown> {
  const { server } = JSON.parse(await host.must('status', 'green', '--json')) as { server: { rows: object[] } };
  const connected = await tcpConnect(host.wire, HOST.ipv4, 2080);
  return { rows: server.rows.map((row) => ({ ...row, packets: '', bytes: '', lastHit: '' })), connected };
}

test('a socket has the mode and the group that its server says; blue, which has no owner, has none', () => {
  const [red, green] = [lstatSync(socketOf('red')), lstatSync(socketOf('green'))];
  expect([red.isSocket(), red.mode & 0o777, red.uid, red.gid]).toEqual([true, 0o660, 0, 4711]);
  expect([green.isSocket(), green.mode & 0o777, green.uid, green.gid]).toEqual([true, 0o660, 0, 4712]);
  expect(existsSync(socketOf('blue'))).toBe(false);
  expect(lstatSync(join(owners, '.new')).mode & 0o777).toBe(0o700);
});

test('the client that the README shows is one', async () => {
  const readme = readFileSync(join(__dirname, '../../README.md'), 'utf8');
  const [, client] = /^```js\n(const \{ connect \}[^]*?)^```$/m.exec(readme)!;
  const shown = client.replace('/run/sluice-owners/gpu-17.sock', socketOf('red'));
  const { stdout, stderr } = await run([process.execPath, '-e', shown]);
  expect([stderr, stdout]).toEqual(['', expect.stringMatching(/^\{\n {2}name: 'red',\n/) as string]);
});

test('an owner edits his rows, and nothing else of the file changes', async () => {
  const before = await greenIs();
  expect(await tcpConnect(host.wire, HOST.ipv4, 1080)).toBe('timeout');
  expect(await did('red', 'allow', '1080/tcp', 'comment', 'my web', '-m', 'the shop opens')).toBe(
    'red: added rule 3: allow 1080/tcp\napplied\n',
  );
  expect(await tcpConnect(host.wire, HOST.ipv4, 1080)).toBe('connected');
  expect(await did('red', 'move', '3', 'before', '1')).toMatch(/moved rule 3 to 1/);
  expect(await did('red', 'udp', 'on')).toMatch(/udp is now on/);
  expect(await did('red', 'ssh', '1022', 'from', 'rules')).toMatch(/the SSH row is 1022\/tcp from rules now/);
  expect(await did('red', 'default', 'reject')).toMatch(/default is now reject/);
  const expected = RULES.replace(
    '  red:\n',
    '  red:\n    default: reject\n    ssh: { port: 1022, from: rules }\n    udp: on\n',
  ).replace('      - deny 1022', "      - allow 1080/tcp id tcp-1080 comment 'my web'\n      - deny 1022");
  expect(readFileSync(join(host.directory, 'rules.yaml'), 'utf8')).toBe(expected);
  expect(await greenIs()).toEqual(before);
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
  await did('red', 'delete', 'tcp-1080');
  expect(await did('red', 'prepend', 'deny', '1081/tcp')).toMatch(/inserted rule 1: deny 1081\/tcp/);
  await did('red', 'delete', '1');
  expect((await as('red', 'delete', '9')).stderr).toMatch(/error edit\/no-such-rule: there is no rule 9/);
});

test('he sees his section, and of everybody else that the provider blocks', async () => {
  const status = await did('red', 'status');
  expect(status).toMatch(/^red: 192\.0\.2\.10 port 1000:1099; default reject/);
  expect(status).toMatch(/yours: 2 of 8 rules, 2 of 20 entries, 500 changes a minute/);
  // It is what the provider sees, but for the shares, by which he could count the servers.
  await tcpConnect(host.wire, HOST.ipv4, 1022);
  const { section, active } = (await ask('red', 'status')) as Answer & { section: ServerSection };
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
  expect(await did('red', 'explain', 'tcp from 198.18.77.9 to 192.0.2.10 port 1022')).toBe(
    'deny: blocked by the provider\n',
  );
  await host.must('ban', '198.18.78.1');
  const banned = await did('red', 'doctor', '1033', '198.18.78.1');
  expect(banned).toMatch(/blocked by the provider[^]*no row lets it in[^]*sluice --socket \S+red\.sock allow from/);
  await host.must('unban', '198.18.78.1');
  expect(await did('red', 'explain', 'tcp from 203.0.113.5 to 192.0.2.10 port 1033')).toMatch(
    /^allow by rule 2 .*hall/,
  );
  expect((await as('red', 'explain', 'tcp from 203.0.113.5 to 192.0.2.10 port 2080')).stderr).toMatch(
    /no packet to red/,
  );
  expect((await as('red', 'doctor', '2080', '203.0.113.5')).stderr).toMatch(/2080 is not a port of red/);
  await until('an event', async () => {
    await tcpConnect(host.wire, HOST.ipv4, 1055);
    return /SPT=\d+ DPT=1055/.test(await did('red', 'events'));
  });
  expect(await did('green', 'events')).toBe('');
  await did('red', 'check');
  // Everything he can be told, in one text: nothing of the others is in it.
  const verbs = ['status', 'events', 'history', 'check'] as const;
  const all = [
    ...(await Promise.all(verbs.map((verb) => ask('red', verb)))),
    await ask('red', 'doctor', '1033'),
    await ask('red', 'allow', 'from', 'offic', 'to', 'any', 'port', '1033'),
    await ask('red', 'delete', 'allow', 'from', 'offic'),
    await ask('red', 'udp', 'on', 'other'),
    await ask('red', 'explain', 'tcp', 'from', '198.18.77.9', 'to', '192.0.2.10', 'port', '1033'),
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

/** Somebody who tries to connect to a port until the work is done. */
async function connecting<T>(port: number, work: Promise<T>): Promise<T> {
  let ended = false;
  const done = work.finally(() => (ended = true));
  while (!ended) await tcpConnect(host.wire, HOST.ipv4, port);
  return done;
}
const waitRequest = (wait: unknown, ...words: string[]): string =>
  `${JSON.stringify({ version: 1, verb: 'doctor', words, wait })}\n`;
const linesOf = (answer: Answer | null): string => (answer!.lines as string[]).join('\n');

test('he learns who reaches a port by his rows', async () => {
  expect(await did('red', 'who-reaches', '1033/tcp')).toBe(
    'who gets in at red by your rows:\n1033/tcp over IPv4: 203.0.113.0/24\nthe provider may block more, for all his servers\n',
  );
  const { reached } = await ask('red', 'who-reaches', '1055');
  expect(reached).toMatchObject([
    { protocol: 'tcp', sources: { everyoneBut: false, networks: [] } },
    { protocol: 'udp', sources: { everyoneBut: false, networks: [] } },
  ]);
  await host.must('allow-all', 'red', '--for', '10m');
  expect(await did('red', 'who-reaches', '1055/tcp')).toMatch(/under ALLOW ALL:\n1055\/tcp over IPv4: everyone$/m);
  await host.must('allow-all', 'off');
  expect((await as('red', 'who-reaches', '2080')).stderr).toMatch(/2080 is not a port of red/);
  expect((await as('red', 'who-reaches', '1033', '--file', 'x')).stderr).toMatch(/--file is the provider's/);
  expect(codeOf(await ask('red', 'who-reaches', '1055', 'x'))).toBe('cli/usage');
  expect(codeOf(await ask('red', 'who-reaches'))).toBe('cli/usage');
});

test('he sees who connects; of whom the provider keeps out, and of other servers, he sees nothing', async () => {
  const seen = await connecting(1055, as('red', 'doctor', '1055', '--wait', '60s'));
  expect(seen.stderr).toBe('connect now: looking for 60 s\n');
  expect(seen.stdout).toMatch(/^seen: a packet from 192\.0\.2\.1 port \d+ was refused by default, [\d:]+ UTC\n/);
  expect(seen.stdout).toMatch(/^ +sluice --socket \S+red\.sock allow from 192\.0\.2\.1 to any port 1055 proto tcp$/m);
  expect(await connecting(1022, did('red', 'doctor', '1022', NEIGHBOUR.ipv4, '--wait', '60s'))).toMatch(
    /^counted: .* refused by \S+ of red,/,
  );
  // By a row of the guard that is told of: whom he has named, or that there was somebody.
  const named = await connecting(1077, send('red', waitRequest(60, '1077', NEIGHBOUR.ipv4)));
  expect(linesOf(named)).toMatch(/^seen: a packet from 192\.0\.2\.1 port \d+ was refused by the provider, /);
  const unnamed = await connecting(1077, send('red', waitRequest(60, '1077')));
  expect(linesOf(unnamed)).toMatch(/^seen: a packet was refused by the provider, /);
  expect(JSON.stringify(unnamed)).not.toMatch(/192\.0\.2\.1\b|noted/);
  const { events } = (await ask('red', 'events')) as Answer & { events: { text: string }[] };
  expect(events.at(-1)!.text).toBe('[SLUICE BLOCK] blocked by the provider');
  // The same row, and a ban, keep somebody from green: nothing of that is for red to see.
  await host.must('ban', '198.51.100.66', NEIGHBOUR.ipv4);
  const elsewhere = await connecting(2080, send('red', waitRequest(2, '1055', NEIGHBOUR.ipv4)));
  await host.must('unban', '198.51.100.66', NEIGHBOUR.ipv4);
  expect(linesOf(elsewhere)).toMatch(/^nothing was seen: no packet to that port met your rows within 2 s\n/);
  expect(linesOf(elsewhere)).toMatch(/blocked by the provider/);
  expect(linesOf(await connecting(2077, send('red', waitRequest(2, '1077', NEIGHBOUR.ipv4))))).toMatch(
    /^nothing was seen: no packet to that port met your rows within 2 s\n/,
  );
  // He asks again: who waited before is told so, and the second one waits. Meanwhile both owners are answered.
  const waits = [send('red', waitRequest(60, '1066'))];
  await until('the first to wait', async () => codeOf(await ask('red', 'status')) === 'ok');
  waits.push(send('red', waitRequest(60, '1066')));
  expect(codeOf(await waits[0])).toBe('owner/busy');
  expect([codeOf(await ask('red', 'status')), codeOf(await ask('green', 'status'))]).toEqual(['ok', 'ok']);
  expect(linesOf(await connecting(1066, waits[1]))).toMatch(/^seen: a packet from 192\.0\.2\.1 /);
  for (const wait of [0, 61, 1.5, '5', null])
    expect([wait, codeOf(await send('red', waitRequest(wait, '1055')))]).toEqual([wait, 'owner/request']);
  expect(codeOf(await send('red', waitRequest(1, '2080')))).toBe('cli/usage');
  expect(codeOf(await send('red', waitRequest(1, '1055').replace('doctor', 'check')))).toBe('cli/usage');
});

test('his report for a ticket names nobody else', async () => {
  await tcpConnect(host.wire, HOST.ipv4, 1055);
  const report = await did('red', 'doctor', '1055', NEIGHBOUR.ipv4, '--report');
  expect(report).toMatch(
    /^sluice \S+, report of [^]*^red: 192\.0\.2\.10, port 1000:1099; [^]*^newest refusals at that port:\n {2}\S+ \S+ UTC TCP from 192\.0\.2\.1 port \d+ to port 1055: default$/m,
  );
  const guarded = await connecting(1077, did('red', 'doctor', '1077', '--wait', '60s', '--report'));
  expect(guarded).toMatch(/^seen: a packet was refused by the provider/m);
  const blocked = await did('red', 'doctor', '1033', '198.18.77.9', '--report');
  expect(blocked).toMatch(/NO +blocked by the provider/);
  for (const hidden of ['secret', 'noted', '198.18.77.0', 'green', 'blue', '2080', 'eth0', 'rules.yaml', 'guard'])
    for (const text of [report, guarded, blocked]) expect([hidden, text.includes(hidden)]).toEqual([hidden, false]);
  expect(guarded).not.toMatch(/192\.0\.2\.1\b/);
});

test('who asks too often is refused, and only he', async () => {
  const question = '{"version":1,"verb":"events"}\n';
  let refused: Answer | null = null;
  for (let round = 0; round < 100 && !refused; round++) {
    const answers = await Promise.all(Array.from({ length: 12 }, () => sendOnce('red', question)));
    refused = answers.find((answer) => codeOf(answer) === 'owner/rate') ?? null;
  }
  expect(refused!.error).toEqual({
    ...{ code: 'owner/rate', message: 'you asked 20 times within a second, the most there can be' },
    hint: 'nothing was changed; ask again in a second',
  });
  expect(codeOf(await sendOnce('green', question))).toBe('ok');
  await until('his next second', async () => codeOf(await sendOnce('red', question)) === 'ok');
});

interface OwnChange {
  readonly digest: string;
  readonly who: string;
  readonly what: string;
}
const ownHistory = async (name: string): Promise<OwnChange[]> => (await ask(name, 'history')).changes as OwnChange[];

test('his history is of his section, and he goes back in it alone, by digest', async () => {
  const path = join(host.directory, 'rules.yaml');
  const before = await greenIs();
  await did('green', 'allow', '2099/tcp');
  await did('green', 'delete', 'tcp-2099');
  const changes = await ownHistory('red');
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
  expect(await did('red', 'diff', web)).toMatch(/default: reject \(was deny\)[^]*- +red\/tcp-1080/);
  expect(await did('red', 'rollback', web.slice(0, 9), '-m', 'open again')).toMatch(
    /are as [0-9a-f]{12} left them\napplied/,
  );
  expect(await tcpConnect(host.wire, HOST.ipv4, 1080)).toBe('connected');
  expect(readFileSync(path, 'utf8')).toBe(
    RULES.replace(/( +- \{ id: hall.*\n)/, "$1      - allow 1080/tcp id tcp-1080 comment 'my web'\n"),
  );
  const stale = JSON.stringify({ version: 1, verb: 'allow', words: ['1081/tcp'], ifDigest: last });
  const refused = await send('red', `${stale}\n`);
  expect(codeOf(refused)).toBe('owner/changed');
  expect(refused!.error!.message).toContain(`root: rollback ${web.slice(0, 9)} --server red`);
  expect((await as('red', 'deny', '1081/tcp', '--if-digest', last)).status).toBe(5);
  expect(JSON.stringify(refused)).not.toContain('green');
  expect(codeOf(await send('red', `${stale.replace(last, web)}\n`))).toBe('ok');
  // Another's digest is nobody's; a row that the provider had told of is not his to bring back.
  const [theirs] = await ownHistory('green');
  for (const none of [theirs.digest, 'a'.repeat(64)])
    expect(codeOf(await ask('red', 'rollback', none))).toBe('owner/no-revision');
  expect(codeOf(await ask('red', 'diff', theirs.digest))).toBe('owner/no-revision');
  expect(codeOf(await ask('red', 'rollback', '1'))).toBe('cli/usage');
  expect(codeOf(await ask('red', 'rollback', web, '--force'))).toBe('cli/usage');
  expect((await as('red', 'rollback', web, '--server', 'green')).stderr).toContain("--server is the provider's");
  await host.must('allow', 'log', '1090/tcp', '--server', 'red');
  const logged = (await ownHistory('red')).at(-1)!;
  expect(logged).toMatchObject({ who: 'your provider', what: 'changed your server' });
  await host.must('delete', 'tcp-1090', '--server', 'red');
  expect(codeOf(await ask('red', 'rollback', logged.digest))).toBe('owner/provider');
  // What the provider changed beside his rows stays.
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace('owner: { group: 4711', 'target: 10.0.0.1\n    owner: { group: 4711'),
  );
  await host.must('apply');
  await did('red', 'rollback', first);
  expect(readFileSync(path, 'utf8')).toBe(
    RULES.replace('    owner: { group: 4711', '    target: 10.0.0.1\n    owner: { group: 4711'),
  );
  writeFileSync(path, RULES);
  await host.must('apply');
  expect(await greenIs()).toEqual(before);
});

test('his rows wait to be confirmed: he keeps them or takes them back, and nobody else is told', async () => {
  const path = join(host.directory, 'rules.yaml');
  const text = (): string => readFileSync(path, 'utf8');
  const [before, green] = [text(), await greenIs()];
  const web = (): Promise<string> => tcpConnect(host.wire, HOST.ipv4, 1080);
  const outcome = async (): Promise<unknown> => (await ownHistory('red')).at(-1);
  const tries = async (verb: string, ...words: string[]): Promise<void> =>
    expect(codeOf(await send('red', JSON.stringify({ version: 1, verb, words, confirm: '10m' })))).toBe('ok');
  expect(await did('red', 'allow', '1080/tcp', '--confirm', '10m')).toMatch(
    /^red: added rule 3: allow 1080\/tcp\napplied\nnot confirmed yet: \d+ s left, .*\(confirm keeps these/,
  );
  expect(await web()).toBe('connected');
  expect(await did('red', 'status')).toMatch(/^not confirmed yet: \d+ s left, then your rows before judge again/);
  const { section } = (await ask('red', 'status')) as Answer & { section: { waiting: object } };
  expect(section.waiting).toMatchObject({ by: 'owner' });
  expect(await outcome()).toMatchObject({ outcome: 'waits to be confirmed' });
  // Somebody else neither sees that, nor is stopped by it, nor decides it.
  const verbs = ['status', 'history', 'check', 'confirm', 'rollback'] as const;
  const told = JSON.stringify([...(await Promise.all(verbs.map((verb) => ask('green', verb))))]);
  expect(told).not.toMatch(/red|waiting|1080/);
  expect(told.match(/owner\/not-pending/g)).toHaveLength(2);
  expect(codeOf(await ask('green', 'allow', '2099/tcp'))).toBe('ok');
  expect(codeOf(await ask('green', 'delete', 'tcp-2099'))).toBe('ok');
  expect((await host.status()).waiting.map((one) => one.section)).toEqual(['red']);
  expect(codeOf(await ask('red', 'allow', '1081/tcp'))).toBe('owner/pending');
  expect((await as('red', 'allow', '1081/tcp')).status).toBe(5);
  expect(await did('red', 'confirm')).toBe('confirmed: your rows hold\n');
  expect([await web(), (await host.status()).waiting]).toEqual(['connected', []]);
  expect(await outcome()).toMatchObject({ outcome: 'confirmed' });
  expect(await host.must('history')).toContain('confirmed by root, owner of red');
  const kept = text();
  expect(kept).toContain('allow 1080/tcp');
  // Taken back.
  await tries('delete', 'tcp-1080');
  expect(await web()).toBe('timeout');
  expect(await did('red', 'rollback')).toBe('taken back: your rows before judge again\n');
  expect([await web(), text()]).toEqual(['connected', kept]);
  expect(await outcome()).toMatchObject({ outcome: 'taken back' });
  // Nobody says anything in time: the daemon tidies up, and his desk goes by what judges.
  await tries('delete', 'tcp-1080');
  await endTrial(host, 'red');
  expect(await web()).toBe('connected');
  expect(await did('red', 'explain', 'tcp from 203.0.113.5 to 192.0.2.10 port 1080')).toMatch(/^allow by rule 3/);
  const late = await ask('red', 'confirm');
  expect(late.error).toMatchObject({
    ...{ code: 'owner/not-pending', hint: 'it came too late' },
    message: expect.stringMatching(
      /^your change of .* was not confirmed in time: your rows before judge again$/,
    ) as string,
  });
  expect(text()).toBe(kept);
  await tries('deny', '1081/tcp');
  await endTrial(host, 'red');
  await until('the daemon to tidy up', async () => /not confirmed in time/.test(JSON.stringify(await outcome())));
  await until('the file as before', () => text() === kept);
  expect(await did('red', 'delete', 'tcp-1080')).toBe('red: deleted rule 3: allow 1080/tcp\napplied\n');
  expect([await web(), text(), await greenIs()]).toEqual(['timeout', before, green]);
});

test('what the provider tries is his to say, and settings that wait are in nobody’s way', async () => {
  const before = readFileSync(join(host.directory, 'rules.yaml'), 'utf8');
  await host.must('allow', '1080/tcp', '--server', 'red', '--confirm', '10m');
  expect(await did('red', 'status')).toMatch(/^not confirmed yet: .*\(your provider decides\)/);
  for (const [verb, ...words] of [['confirm'], ['rollback'], ['allow', '1081/tcp'], ['delete', 'tcp-1080']])
    expect([verb, codeOf(await ask('red', verb, ...words))]).toEqual([verb, 'owner/pending']);
  const joined = { version: 1, verb: 'allow', words: ['1081/tcp'], confirm: '1h' };
  expect(codeOf(await send('red', JSON.stringify(joined)))).toBe('owner/pending');
  expect((await host.status()).waiting[0].secondsLeft).toBeLessThanOrEqual(600);
  // What an owner began and his provider went on with is the provider's.
  await host.must('rollback', '--server', 'red');
  await send('red', JSON.stringify({ ...joined, confirm: '10m' }));
  await host.must('allow', '1082/tcp', '--server', 'red', '--confirm', '10m');
  expect(codeOf(await ask('red', 'confirm'))).toBe('owner/pending');
  await host.must('rollback', '--server', 'red');
  await host.must('logging', 'medium', '--confirm', '10m');
  // His rows are in both states of it: they wait by themselves, and are his to decide.
  expect(codeOf(await send('red', JSON.stringify(joined)))).toBe('ok');
  await host.must('rollback');
  expect((await host.status()).waiting.map(({ section }) => section)).toEqual(['red']);
  expect(codeOf(await ask('red', 'rollback'))).toBe('ok');
  expect(codeOf(await send('red', JSON.stringify({ version: 1, verb: 'status', confirm: '60s' })))).toBe('cli/usage');
  expect(readFileSync(join(host.directory, 'rules.yaml'), 'utf8')).toBe(before);
});

test('what is the provider’s is refused in one sentence', async () => {
  for (const [words, why] of [
    [['apply'], /"apply" is the provider's: through a socket there are status/],
    [['disable'], /"disable" is the provider's/],
    [['ban', '192.0.2.1'], /"ban" is the provider's/],
    [['logging', 'full'], /"logging" is the provider's/],
    [['allow', '1044/tcp', '--force'], /--force is the provider's/],
    [['allow', '1044/tcp', '--server', 'green'], /--server is the provider's/],
    [['allow', '1044/tcp', '--confirm', '2h'], /--confirm "2h" is more than 1 h/],
    [['confirm', '--server', 'red'], /--server is the provider's/],
    [['rollback', '--confirm', '60s'], /"rollback" alone changes no rows/],
    [['allow', 'log', '1044/tcp'], /what is told of packets is the provider’s to say/],
    [
      ['allow', 'from', 'office', 'to', 'any', 'port', '1044'],
      /parse\/address: "office" is not an address[^]*sets are the provider’s/,
    ],
    [['default', 'deny', 'outgoing'], /no default of its own/],
  ] as const) {
    const { status, stderr } = await as('red', ...words);
    expect([words, status === 0, stderr]).toEqual([words, false, expect.stringMatching(why) as string]);
  }
});

test('hostile rows and quotas change nothing of another server, nor of the daemon', async () => {
  const before = await greenIs();
  const text = readFileSync(join(host.directory, 'rules.yaml'), 'utf8');
  const many = (n: number, of: (i: number) => string): string => Array.from({ length: n }, (_, i) => of(i)).join(',');
  for (const [words, code] of [
    // Others' ports and addresses: nothing is left of the row in his server.
    [['allow', '2080/tcp'], 'owner/ruleset'],
    [['deny', 'from', 'any', 'to', '198.51.100.9'], 'owner/ruleset'],
    [['insert', '1', 'deny', 'out', '80/tcp'], 'owner/ruleset'],
    // Ids that collide.
    [['allow', '1034/tcp', 'id', 'hall'], 'owner/ruleset'],
    [['allow', '1034/tcp', 'id', 'green/x'], 'owner/ruleset'],
    // Much in one row.
    [['allow', 'from', many(21, (i) => `10.0.${i}.1`), 'to', 'any', 'port', '1034'], 'owner/quota'],
    [['allow', 'from', many(7, (i) => `10.0.${i}.1`), 'to', 'any', 'port', '1034,1036,1038'], 'owner/quota'],
    [['allow', 'from', 'any', 'port', many(30, (i) => String(1 + 2 * i))], 'owner/quota'],
    [['ssh', many(22, (i) => String(1001 + 2 * i))], 'owner/quota'],
    // Much that is read only to be refused.
    [['ssh', ...Array.from({ length: 15 }, () => ' '.repeat(4000))], 'cli/usage'],
    [['explain', ...Array.from({ length: 15 }, () => "'".repeat(4000))], 'cli/usage'],
  ] as const)
    expect([words, codeOf(await ask('red', ...(words as readonly [string, ...string[]])))]).toEqual([words, code]);
  const wrong = await ask('red', 'allow', ...Array.from({ length: 15 }, () => '1 '.repeat(2000)));
  expect([codeOf(wrong), (wrong.findings as unknown[]).length]).toEqual(['owner/ruleset', 100]);
  expect(wrong.lines).toEqual([expect.stringMatching(/^of \d+ findings the first 100 are told$/)]);
  // What is written around a row stays one row: no line, no key and no comment of YAML comes of it.
  for (const word of ['1034/tcp\n      - allow any', '1034/tcp\u2028x', '\u0000', '\u001b[2J'])
    expect(codeOf(await ask('red', 'allow', word))).toBe('owner/request');
  for (const words of [
    ['1034/tcp }'],
    ['1034/tcp', ']'],
    ['"1034/tcp', ': &a'],
    ['*a'],
    ['!!js/function', '1'],
    ['1034/tcp #'],
  ])
    expect([words, codeOf(await ask('red', 'allow', ...words))]).toEqual([
      words,
      words[0].endsWith('#') ? 'ok' : expect.stringMatching(/owner\/ruleset|cli\/usage/),
    ]);
  expect(codeOf(await ask('red', 'delete', '3'))).toBe('ok');
  expect(readFileSync(join(host.directory, 'rules.yaml'), 'utf8').replace(/ id tcp-1034.*/, '')).toBe(text);
  // His ninth row is one too many; what he is told is his own use.
  for (let i = 0; i < 6; i++) expect(codeOf(await ask('red', 'allow', `${1040 + i}/tcp`))).toBe('ok');
  const ninth = await ask('red', 'allow', '1050/tcp');
  expect(ninth.error).toEqual({
    ...{ code: 'owner/quota', message: 'with this you had 9 rules, at most 8 are yours' },
    hint: 'nothing was changed; you have 8 now',
  });
  for (let i = 0; i < 6; i++) expect(codeOf(await ask('red', 'delete', '3'))).toBe('ok');
  expect(await greenIs()).toEqual(before);
});

test('what he writes moves no cursor and hides no letter where his provider reads it', async () => {
  // Of the characters that are not seen, those that a note may hold: joined emoji do.
  const odd = 'pay\u200dpal\u00ad\u200b\ufeff\u{e0041}';
  const request = { version: 1, verb: 'allow', words: ['1047/tcp', 'comment', odd], message: odd };
  expect(codeOf(await send('red', `${JSON.stringify(request)}\n`))).toBe('ok');
  for (const words of [
    ...[['status', 'red', 'verbose'], ['status', '--json'], ['snapshot', 'red'], ['servers'], ['check'], ['fmt']],
    ...[
      ['history', 'red'],
      ['history', '--json'],
      ['metrics'],
      ['explain', 'tcp', 'from', '192.0.2.1', 'to', HOST.ipv4, 'port', '1047'],
    ],
  ]) {
    const { stdout, stderr } = await host.sluice(words);
    expect([words, /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}]/u.exec(stdout + stderr)]).toEqual([words, null]);
  }
  expect(daemon.output).not.toMatch(/\p{Cf}/u);
  expect(codeOf(await ask('red', 'delete', 'tcp-1047'))).toBe('ok');
});

test('half, huge, slow and countless requests are let go of, and the other socket answers meanwhile', async () => {
  expect(codeOf(await send('red', 'nonsense\n'))).toBe('owner/request');
  expect(codeOf(await send('red', '{"version":1,"verb":"status","__proto__":{}}\n'))).toBe('owner/request');
  expect(codeOf(await send('red', '{"version":1,"verb":"status","words":[1]}\n'))).toBe('owner/request');
  expect(codeOf(await send('red', '{"version":1,"verb":"apply"}\n'))).toBe('owner/request');
  expect(codeOf(await send('red', Buffer.from([0xff, 0xfe, 10])))).toBe('owner/request');
  expect(codeOf(await send('red', `${'['.repeat(60_000)}\n`))).toBe('owner/request');
  expect((await send('red', 'x'.repeat(1 << 20)))!.error!.message).toMatch(/longer than 65536 bytes/);
  // Half a request whose sender stops is answered at once; no request at all is no error.
  expect(codeOf(await send('red', '{"version":1,'))).toBe('owner/request');
  expect(await send('red', '')).toBeNull();
  // A thousand who say nothing: sixteen are listened to, for a while.
  const idle = Array.from({ length: 1000 }, () => send('red', '{', false));
  const answers = Promise.all(idle);
  expect(codeOf(await ask('green', 'status'))).toBe('ok');
  const codes = (await answers).map((answer) => codeOf(answer) ?? 'gone');
  expect(codes.filter((code) => !['owner/busy', 'owner/request', 'EAGAIN', 'gone'].includes(code))).toEqual([]);
  expect(codes.filter((code) => code === 'owner/request').length).toBeGreaterThanOrEqual(16);
  expect(codes).toContain('owner/busy');
  await until('room again', async () => codeOf(await ask('red', 'status')) === 'ok');
  expect(daemon.running).toBe(true);
});

test('who goes away in the middle of his change: it is made all the same, and whole', async () => {
  const path = join(host.directory, 'rules.yaml');
  const before = readFileSync(path, 'utf8');
  const rows = [1091, 1092, 1093].map((port) => `allow ${port}/tcp`);
  for (const row of rows) {
    const socket = connect({ path: socketOf('red') });
    socket.write(`${JSON.stringify({ version: 1, verb: 'allow', words: row.split(' ').slice(1) })}\n`, () =>
      socket.destroy(),
    );
    await once(socket, 'close');
  }
  await until('all three', async () => {
    const { section } = (await ask('red', 'status')) as Answer & { section: { rows: { text: string }[] } };
    const text = readFileSync(path, 'utf8');
    return rows.every((row) => text.includes(row) && section.rows.some((one) => one.text === row));
  });
  for (const row of rows) expect(codeOf(await ask('red', 'delete', ...row.split(' ')))).toBe('ok');
  expect(readFileSync(path, 'utf8')).toBe(before);
  // A daemon that is to end does not wait for those who wait.
  const waits = sendOnce('red', waitRequest(60, '1066'));
  await until('him to wait', async () => codeOf(await ask('red', 'status')) === 'ok');
  await daemon.stop();
  const answer = await waits;
  expect(answer!.error).toMatchObject({ code: 'owner/busy', message: expect.stringMatching(/daemon ends$/) as string });
  daemon = await startDaemon();
  await until('sockets', () => existsSync(socketOf('red')) && existsSync(socketOf('green')));
});

test('ALLOW ALL of his server: he opens and ends it, nobody else’s opens, and what his provider opened is not his', async () => {
  const before = await greenIs();
  expect(await tcpConnect(host.wire, HOST.ipv4, 1080)).toBe('timeout');
  expect(await did('red', 'allow-all', '--for', '10m', '-m', 'what is wrong')).toMatch(
    /^red is under ALLOW ALL until \S+ \S+ UTC: it ends by itself\n$/,
  );
  expect([await tcpConnect(host.wire, HOST.ipv4, 1080), await tcpConnect(host.wire, HOST.ipv4, 2081)]).toEqual([
    ...['connected', 'timeout'],
  ]);
  expect(await did('red', 'status')).toMatch(/^ALLOW ALL: until/m);
  expect(await host.must('allow-all')).toMatch(/^red: until .*, by root, owner of red \(what is wrong\)$/m);
  expect(await did('red', 'allow-all', 'off')).toMatch(
    /^ALLOW ALL of red is over\n {2}\d+ packets passed[^]* by red\/default /,
  );
  expect([await tcpConnect(host.wire, HOST.ipv4, 1080), await greenIs()]).toEqual(['timeout', before]);
  expect(await did('green', 'allow-all', 'off')).toBe('green is not under ALLOW ALL\n');
  // What it let in he is told later too, where it ended by itself.
  expect(await did('red', 'allow-all', 'off')).toMatch(
    /^red is not under ALLOW ALL; when it last was, until \S+ \S+ UTC at most:\n {2}\d+ packets passed[^]* by red\/default /,
  );
  await host.must('allow-all', 'red', '--for', '10m');
  for (const request of [{ for: '1m' }, { words: ['off'] }])
    expect(codeOf(await send('red', JSON.stringify({ version: 1, verb: 'allow-all', ...request })))).toBe(
      'owner/provider',
    );
  await host.must('allow-all', 'off', 'red');
  for (const request of [{}, { words: ['green'], for: '1m' }, { for: '2h' }, { for: '0s' }, { until: '2030-01-01' }])
    expect([request, codeOf(await send('red', JSON.stringify({ version: 1, verb: 'allow-all', ...request })))]).toEqual(
      [...[request, 'cli/usage']],
    );
  expect((await as('red', 'allow-all', '--everything', '--for', '1m')).stderr).toMatch(
    /--everything is the provider's/,
  );
  expect((await host.status()).allowAll).toEqual([]);
});

test('an edge that is open as a whole: he is told until when, and of his own rows', async () => {
  await host.must('allow-all', '--everything', '--for', '1h', '--yes', '-m', 'a hidden reason');
  // Nobody listens there, and it is let in to find that out.
  expect(await tcpConnect(host.wire, HOST.ipv4, 3085)).toBe('refused');
  expect((await host.status()).allowAll[0].rows.map(({ section }) => section)).toContain('blue');
  const answer = JSON.stringify(await ask('red', 'status'));
  expect(answer).toContain('"allowAll":{"until":');
  expect(answer).not.toMatch(/hidden reason|blue|"uid"/);
  expect(await did('red', 'status')).toMatch(/^ALLOW ALL: until .* left\)$/m);
  await host.must('allow-all', 'off');
});

test('the group comes through, others do not; who connected before it changed hands is nobody', async () => {
  const script = `require('node:net').connect(${JSON.stringify(socketOf('red'))}).on('error', ({ code }) => { console.log(code); process.exit(); }).on('data', (text) => { console.log(String(text)); process.exit(); }).write('{"version":1,"verb":"check"}\\n')`;
  const byGroup = async (group: number): Promise<string> =>
    (await run(['setpriv', '--reuid=4242', `--regid=${group}`, '--clear-groups', process.execPath, '-e', script]))
      .stdout;
  expect(await byGroup(4711)).toContain('"ok":true');
  expect(await byGroup(4712)).toBe('EACCES\n');
  // Nor does he learn who else is a customer: neither of the folder, nor of what the kernel tells of sockets.
  const nobody = ['setpriv', '--reuid=4242', '--regid=4711', '--clear-groups'];
  expect((await run([...nobody, 'ls', owners])).status).toBe(2);
  const sockets = await host.edge.run([...nobody, 'cat', '/proc/net/unix']);
  expect(sockets.stdout).toContain(owners);
  expect(sockets.stdout).not.toMatch(/(red|green)\.sock/);

  const path = join(host.directory, 'rules.yaml');
  const text = readFileSync(path, 'utf8');
  /** What he is told who connected before the socket changed hands, and asks then. */
  const askedLate = async (): Promise<string> => {
    const early = connect({ path: socketOf('red'), allowHalfOpen: true });
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
    await until('the group of before', () => lstatSync(socketOf('red')).gid === 4711);
    told = await askedLate();
  }
  expect(told).toContain('owner/gone');
  // The next owner is told nothing of what was before, and cannot bring it back.
  const known = await host.must('history', 'red', '--json');
  const digests = (JSON.parse(known) as { revisions: Revision[] }).revisions.map(({ after }) => after!.red.digest!);
  await until('the next owner', () => lstatSync(socketOf('red')).gid === 4713);
  expect((await ownHistory('red')).map(({ what }) => what)).toEqual(['changed your server']);
  for (const digest of digests.slice(0, -1))
    expect(codeOf(await ask('red', 'rollback', digest))).toBe('owner/no-revision');
  writeFileSync(path, text);
  await host.must('apply');
  await until('the group of before', () => lstatSync(socketOf('red')).gid === 4711);
});

test('who changes too often is refused, and only he', async () => {
  const path = join(host.directory, 'rules.yaml');
  writeFileSync(path, readFileSync(path, 'utf8').replace('entries: 20, changes: 500', 'entries: 20, changes: 1'));
  await host.must('apply');
  // One that changes nothing is one that was tried; however slow the machine, two come within a minute.
  let refused = await ask('red', 'udp', 'on');
  for (let i = 0; i < 20 && refused.ok; i++) refused = await ask('red', 'udp', 'on');
  expect(refused.error!.code).toBe('owner/rate');
  expect(refused.error!.message).toMatch(/^you tried \d+ changes within a minute, the most there can be$/);
  expect(codeOf(await ask('green', 'allow', '2060/tcp'))).toBe('ok');
  expect(codeOf(await ask('green', 'delete', 'tcp-2060'))).toBe('ok');
  expect(codeOf(await ask('red', 'status'))).toBe('ok');
  writeFileSync(path, readFileSync(path, 'utf8').replace('entries: 20, changes: 1', 'entries: 20, changes: 500'));
  await host.must('apply');
});

test('changes of two owners and of the provider at the same moment all land', async () => {
  const changes = await Promise.all([
    ...[2061, 2062, 2063].map((port) => ask('green', 'allow', `${port}/tcp`)),
    ...[1061, 1062, 1063].map((port) => ask('red', 'allow', `${port}/tcp`)),
  ]);
  expect(changes.map(codeOf)).toEqual(changes.map(() => 'ok'));
  const text = readFileSync(join(host.directory, 'rules.yaml'), 'utf8');
  for (const port of [1061, 1062, 1063, 2061, 2062, 2063]) expect(text).toContain(`allow ${port}/tcp`);
  expect(text).toContain("# red's own comment");
  // The provider, who has written his file by hand and not applied it, is waited for; then the owner learns no line of it.
  host.write('rules.yaml', text.replace('[203.0.113.0/24]', '[203.0.113.0/24, 198.18.99.1]'));
  const busy = await ask('red', 'allow', '1064/tcp');
  expect([busy.error!.code, JSON.stringify(busy).includes('198.18.99.1')]).toEqual(['owner/busy', false]);
  await host.must('apply');
  expect(codeOf(await ask('red', 'allow', '1064/tcp'))).toBe('ok');
});

test('a daemon that is killed in the middle of a change leaves a file that is enforced, and sockets that come again', async () => {
  const path = join(host.directory, 'rules.yaml');
  await daemon.stop('SIGKILL');
  expect(existsSync(socketOf('red'))).toBe(true); // stale
  expect((await as('red', 'status')).stderr).toMatch(/does not answer[^]*daemon does not run/);
  for (const [point, landed] of [
    ['before-state', false],
    ['after-exchange', true],
  ] as const) {
    const enforced = readFileSync(path, 'utf8');
    await daemon.stop('SIGKILL');
    host.environment.SLUICE_FAILPOINT = `${point}:kill`;
    daemon = await startDaemon();
    delete host.environment.SLUICE_FAILPOINT;
    await until('a socket', async () => (await as('green', 'status')).status === 0);
    expect(await send('green', '{"version":1,"verb":"allow","words":["2071/tcp"]}\n')).toBeNull();
    await daemon.end();
    daemon = await startDaemon();
    await until('a socket', async () => (await as('green', 'status')).status === 0);
    const now = readFileSync(path, 'utf8');
    expect([point, now === enforced, now.includes('2071/tcp')]).toEqual([point, !landed, landed]);
    expect(await did('green', 'allow', '2072/tcp')).toMatch(/applied/);
    expect(await did('green', 'delete', 'tcp-2072')).toMatch(/applied/);
    expect((await host.sluice(['allow', '3090/tcp', '--server', 'blue'])).status).toBe(0);
    expect((await host.sluice(['delete', 'tcp-3090', '--server', 'blue'])).status).toBe(0);
  }
});

test('the thread that makes changes ends in the middle of one: one error, a daemon that goes on, nothing half done', async () => {
  const path = join(host.directory, 'rules.yaml');
  for (const [point, landed] of [
    ['before-state', false],
    ['after-exchange', true],
  ] as const) {
    const enforced = readFileSync(path, 'utf8');
    await daemon.stop();
    host.environment.SLUICE_FAILPOINT = `${point}:exit`;
    daemon = await startDaemon();
    delete host.environment.SLUICE_FAILPOINT;
    await until('a socket', async () => (await as('green', 'status')).status === 0);
    const { pid } = daemon;
    expect(codeOf(await ask('green', 'allow', '2073/tcp'))).toBe('owner/failed');
    // Whatever else the daemon had asked of it then is said as well.
    expect(daemon.output).toMatch(/ended before its time/);
    const now = readFileSync(path, 'utf8');
    expect([point, now === enforced, now.includes('2073/tcp')]).toEqual([point, !landed, landed]);
    // It answers on, by another thread, and holds no lock.
    expect(await did('green', 'status')).toContain('2080');
    expect((await host.sluice(['allow', '3091/tcp', '--server', 'blue'])).status).toBe(0);
    expect((await host.sluice(['delete', 'tcp-3091', '--server', 'blue'])).status).toBe(0);
    expect([daemon.running, daemon.pid]).toEqual([true, pid]);
    await daemon.stop();
    daemon = await startDaemon();
    await until('a socket', async () => (await as('green', 'status')).status === 0);
    if (landed) expect(await did('green', 'delete', 'tcp-2073')).toMatch(/applied/);
  }
});

test('sockets come and go with the servers, and with their right to have one', async () => {
  const path = join(host.directory, 'rules.yaml');
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text
      .replace('group: 4711, mode: 0660', 'group: 4713, mode: 0600')
      .replace('owner: { group: 4712, changes: 500 }', 'target: 10.0.0.2'),
  );
  await host.must('apply');
  await until('green’s socket to go', () => !existsSync(socketOf('green')));
  await until('red’s socket to change hands', () => lstatSync(socketOf('red')).gid === 4713);
  expect(lstatSync(socketOf('red')).mode & 0o777).toBe(0o600);
  rmSync(socketOf('red'));
  await until('red’s socket to come again', () => existsSync(socketOf('red')));
  writeFileSync(path, text.replace('group: 4712', 'group: no-such-group-at-all'));
  await host.must('apply');
  await daemon.waitFor(/the owner of green has no socket: there is no group "no-such-group-at-all"/, 60_000);
  writeFileSync(path, text);
  await host.must('apply');
  await daemon.waitFor(/the owner of green has a socket again/, 60_000);
  await host.must('disable', '--yes');
  await until('all to go', () => !existsSync(socketOf('red')) && !existsSync(socketOf('green')));
  await host.must('enable');
  await host.recount('nothing was filtered between disable and enable');
  await until('both to come', () => existsSync(socketOf('red')) && existsSync(socketOf('green')));
});

test('a folder that others may write to, and one that is served, are refused', async () => {
  const open = mkdtempSync(join(tmpdir(), `slc-owners-${process.pid}-`));
  try {
    await daemon.stop();
    expect(existsSync(socketOf('red'))).toBe(false);
    mkdirSync(join(open, 'all'));
    const refusals: [string, RegExp][] = [[join(open, 'all'), /others may write to it/]];
    await run(['chmod', '0777', join(open, 'all')]);
    const other = createServer();
    mkdirSync(join(open, 'taken'));
    await new Promise<void>((done) => other.listen(join(open, 'taken', 'x.sock'), done));
    refusals.push([join(open, 'taken'), /another daemon serves owners/]);
    mkdirSync(join(open, 'real'));
    symlinkSync(join(open, 'real'), join(open, 'link'));
    refusals.push([join(open, 'link'), /it is no folder/]);
    // Who may rename what is above it may put a folder of his own there.
    mkdirSync(join(open, 'all', 'inner'));
    refusals.push([join(open, 'all', 'inner'), /others may write to "\S+all", which is above it/]);
    mkdirSync(join(open, 'theirs', 'inner'), { recursive: true });
    chownSync(join(open, 'theirs'), 4242, 4242);
    refusals.push([join(open, 'theirs', 'inner'), /"\S+theirs", which is above it, belongs to somebody else/]);
    for (const [folder, why] of refusals) {
      const { status, stderr } = await host.sluice(['daemon', '--owners', folder]);
      expect([folder, status, stderr]).toEqual([folder, 1, expect.stringMatching(why)]);
    }
    await new Promise<void>((done) => other.close(() => done()));
    daemon = await startDaemon();
  } finally {
    rmSync(open, { recursive: true, force: true });
  }
});

test('nothing of all this reached a packet of anybody else', async () => {
  expect(await tcpConnect(host.wire, HOST.ipv4, 3080)).toBe('connected');
  expect(NEIGHBOUR.ipv4).toBe('192.0.2.1');
});
