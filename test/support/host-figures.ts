/** What the driver, the link and sluice say of a host at one moment, and what has come in between. */
import type { Snapshot } from '../../src/observe/snapshot';
import { type EdgeHost, HOST } from './edge-host';
import { driverCounters, since } from './ethtool';

export interface HostFigures {
  readonly driver: ReturnType<typeof driverCounters>;
  readonly link: ReturnType<EdgeHost['edge']['linkCounters']>;
  readonly ours: Snapshot;
}

export async function readFigures(host: EdgeHost): Promise<HostFigures> {
  return {
    driver: driverCounters(host.edge, HOST.link),
    link: host.edge.linkCounters(HOST.link),
    ours: await host.status(),
  };
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
  expect(Number((await host.status()).packets.seen)).toBe(driverCounters(host.edge, HOST.link).packets);
}
