/** Pings by the rates of tier 5: real `ping`, then forged sources; what passes, what each counter says, and the words. */
import { ping, sendFrames } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { since } from '../support/ethtool';
import { readFigures } from '../support/host-figures';
import * as p from '../support/packet';

const RULES = `version: 1
interfaces: [eth0]
icmp: { echo-rate: 100 }
inbound: { default: deny }
`;

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('pings');
  host.write('rules.yaml', RULES);
  await host.must('enable');
});

afterEach(() => host.close());

const REASONS = ['icmp-echo', 'icmp-echo-source', 'icmp-echo-all'] as const;

/** Packets of each reason of tier 5, by `status`. */
async function counted(): Promise<Record<(typeof REASONS)[number], number>> {
  const { reasons } = await host.status();
  const of = (word: string): number => Number(reasons.find(({ reason }) => reason === word)?.packets ?? 0);
  return {
    'icmp-echo': of('icmp-echo'),
    'icmp-echo-source': of('icmp-echo-source'),
    'icmp-echo-all': of('icmp-echo-all'),
  };
}

/** How many seconds of the clock `work` can have touched. */
async function touching(work: () => Promise<void>): Promise<number> {
  const begin = process.hrtime.bigint();
  await work();
  return Number((process.hrtime.bigint() - begin) / 1_000_000_000n) + 2;
}

test('one pinger gets ten answers a second, a slow one all; driver and counters agree', async () => {
  const { wire } = host;
  expect(await host.must('explain', 'icmp', 'from', NEIGHBOUR.ipv4, 'to', HOST.ipv4)).toMatch(
    /allow in tier 5[^]*of these 10 a second pass of a source, 100 in all; more drop\nthe model and the datapath program agree/,
  );
  const before = await readFigures(host);
  let sent = 0;
  let answered = 0;
  for (const to of [HOST.ipv4, HOST.ipv6]) {
    expect(await ping(wire, to, 5)).toBe(5);
    let received = 0;
    const seconds = await touching(async () => {
      received = await ping(wire, to, 90);
    });
    expect(received).toBeLessThanOrEqual(10 * seconds);
    expect(received).toBeLessThan(90);
    sent += 95;
    answered += 5 + received;
  }
  const { 'icmp-echo': passed, 'icmp-echo-source': dropped, 'icmp-echo-all': all } = await counted();
  expect({ passed, all, sum: passed + dropped }).toEqual({ passed: answered, all: 0, sum: sent });
  const after = await readFigures(host);
  const driver = since(before.driver, after.driver);
  expect(Number(after.ours.packets.denied) - Number(before.ours.packets.denied)).toBe(driver.drops);
  expect(await host.must('status')).toContain(
    `pings: ${dropped} dropped over the rate of their source, 0 over that of all`,
  );
  expect(await host.must('metrics')).toContain(
    `sluice_reason_packets_total{reason="icmp-echo-source",verdict="deny"} ${dropped}`,
  );
});

test('forged sources share the rate of all, and a new ruleset sets another', async () => {
  const frames = Array.from({ length: 1500 }, (_, i) =>
    p.compose(
      p.ethernet({ from: NEIGHBOUR.mac, to: HOST.mac }),
      ...(i % 2
        ? [p.ipv4({ from: `198.51.${i >> 8}.${i & 255}`, to: HOST.ipv4 }), p.icmp()]
        : [p.ipv6({ from: `2001:db8:${i.toString(16)}::1`, to: HOST.ipv6 }), p.icmpv6()]),
    ),
  );
  const flood = async (rate: number): Promise<void> => {
    const before = await counted();
    const seconds = await touching(async () => {
      await sendFrames(host.wire, NEIGHBOUR.link, frames);
    });
    const after = await counted();
    const [passed, bySource, inAll] = REASONS.map((reason) => after[reason] - before[reason]);
    expect(passed + bySource + inAll).toBe(frames.length);
    expect(passed).toBeGreaterThanOrEqual(rate);
    expect(passed).toBeLessThanOrEqual(rate * seconds);
  };
  await flood(100);
  host.write('rules.yaml', RULES.replace('100', '40, echo-rate-per-source: 1'));
  expect(await host.must('plan')).toMatch(
    /icmp\.echo-rate: 40 \(was 100\)\n.*icmp\.echo-rate-per-source: 1 \(was 10\)/,
  );
  await host.must('apply');
  await flood(40);
});
