/**
 * Bans as an operator meets them: a connection that runs is cut and goes on when the ban ends, by the clock of the
 * datapath alone; bans outlive `apply`, `disable` and the loss of all pins. Three numbers agree.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { httpGet, ping, serve, slowDownload, tcpConnect } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { driverCounters, since } from '../support/ethtool';
import { must } from '../support/process';

jest.setTimeout(240_000);

const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  rules: [allow 8000/tcp, allow 22/tcp]
`;

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('bans');
  host.write('rules.yaml', RULES);
});

afterEach(() => {
  host.destroy();
});

const url = (address: string): string => `http://${address.includes(':') ? `[${address}]` : address}:8000/`;
const bans = async (): Promise<{ source: string; until: string | null; packets: string }[]> =>
  (
    JSON.parse(await host.must('bans', '--json')) as {
      bans: { source: string; until: string | null; packets: string }[];
    }
  ).bans;

test('a ban cuts what runs, flows too, and ends by itself; driver, counters and frames agree', async () => {
  await serve(host.edge, ['http:8000', 'tcp:22']);
  await serve(host.wire, ['http:8080']);
  await host.must('enable');
  const { edge, wire } = host;
  const before = { driver: driverCounters(edge, HOST.link), ours: await host.status() };
  const inward = slowDownload(wire, HOST.ipv4, 8000, 4);
  const outward = slowDownload(edge, NEIGHBOUR.ipv6, 8080, 4);
  await sleep(1000);
  expect(await host.must('ban', NEIGHBOUR.ipv4, NEIGHBOUR.ipv6, '--for', '3s')).toBe(
    `banned ${NEIGHBOUR.ipv4} for 3 s\nbanned 2001:db8:1::/64 for 3 s\n`,
  );
  expect(await ping(wire, HOST.ipv4, 1)).toBe(0);
  expect(await tcpConnect(wire, HOST.ipv6, 22)).toBe('timeout');
  for (const { packets } of await bans()) expect(Number(packets)).toBeGreaterThan(0);
  // Both transfers stood still and go on: TCP sends again what the ban swallowed.
  expect([await inward.end(), await outward.end()]).toEqual([0, 0]);
  expect(await httpGet(wire, url(HOST.ipv4))).toBe('hello from port 8000\n');
  expect(await bans()).toEqual([]);
  await host.must('ban', NEIGHBOUR.ipv4, '192.0.2.0/25', '--for', '1h');
  expect(await host.must('explain', 'tcp', 'from', NEIGHBOUR.ipv4, 'to', HOST.ipv4, 'port', '8000')).toMatch(
    /deny in tier 3\.2 by bans: its source is banned\nthe ban of 192\.0\.2\.\d+ ends in 60 min\nthe ban of 192\.0\.2\.0\/25 ends in 60 min\nthe model and the datapath/,
  );
  expect((await host.status()).bans).toEqual({ hosts: 1, prefixes: 1 });
  expect(await host.must('status')).toContain('bans: 1 hosts, 1 other prefixes (sluice bans)');
  expect(await host.must('metrics')).toContain('sluice_bans{kind="host"} 1\n');
  const after = { driver: driverCounters(edge, HOST.link), ours: await host.status() };
  const driver = since(before.driver, after.driver);
  const minus = (read: (snapshot: typeof after.ours) => string): number =>
    Number(read(after.ours)) - Number(read(before.ours));
  expect(minus(({ packets }) => packets.seen)).toBe(driver.packets);
  expect(minus(({ packets }) => packets.denied)).toBe(driver.drops);
  expect(Number(after.ours.reasons.find(({ reason }) => reason === 'banned')?.packets)).toBe(driver.drops);
});

test('bans hold through apply, disable and the loss of every pin; nothing enforced, they wait', async () => {
  await serve(host.edge, ['http:8000']);
  expect(await host.must('ban', '198.51.100.0/24', NEIGHBOUR.ipv4)).toContain('without end');
  await host.must('ban', '203.0.113.9', '--for', '1s');
  await host.must('enable');
  expect(await httpGet(host.wire, url(HOST.ipv4), 1)).toBeNull();
  host.write('rules.yaml', RULES.replace('22', '23'));
  await host.must('apply');
  expect(await httpGet(host.wire, url(HOST.ipv4), 1)).toBeNull();
  const stopped = BigInt((await bans()).find(({ source }) => source === NEIGHBOUR.ipv4)!.packets);
  expect(stopped).toBeGreaterThan(0n);
  await host.must('disable', '-y');
  expect(await httpGet(host.wire, url(HOST.ipv4))).toBe('hello from port 8000\n');
  const kept = await bans();
  expect(kept.map(({ source }) => source)).toEqual([NEIGHBOUR.ipv4, '198.51.100.0/24'].sort());
  await host.must('enable');
  expect(await httpGet(host.wire, url(HOST.ipv4), 1)).toBeNull();
  // As a reboot: the pins are gone, the files stay.
  must(['rm', '-r', host.pins.directory]);
  await host.must('enable');
  expect(await httpGet(host.wire, url(HOST.ipv4), 1)).toBeNull();
  expect(BigInt((await bans()).find(({ source }) => source === NEIGHBOUR.ipv4)!.packets)).toBeGreaterThan(stopped);
  expect(await host.must('unban', NEIGHBOUR.ipv4)).toBe(`unbanned ${NEIGHBOUR.ipv4}\n`);
  expect(await httpGet(host.wire, url(HOST.ipv4))).toBe('hello from port 8000\n');
  expect(await host.must('unban', '--all')).toBe('ended 1 bans\n');
});

test('a damaged file of bans is set aside with a warning, and enable goes on', async () => {
  await host.must('ban', '198.51.100.7');
  const file = join(host.context().folder.path, 'bans.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace('198.51.100.7', '198.51.100.8'));
  const { status, stderr } = await host.sluice(['bans']);
  expect([status, stderr]).toEqual([0, expect.stringMatching(/bans\.json" is damaged \(the checksum is wrong\)/)]);
  await host.must('enable');
  expect(await bans()).toEqual([]);
});

test('your own session is refused, --force obeys; a list leaves it out', async () => {
  await host.must('enable');
  const session = { SSH_CONNECTION: `${NEIGHBOUR.ipv4} 50000 ${HOST.ipv4} 22` };
  for (const source of [NEIGHBOUR.ipv4, '192.0.2.0/24', '0.0.0.0/0']) {
    const { status, stderr } = await host.sluice(['ban', '198.51.100.7', source], session);
    expect([status, stderr]).toEqual([5, expect.stringMatching(/is not banned: your own session comes from there/)]);
  }
  expect(await bans()).toEqual([]);
  const list = host.write('list', `# a feed\n198.51.100.7\n${NEIGHBOUR.ipv4} ; me\n2001:db8:77::1\n10.0.0.0/8\n`);
  const imported = await host.sluice(['ban', '--import', list, '--for', '1h'], session);
  expect(imported).toMatchObject({ status: 0, stdout: 'banned 3 sources for 60 min; 3 bans in all\n' });
  expect(imported.stderr).toContain(`warning: ${NEIGHBOUR.ipv4} is not banned: your own session comes from there`);
  expect((await bans()).map(({ source }) => source)).toEqual(['10.0.0.0/8', '198.51.100.7', '2001:db8:77::/64']);
  const forced = await host.sluice(['ban', NEIGHBOUR.ipv4, '--force'], session);
  expect(forced).toMatchObject({ status: 0, stdout: `banned ${NEIGHBOUR.ipv4} without end\n` });
});

test('bad input changes nothing and says what to write', async () => {
  await host.must('enable');
  const list = host.write('list', '192.0.2.77\n192.0.2.300\n010.0.0.1\n');
  for (const [words, status, message] of [
    [['ban'], 2, /nobody to ban/],
    [['ban', 'example.org'], 2, /"example\.org"/],
    [['ban', '192.0.2.77', '010.0.0.1'], 2, /leading zero/],
    [['ban', '192.0.2.77', '--for', 'soon'], 2, /"soon" is not a length of time\n {2}write a number/],
    [['ban', '192.0.2.77', '--until', '2020-01-01'], 2, /"2020-01-01" has passed/],
    [['ban', '192.0.2.77', '--for', '1h', '--until', '2090-01-01'], 2, /both say/],
    [['ban', '--import', list], 3, /list:2:1[^]*list:3:1[^]*2 errors\. nobody was banned/],
    [['ban', '--import', host.directory], 2, /not a regular file/],
    [['unban'], 2, /whom to unban/],
    [['unban', '--all', '192.0.2.1'], 2, /whom to unban/],
  ] as const) {
    const result = await host.sluice(words);
    expect([words, result.status, result.stderr]).toEqual([words, status, expect.stringMatching(message)]);
  }
  expect(await bans()).toEqual([]);
  for (const length of [1, 2, 3, 4, 5, 6, 7, 8, 9]) await host.must('ban', `10.0.0.0/${length}`);
  const { status, stderr } = await host.sluice(['ban', '10.0.0.0/10']);
  expect([status, stderr]).toEqual([1, expect.stringMatching(/bans lie 10 deep inside one another: 0\.0\.0\.0\/1, /)]);
  expect(await bans()).toHaveLength(9);
  expect(await host.sluice(['unban', '10.0.0.1', '10.0.0.0/9'])).toMatchObject({
    stdout: 'unbanned 10.0.0.0/9\n10.0.0.1 is not banned\n',
    stderr: expect.stringMatching(/note: the ban of 0\.0\.0\.0\/1 stays, without end/) as string,
  });
});

test('100,000 bans are taken, enforced and kept; one more is refused', async () => {
  await serve(host.edge, ['http:8000']);
  await host.must('enable');
  const lines = Array.from(
    { length: 99_999 },
    (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}${i % 4 ? '' : '/31'}`,
  );
  mkdirSync(join(host.directory, 'lists'));
  const list = host.write('lists/all', `${lines.join('\n')}\n${NEIGHBOUR.ipv4}\n`);
  expect(await host.must('ban', '--import', list, '--for', '1d')).toBe(
    'banned 100000 sources for 24 h; 100000 bans in all\n',
  );
  expect((await host.status()).bans).toEqual({ hosts: 75_000, prefixes: 25_000 });
  const { status, stderr } = await host.sluice(['ban', '198.51.100.7']);
  expect([status, stderr]).toEqual([1, expect.stringMatching(/1 more bans than the 100000 .* 100000 is the most/)]);
  expect(await httpGet(host.wire, url(HOST.ipv4), 1)).toBeNull();
  await host.must('disable', '-y');
  await host.must('enable');
  expect(await httpGet(host.wire, url(HOST.ipv4), 1)).toBeNull();
  expect((await host.status()).bans).toEqual({ hosts: 75_000, prefixes: 25_000 });
  // A ban that is there already can be written again when all places are taken.
  await host.must('ban', '10.0.0.0/31', '10.0.0.1', '--for', '2d');
  expect(await host.must('unban', '--all')).toBe('ended 100000 bans\n');
  expect(await httpGet(host.wire, url(HOST.ipv4))).toBe('hello from port 8000\n');
  rmSync(list);
});
