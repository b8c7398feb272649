/** What the driver, the link and sluice say of a host at one moment, and what has come in between. */
import type { Snapshot } from '../../src/observe/snapshot';
import { type EdgeHost, HOST, NEIGHBOUR } from './edge-host';
import { driverCounters, since } from './ethtool';

const PATIENCE_MS = 60_000;

export interface HostFigures {
  readonly driver: ReturnType<typeof driverCounters>;
  readonly link: ReturnType<EdgeHost['edge']['linkCounters']>;
  /** The other end of the link. */
  readonly neighbour: ReturnType<EdgeHost['edge']['linkCounters']>;
  readonly ours: Snapshot;
}

/** Figures of one moment: read again while packets come or go meanwhile, as the last of a connection do. */
export async function readFigures(host: EdgeHost): Promise<HostFigures> {
  const read = (): Omit<HostFigures, 'ours'> => ({
    driver: driverCounters(host.edge, HOST.link),
    link: host.edge.linkCounters(HOST.link),
    neighbour: host.wire.linkCounters(NEIGHBOUR.link),
  });
  for (const deadline = Date.now() + PATIENCE_MS; ;) {
    const before = read();
    const ours = await host.status();
    const after = read();
    if (JSON.stringify(before) === JSON.stringify(after) || Date.now() > deadline) return { ...after, ours };
  }
}

/** Packets between two readings: those that came in and those that were dropped, by the driver; those that left. */
export function expectSame(before: HostFigures, after: HostFigures, left: 'seen' | 'allowed'): void {
  const driver = since(before.driver, after.driver);
  const minus = (read: (snapshot: Snapshot) => string): number => Number(read(after.ours)) - Number(read(before.ours));
  expect(minus(({ packets }) => packets.seen)).toBe(driver.packets);
  expect(minus(({ packets }) => packets.denied)).toBe(driver.drops);
  expect(minus(({ outgoing }) => outgoing.packets[left])).toBe(after.link.sent - before.link.sent);
}

/** Every frame that the driver saw since the device was made is one that sluice counted. */
export async function expectAllCounted(host: EdgeHost): Promise<void> {
  const { driver, ours } = await readFigures(host);
  expect(Number(ours.packets.seen)).toBe(driver.packets);
}
