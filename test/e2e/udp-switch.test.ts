/** `sluice udp off|on`, with a resolver's questions and a UDP service: what the switch closes, and what it does not. */
import { serve, tcpConnect, udpEcho, SILENT_SECONDS } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { since } from '../support/ethtool';
import { readFigures } from '../support/host-figures';

const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  rules: [allow 9000, allow 22/tcp]   # a service of both kinds
`;

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('udp');
  host.write('rules.yaml', RULES);
  await serve(host.wire, ['udp:53']);
  await serve(host.edge, ['udp:9000', 'tcp:9000']);
});

afterEach(() => host.close());

test('off closes UDP from outside only, on lists what it opens; driver and counters agree', async () => {
  await host.must('enable');
  const { edge, wire } = host;
  const before = await readFigures(host);
  expect(await udpEcho(wire, HOST.ipv4, 9000)).toBe(true);
  expect(await host.must('udp', 'off')).toMatch(
    /^udp is now off: UDP that begins outside drops before the rows\napplied/,
  );
  for (const [ours, theirs] of [
    [HOST.ipv4, NEIGHBOUR.ipv4],
    [HOST.ipv6, NEIGHBOUR.ipv6],
  ]) {
    expect(await udpEcho(wire, ours, 9000, SILENT_SECONDS)).toBe(false);
    expect(await tcpConnect(wire, ours, 9000)).toBe('connected');
    expect(await udpEcho(edge, theirs, 53)).toBe(true);
  }
  const status = await host.must('status');
  expect(status).toMatch(/tier 6 +udp +DENY IN +anywhere +udp-off +[1-9]\d* /);
  expect(status).toMatch(/\[ 1\] +9000\/tcp \(udp off\) +ALLOW IN/);
  expect(await host.must('explain', 'udp', 'from', NEIGHBOUR.ipv4, 'to', HOST.ipv4, 'port', '9000')).toMatch(
    /deny in tier 6 by switches: the UDP switch of the section is off\nthe model and the datapath program agree/,
  );
  // Rows and reasons of what comes in add up to all of it: the switch is one of them, not both.
  const metrics = await host.must('metrics');
  const sum = (pattern: RegExp): number =>
    [...metrics.matchAll(pattern)].reduce((all, [, count]) => all + Number(count), 0);
  const parts = /^sluice_(?:rule_packets_total\{section="(?!outbound)|reason_packets_total\{).*\} (\d+)$/gm;
  expect(sum(parts)).toBe(sum(/^sluice_packets_total\{.*\} (\d+)$/gm));
  expect(metrics).toMatch(/^sluice_reason_packets_total\{reason="udp-off",verdict="deny"\} [1-9]/m);
  const refused = await host.sluice(['allow', '53/udp']);
  expect([refused.status, refused.stderr]).toEqual([
    3,
    expect.stringMatching(/lint\/udp-off[^]*hint: udp: on, or: sluice udp on/),
  ]);
  expect(await host.must('udp', 'on')).toMatch(/^udp is now on; it opens 9000\/udp by allow 9000\napplied/);
  expect(await host.must('udp', 'on')).toBe('udp is on already\n');
  expect(await udpEcho(wire, HOST.ipv4, 9000)).toBe(true);
  const after = await readFigures(host);
  const driver = since(before.driver, after.driver);
  expect(Number(after.ours.packets.seen) - Number(before.ours.packets.seen)).toBe(driver.packets);
  expect(Number(after.ours.packets.denied) - Number(before.ours.packets.denied)).toBe(driver.drops);
  expect((await host.sluice(['udp', 'maybe'])).stderr).toContain('"maybe" is neither on nor off');
});
