/**
 * Path MTU discovery through the filter: a hop behind the neighbour takes only 1,300 bytes and says so by ICMP. What
 * this host began and what others began towards it both go on; a forged "fragmentation needed" changes nothing.
 */
import { sendFrames, serve } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { since } from '../support/ethtool';
import { readFigures } from '../support/host-figures';
import { iperf, serveIperf } from '../support/iperf';
import type { Namespace } from '../support/netns';
import * as p from '../support/packet';
import { must } from '../support/process';
import { inboundRules } from '../support/ruleset-text';
import { FAR, joinFar, learnedMtu, SMALL_MTU } from '../support/small-hop';

const RULES = inboundRules('allow 8000/tcp');
const BYTES = 3_000_000;
/** iperf3 ends when everything is sent, not when everything has come; a path that loses what is large brings nothing. */
const MUCH = 300_000;
const FAMILIES = [
  ['IPv4', 'ipv4'],
  ['IPv6', 'ipv6'],
] as const;

let host: EdgeHost;
let far: Namespace | undefined;

beforeEach(async () => {
  host = await EdgeHost.open('mtu');
  far = joinFar(host, 'mtu-far');
  host.write('rules.yaml', RULES);
});

afterEach(async () => {
  far?.destroy();
  await host.close();
});

/** How many packets left for a reason, so far. */
async function reason(word: string): Promise<number> {
  return Number((await host.status()).reasons.find(({ reason: name }) => name === word)?.packets ?? 0);
}

test.each(FAMILIES)('%s: a transfer in each direction, begun on each side', async (_name, family) => {
  await serveIperf(far!, 5201);
  await serveIperf(host.edge, 8000);
  await host.must('enable');
  const before = await readFigures(host);

  // Begun inside, this host sends: the hop's error quotes a flow.
  expect(learnedMtu(host.edge, FAR[family])).toBeNull();
  expect((await iperf(host.edge, FAR[family], 5201, { bytes: BYTES })).received).toBeGreaterThan(MUCH);
  expect(learnedMtu(host.edge, FAR[family])).toBe(SMALL_MTU);
  const byFlow = await reason('icmp-error');
  expect(byFlow).toBeGreaterThan(0);
  expect((await iperf(host.edge, FAR[family], 5201, { bytes: BYTES, reverse: true })).received).toBeGreaterThan(MUCH);

  // Begun outside, this host sends: the error quotes what a row lets in.
  must(host.edge.argv(['ip', family === 'ipv4' ? '-4' : '-6', 'route', 'flush', 'cache']));
  expect(learnedMtu(host.edge, FAR[family])).toBeNull();
  expect((await iperf(far!, HOST[family], 8000, { bytes: BYTES, reverse: true })).received).toBeGreaterThan(MUCH);
  expect(learnedMtu(host.edge, FAR[family])).toBe(SMALL_MTU);
  expect(await reason('icmp-error')).toBeGreaterThan(byFlow);
  expect((await iperf(far!, HOST[family], 8000, { bytes: BYTES })).received).toBeGreaterThan(MUCH);

  const after = await readFigures(host);
  const driver = since(before.driver, after.driver);
  expect(driver.packets).toBe(after.neighbour.sent - before.neighbour.sent);
  expect(Number(after.ours.packets.seen) - Number(before.ours.packets.seen)).toBe(driver.packets);
  expect(Number(after.ours.packets.denied) - Number(before.ours.packets.denied)).toBe(driver.drops);
  expect(driver.drops).toBe(0);
});

test.each(FAMILIES)('%s: a forged error reaches a bare host and no filtered one', async (_name, family) => {
  await serve(host.edge, ['udp:9000']);
  /** Quotes a datagram this host never sent, from its port 9000, which the rules do not open. */
  const forged = (to: string): Uint8Array => {
    const mtu = 1280;
    return family === 'ipv4'
      ? p.compose(
          p.ipv4({ from: NEIGHBOUR.ipv4, to: HOST.ipv4 }),
          p.icmp({
            type: 3,
            code: 4,
            rest: mtu,
            quote: [p.ipv4({ from: HOST.ipv4, to }), p.udp({ from: 9000, to: 5555 })],
          }),
        )
      : p.compose(
          p.ipv6({ from: NEIGHBOUR.ipv6, to: HOST.ipv6 }),
          p.icmpv6({ type: 2, rest: mtu, quote: [p.ipv6({ from: HOST.ipv6, to }), p.udp({ from: 9000, to: 5555 })] }),
        );
  };
  const [bare, filtered] = family === 'ipv4' ? ['198.51.100.7', '198.51.100.8'] : ['2001:db8:2::7', '2001:db8:2::8'];
  await sendFrames(host.wire, NEIGHBOUR.link, [forged(bare)]);
  expect(learnedMtu(host.edge, bare)).toBe(1280);

  await host.must('enable');
  await sendFrames(host.wire, NEIGHBOUR.link, [forged(filtered)]);
  expect(await reason('icmp-unrelated')).toBe(1);
  expect(learnedMtu(host.edge, filtered)).toBeNull();
});
