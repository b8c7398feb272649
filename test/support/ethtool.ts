/** XDP counters that the veth driver keeps itself: the second of the three numbers every end-to-end test compares. */
import type { Namespace } from './netns';
import { must } from './process';

export interface DriverCounters {
  /** Frames the program saw. */
  readonly packets: number;
  readonly drops: number;
  readonly tx: number;
  readonly txErrors: number;
  readonly redirects: number;
}

const FIELDS = {
  xdp_packets: 'packets',
  xdp_drops: 'drops',
  xdp_tx: 'tx',
  xdp_tx_errors: 'txErrors',
  xdp_redirect: 'redirects',
} as const;

/** `ethtool -S`, receive queues summed. Frames that passed are `packets - drops - tx - txErrors - redirects`. */
export function driverCounters(namespace: Namespace, link: string): DriverCounters {
  return parseDriverCounters(must(namespace.argv(['ethtool', '-S', link])));
}

/** The same from its text. */
export function parseDriverCounters(text: string): DriverCounters {
  const counters = { packets: 0, drops: 0, tx: 0, txErrors: 0, redirects: 0 };
  for (const [, name, value] of text.matchAll(/rx_queue_\d+_(\w+): (\d+)/g)) {
    if (name in FIELDS) counters[FIELDS[name as keyof typeof FIELDS]] += Number(value);
  }
  return counters;
}

/** What was counted between two readings. */
export function since(before: DriverCounters, after: DriverCounters): DriverCounters {
  return {
    packets: after.packets - before.packets,
    drops: after.drops - before.drops,
    tx: after.tx - before.tx,
    txErrors: after.txErrors - before.txErrors,
    redirects: after.redirects - before.redirects,
  };
}
