/** The daemon behind the sockets of owners: changes at the same moment and cut short, sockets that come and go. */
import { once } from 'node:events';
import {
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
import { join } from 'node:path';
import { tcpConnect } from '../support/clients';
import { type EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { type Answer, codeOf, OwnersStand, waitRequest } from '../support/owners-stand';
import { run } from '../support/process';

let stand: OwnersStand;
let host: EdgeHost;

beforeAll(async () => {
  stand = await OwnersStand.open('owners-daemon');
  ({ host } = stand);
});

afterAll(() => stand.close());

test('who goes away in the middle of his change: it is made all the same, and whole', async () => {
  const path = join(host.directory, 'rules.yaml');
  const before = readFileSync(path, 'utf8');
  const rows = [1091, 1092, 1093].map((port) => `allow ${port}/tcp`);
  for (const row of rows) {
    const socket = connect({ path: stand.socketOf('red') });
    socket.write(`${JSON.stringify({ version: 1, verb: 'allow', words: row.split(' ').slice(1) })}\n`, () =>
      socket.destroy(),
    );
    await once(socket, 'close');
  }
  await stand.until('all three', async () => {
    const { section } = (await stand.ask('red', 'status')) as Answer & { section: { rows: { text: string }[] } };
    const text = readFileSync(path, 'utf8');
    return rows.every((row) => text.includes(row) && section.rows.some((one) => one.text === row));
  });
  for (const row of rows) expect(codeOf(await stand.ask('red', 'delete', ...row.split(' ')))).toBe('ok');
  expect(readFileSync(path, 'utf8')).toBe(before);
  // A daemon that is to end does not wait for those who wait.
  const waits = stand.sendOnce('red', waitRequest(60, '1066'));
  await stand.until('him to wait', async () => codeOf(await stand.ask('red', 'status')) === 'ok');
  await stand.daemon.stop();
  const answer = await waits;
  expect(answer!.error).toMatchObject({ code: 'owner/busy', message: expect.stringMatching(/daemon ends$/) as string });
  await stand.startDaemon();
  await stand.untilSockets();
});

test('changes of two owners and of the provider at the same moment all land', async () => {
  const changes = await Promise.all([
    ...[2061, 2062, 2063].map((port) => stand.ask('green', 'allow', `${port}/tcp`)),
    ...[1061, 1062, 1063].map((port) => stand.ask('red', 'allow', `${port}/tcp`)),
  ]);
  expect(changes.map(codeOf)).toEqual(changes.map(() => 'ok'));
  const text = readFileSync(join(host.directory, 'rules.yaml'), 'utf8');
  for (const port of [1061, 1062, 1063, 2061, 2062, 2063]) expect(text).toContain(`allow ${port}/tcp`);
  expect(text).toContain("# red's own comment");
  // The provider, who has written his file by hand and not applied it, is waited for; then the owner learns no line of it.
  host.write('rules.yaml', text.replace('[203.0.113.0/24]', '[203.0.113.0/24, 198.18.99.1]'));
  const busy = await stand.ask('red', 'allow', '1064/tcp');
  expect([busy.error!.code, JSON.stringify(busy).includes('198.18.99.1')]).toEqual(['owner/busy', false]);
  await host.must('apply');
  expect(codeOf(await stand.ask('red', 'allow', '1064/tcp'))).toBe('ok');
});

test('a daemon that is killed in the middle of a change leaves a file that is enforced, and sockets that come again', async () => {
  const path = join(host.directory, 'rules.yaml');
  await stand.daemon.stop('SIGKILL');
  expect(existsSync(stand.socketOf('red'))).toBe(true); // stale
  expect((await stand.as('red', 'status')).stderr).toMatch(/does not answer[^]*daemon does not run/);
  for (const [point, landed] of [
    ['before-state', false],
    ['after-exchange', true],
  ] as const) {
    const enforced = readFileSync(path, 'utf8');
    await stand.daemon.stop('SIGKILL');
    host.environment.SLUICE_FAILPOINT = `${point}:kill`;
    await stand.startDaemon();
    delete host.environment.SLUICE_FAILPOINT;
    await stand.until('a socket', async () => (await stand.as('green', 'status')).status === 0);
    expect(await stand.send('green', '{"version":1,"verb":"allow","words":["2071/tcp"]}\n')).toBeNull();
    await stand.daemon.end();
    await stand.startDaemon();
    await stand.until('a socket', async () => (await stand.as('green', 'status')).status === 0);
    const now = readFileSync(path, 'utf8');
    expect([point, now === enforced, now.includes('2071/tcp')]).toEqual([point, !landed, landed]);
    expect(await stand.did('green', 'allow', '2072/tcp')).toMatch(/applied/);
    expect(await stand.did('green', 'delete', 'tcp-2072')).toMatch(/applied/);
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
    await stand.daemon.stop();
    host.environment.SLUICE_FAILPOINT = `${point}:exit`;
    await stand.startDaemon();
    delete host.environment.SLUICE_FAILPOINT;
    await stand.until('a socket', async () => (await stand.as('green', 'status')).status === 0);
    const { pid } = stand.daemon;
    expect(codeOf(await stand.ask('green', 'allow', '2073/tcp'))).toBe('owner/failed');
    // Whatever else the daemon had asked of it then is said as well.
    expect(stand.daemon.output).toMatch(/ended before its time/);
    const now = readFileSync(path, 'utf8');
    expect([point, now === enforced, now.includes('2073/tcp')]).toEqual([point, !landed, landed]);
    // It answers on, by another thread, and holds no lock.
    expect(await stand.did('green', 'status')).toContain('2080');
    expect((await host.sluice(['allow', '3091/tcp', '--server', 'blue'])).status).toBe(0);
    expect((await host.sluice(['delete', 'tcp-3091', '--server', 'blue'])).status).toBe(0);
    expect([stand.daemon.running, stand.daemon.pid]).toEqual([true, pid]);
    await stand.daemon.stop();
    await stand.startDaemon();
    await stand.until('a socket', async () => (await stand.as('green', 'status')).status === 0);
    if (landed) expect(await stand.did('green', 'delete', 'tcp-2073')).toMatch(/applied/);
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
  await stand.until('green’s socket to go', () => !existsSync(stand.socketOf('green')));
  await stand.until('red’s socket to change hands', () => lstatSync(stand.socketOf('red')).gid === 4713);
  expect(lstatSync(stand.socketOf('red')).mode & 0o777).toBe(0o600);
  rmSync(stand.socketOf('red'));
  await stand.until('red’s socket to come again', () => existsSync(stand.socketOf('red')));
  writeFileSync(path, text.replace('group: 4712', 'group: no-such-group-at-all'));
  await host.must('apply');
  await stand.daemon.waitFor(/the owner of green has no socket: there is no group "no-such-group-at-all"/, 60_000);
  writeFileSync(path, text);
  await host.must('apply');
  await stand.daemon.waitFor(/the owner of green has a socket again/, 60_000);
  await host.must('disable', '--yes');
  await stand.until('all to go', () => !existsSync(stand.socketOf('red')) && !existsSync(stand.socketOf('green')));
  await host.must('enable');
  await host.recount('nothing was filtered between disable and enable');
  await stand.until('both to come', () => existsSync(stand.socketOf('red')) && existsSync(stand.socketOf('green')));
});

test('a folder that others may write to, and one that is served, are refused', async () => {
  const open = mkdtempSync(join(tmpdir(), `slc-owners-${process.pid}-`));
  try {
    await stand.daemon.stop();
    expect(existsSync(stand.socketOf('red'))).toBe(false);
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
    await stand.startDaemon();
  } finally {
    rmSync(open, { recursive: true, force: true });
  }
});

test('nothing of all this reached a packet of anybody else', async () => {
  expect(await tcpConnect(host.wire, HOST.ipv4, 3080)).toBe('connected');
  expect(NEIGHBOUR.ipv4).toBe('192.0.2.1');
});
