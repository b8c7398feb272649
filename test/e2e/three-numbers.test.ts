/** The comparison that ends every end-to-end test: it must notice what it is there to notice. */
import { join } from 'node:path';
import { LAYOUT, SLC_HITS_PACKETS_SHIFT, SLC_HITS_ROWS, SLC_LIMITS } from '../../src/abi/layout.gen';
import { readCounters } from '../../src/kernel/counters';
import { kernel } from '../../src/kernel/native';
import { sendFrames } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { driverCounters, since } from '../support/ethtool';
import { compose, ethernet, ipv4, udp } from '../support/packet';

const FRAMES = Array.from({ length: 20 }, (_, i) =>
  compose(ethernet({ to: HOST.mac }), ipv4({ to: HOST.ipv4 }), udp({ to: 9000 + i })),
);

let host: EdgeHost;

/** A host that filters and has seen frames, half of them allowed. */
async function open(mode = 'native'): Promise<void> {
  host = await EdgeHost.open('numbers');
  host.write(
    'rules.yaml',
    `version: 1\ninterfaces: [eth0]\nmode: ${mode}\ninbound: { default: deny, rules: [allow 9000:9009/udp] }\n`,
  );
  await host.must('enable');
  await sendFrames(host.wire, NEIGHBOUR.link, FRAMES);
}

/** Frames that a test has made up never come: the same is found at once. */
const MADE_UP_MS = 1000;

/** What closing the host complains of, null for nothing. */
async function complaint(): Promise<string | null> {
  return host.close().then(
    () => null,
    (error: unknown) => String(error),
  );
}

test.each(['native', 'generic'])('what is right is right in %s mode, also after disable and enable', async (mode) => {
  await open(mode);
  await host.must('disable', '--yes');
  await sendFrames(host.wire, NEIGHBOUR.link, FRAMES.slice(0, 3));
  await host.must('enable');
  await sendFrames(host.wire, NEIGHBOUR.link, FRAMES);
  expect((await host.status()).packets).toMatchObject({ seen: '40', denied: '20' });
  expect(await complaint()).toBeNull();
});

/** Changes counters behind our back: by how many packets, of the rule and of the default. */
async function tamper(byRule: number, byDefault: number): Promise<void> {
  const { generation } = await host.status();
  const map = kernel().openPinnedMap(join(host.pins.generation(generation!), 'counters'));
  const ranks = [...readCounters(map).keys()].filter((slot) => slot >= SLC_LIMITS.RANK_FIRST).sort((x, y) => x - y);
  expect(ranks).toHaveLength(2);
  const region = map.mmap({ writable: true });
  const { valueSize, maxEntries } = map.info();
  for (const [i, change] of [byRule, byDefault].entries()) {
    const at = ranks[i] * LAYOUT.slc_hits.size + LAYOUT.slc_hits.fields.recent.offset;
    const rows = Array.from({ length: maxEntries - SLC_HITS_ROWS }, (_, cpu) => (SLC_HITS_ROWS + cpu) * valueSize + at);
    const hit = rows.find((offset) => region.load64(offset) > 0n)!;
    region.store64(hit, region.load64(hit) + (BigInt(change) << BigInt(SLC_HITS_PACKETS_SHIFT)));
  }
  region.close();
  map.close();
}

test.each([
  ['a packet too many', 1, 0, 'the driver saw 20 frames, sluice counted 21'],
  ['a denied one too few', 0, -1, 'the driver saw 20 frames, sluice counted 19'],
  ['an allowed one called denied', -1, 1, 'the driver dropped or answered 10 frames, sluice counted 11 as denied'],
])('%s', async (_, byRule, byDefault, said) => {
  await open();
  await tamper(byRule, byDefault);
  host.numbers.patienceMs = MADE_UP_MS;
  expect(await complaint()).toContain(said);
});

test('an answer that the peer cannot take is a denied packet all the same', async () => {
  host = await EdgeHost.open('numbers');
  host.write('rules.yaml', 'version: 1\ninterfaces: [eth0]\ninbound: { default: reject }\n');
  await host.must('enable');
  host.wire.ip(`link set ${NEIGHBOUR.link} xdp off`);
  const before = driverCounters(host.edge, HOST.link);
  await sendFrames(host.wire, NEIGHBOUR.link, FRAMES.slice(0, 5));
  expect((await host.status()).packets.denied).toBe('5');
  const { tx, txErrors } = since(before, driverCounters(host.edge, HOST.link));
  expect({ tx, txErrors }).toEqual({ tx: 0, txErrors: 5 });
  expect(await complaint()).toBeNull();
});

test('counting anew forgets what was before, not what comes after', async () => {
  await open();
  await tamper(5, 5);
  await host.recount('the counters were changed by hand');
  await sendFrames(host.wire, NEIGHBOUR.link, FRAMES);
  await tamper(0, 2);
  host.numbers.patienceMs = MADE_UP_MS;
  expect(await complaint()).toContain(
    'the driver saw 20 frames, sluice counted 22 (counted anew: the counters were changed by hand)',
  );
});

test('generic mode: no driver counts, but what was sent is known', async () => {
  await open('generic');
  await tamper(1, 0);
  host.numbers.patienceMs = MADE_UP_MS;
  expect(await complaint()).toContain('the generic hook saw 20 frames, sluice counted 21');
});

test('frames that are lost between the peer and the program', async () => {
  await open();
  // veth drops what is longer than the other end takes, without a word to the sender.
  host.edge.ip(`link set ${HOST.link} mtu 1280`);
  await host.wire.run(['bash', '-c', `head -c 1400 /dev/zero > /dev/udp/${HOST.ipv4}/9000`]);
  expect(await complaint()).toContain("at the end: 21 frames were sent, the driver's program saw 20");
});
