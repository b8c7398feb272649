/** Counters of rows: each CPU has its own, and hands over what it has counted to one that all share before it is full. */
import { closesAfterEach } from '../support/close-after';
import { IngressStand, IngressTables } from '../support/ingress-stand';
import * as p from '../support/packet';
import { kernel } from '../../src/kernel/native';

const opened = closesAfterEach();
const FRAME = p.compose(p.ipv4(), p.udp({ from: 1000, to: 53 }));
const BYTES = BigInt(FRAME.length);
/** Where a CPU hands over: half of 12 bits of packets, half of 22 bits of bytes. */
const FULL = { packets: 1n << 11n, bytes: 1n << 21n };

async function load(): Promise<IngressStand> {
  const tables = await IngressTables.create(1);
  const text = 'version: 1\ninbound: { default: deny, rules: [{ id: dns, action: allow, port: 53/udp }] }\n';
  const stand = await IngressStand.load(text, tables);
  opened.push(stand, tables);
  return stand;
}

describe.each([
  ['packets', { packets: FULL.packets - 3n, bytes: 7n }],
  ['bytes', { packets: 5n, bytes: FULL.bytes - 3n * BYTES }],
])('a CPU that has as many %s as it can hold', (_, before) => {
  const cpus = BigInt(kernel().possibleCpus());

  test('hands them over, and nothing is lost or counted twice', async () => {
    const stand = await load();
    stand.setHits('inbound/dns', before.packets, before.bytes);
    for (let sent = 1n; sent <= 6n; sent++) {
      expect(await stand.in(FRAME)).toMatchObject({ action: 'pass', at: 'dns' });
      const { packets, bytes } = stand.hitsOf('inbound/dns');
      expect({ packets, bytes }).toEqual({
        packets: cpus * before.packets + sent,
        bytes: cpus * before.bytes + sent * BYTES,
      });
    }
  });

  test('hands them over in one piece, whoever reads meanwhile', async () => {
    const stand = await load();
    stand.setHits('inbound/dns', before.packets, before.bytes);
    const first = stand.hitsOf('inbound/dns');
    expect(first.kept).toBe(0n);
    const frames = Array<Uint8Array>(20_000).fill(FRAME);
    let last = first;
    await stand.inAtOnce(2, frames, async (isRunning) => {
      while (isRunning()) {
        const now = stand.hitsOf('inbound/dns');
        expect(now.packets).toBeGreaterThanOrEqual(last.packets);
        expect(now.bytes).toBeGreaterThanOrEqual(last.bytes);
        last = now;
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const { packets, bytes, kept } = stand.hitsOf('inbound/dns');
    expect({ packets: packets - first.packets, bytes: bytes - first.bytes }).toEqual({
      packets: 40_000n,
      bytes: 40_000n * BYTES,
    });
    expect(kept).toBeGreaterThan(before.packets);
  });
});
