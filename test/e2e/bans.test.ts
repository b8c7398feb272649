/**
 * Bans as an operator meets them: a connection that runs is cut and goes on when the ban ends, by the clock of the
 * datapath alone; bans outlive `apply`, `disable` and the loss of all pins. Three numbers agree.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { httpGet, ping, serve, slowDownload, tcpConnect } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { since } from '../support/ethtool';
import { readFigures } from '../support/host-figures';
import { must } from '../support/process';
import { inboundRules } from '../support/ruleset-text';

const RULES = inboundRules('allow 8000/tcp', 'allow 22/tcp');

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('bans');
  host.write('rules.yaml', RULES);
});

afterEach(() => host.close());

const url = (address: string): string => `http://${address.includes(':') ? `[${address}]` : address}:8000/`;

test('a ban cuts what runs, flows too, and ends by itself; driver, counters and frames agree', async () => {
  await serve(host.edge, ['http:8000', 'tcp:22']);
  await serve(host.wire, ['http:8080']);
  await host.must('enable');
  const { edge, wire } = host;
  const before = await readFigures(host);
  const inward = await slowDownload(wire, HOST.ipv4, 8000, 4);
  const outward = await slowDownload(edge, NEIGHBOUR.ipv6, 8080, 4);
  const banFor = (time: string): Promise<string> => host.must('ban', NEIGHBOUR.ipv4, NEIGHBOUR.ipv6, '--for', time);
  expect(await banFor('1h')).toBe(`banned ${NEIGHBOUR.ipv4} for 60 min\nbanned 2001:db8:1::/64 for 60 min\n`);
  expect(await ping(wire, HOST.ipv4, 1)).toBe(0);
  expect(await tcpConnect(wire, HOST.ipv6, 22)).toBe('timeout');
  for (const { packets } of await host.bans()) expect(Number(packets)).toBeGreaterThan(0);
  expect(await banFor('3s')).toContain(`banned ${NEIGHBOUR.ipv4} for 3 s (it was for another `);
  // Both transfers stood still and go on: TCP sends again what the ban swallowed.
  expect([await inward.end(), await outward.end()]).toEqual([0, 0]);
  expect(await httpGet(wire, url(HOST.ipv4))).toBe('hello from port 8000\n');
  expect(await host.bans()).toEqual([]);
  await host.must('ban', NEIGHBOUR.ipv4, '192.0.2.0/25', '--for', '1h');
  expect(await host.must('explain', 'tcp', 'from', NEIGHBOUR.ipv4, 'to', HOST.ipv4, 'port', '8000')).toMatch(
    /deny in tier 3\.2 by bans: its source is banned\nthe ban of 192\.0\.2\.0\/25 ends in (?:60|59) min\nthe ban of 192\.0\.2\.\d+ ends in (?:60|59) min\nthe model and the datapath/,
  );
  expect((await host.status()).bans).toEqual({ hosts: 1, prefixes: 1 });
  expect(await host.must('status')).toContain('bans: 1 hosts, 1 other prefixes (sluice bans)');
  expect(await host.must('metrics')).toContain('sluice_bans{kind="host"} 1\n');
  const after = await readFigures(host);
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
  const stopped = BigInt((await host.bans()).find(({ source }) => source === NEIGHBOUR.ipv4)!.packets);
  expect(stopped).toBeGreaterThan(0n);
  await host.must('disable', '-y');
  expect(await httpGet(host.wire, url(HOST.ipv4))).toBe('hello from port 8000\n');
  const kept = await host.bans();
  expect(kept.map(({ source }) => source)).toEqual([NEIGHBOUR.ipv4, '198.51.100.0/24'].sort());
  await host.must('enable');
  expect(await httpGet(host.wire, url(HOST.ipv4), 1)).toBeNull();
  // As a reboot: the pins are gone, the files stay.
  must(['rm', '-r', host.pins.directory]);
  await host.must('enable');
  await host.recount('the pins were removed, as a reboot does, and the counters with them');
  expect(await httpGet(host.wire, url(HOST.ipv4), 1)).toBeNull();
  expect(BigInt((await host.bans()).find(({ source }) => source === NEIGHBOUR.ipv4)!.packets)).toBeGreaterThan(stopped);
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
  expect(await host.bans()).toEqual([]);
});
