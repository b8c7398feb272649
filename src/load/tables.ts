/** The tables that live as long as the state: their sizes, their secret and their timeouts, as the programs take them. */
import { createHash } from 'node:crypto';
import { SLC_FLOW_TIMEOUT, SLC_LIMITS } from '../abi/layout.gen';
import type { TableSwitches } from '../kernel/datapath-switches';
import { DOUBTED_SECONDS, FLOW_TIMEOUTS, type FlowTimeout, LAG_SECONDS, STREAM_AGE_SECONDS } from '../model/flow';
import { FRAGMENT_SECONDS } from '../model/fragment';

/**
 * Packets in fragments that are remembered at once, 1.2 MB. One of R first fragments a second lives for about 16,384 / R
 * seconds where that is less than 30: at a million a second for 16 ms, while the fragments of a packet come within one.
 */
export const FRAGMENT_BUCKETS = 16_384 / SLC_LIMITS.TABLE_WAYS;

/** Factors of the hash from the installation's seed: random, and the same for every generation. */
export function tableFactors(seed: Uint8Array): bigint[] {
  return Array.from({ length: SLC_LIMITS.TABLE_KEY_WORDS }, (_, i) =>
    createHash('sha256')
      .update('sluice table factor')
      .update(seed)
      .update(Uint8Array.of(i))
      .digest()
      .readBigUInt64LE(0),
  );
}

const CODE: Readonly<Record<FlowTimeout, number>> = {
  'tcp-opening': SLC_FLOW_TIMEOUT.TCP_OPENING,
  'tcp-established': SLC_FLOW_TIMEOUT.TCP_ESTABLISHED,
  'tcp-closing': SLC_FLOW_TIMEOUT.TCP_CLOSING,
  'tcp-reset': SLC_FLOW_TIMEOUT.TCP_RESET,
  datagram: SLC_FLOW_TIMEOUT.DATAGRAM,
  'datagram-stream': SLC_FLOW_TIMEOUT.DATAGRAM_STREAM,
  echo: SLC_FLOW_TIMEOUT.ECHO,
  other: SLC_FLOW_TIMEOUT.OTHER,
};

/** Timeouts in jiffies, `hz` of which are a second. */
export function flowTimeouts(hz: number): bigint[] {
  const jiffies = new Array<bigint>(SLC_FLOW_TIMEOUT.FLOW_TIMEOUTS).fill(0n);
  for (const [name, seconds] of Object.entries(FLOW_TIMEOUTS) as [FlowTimeout, number][])
    jiffies[CODE[name]] = BigInt(seconds * hz);
  jiffies[SLC_FLOW_TIMEOUT.FLOW_STREAM_AGE] = BigInt(STREAM_AGE_SECONDS * hz);
  jiffies[SLC_FLOW_TIMEOUT.DOUBTED] = BigInt(DOUBTED_SECONDS * hz);
  jiffies[SLC_FLOW_TIMEOUT.FLOW_LAG] = BigInt(LAG_SECONDS * hz);
  return jiffies;
}

/** What the programs of a generation know of the tables. */
export function tableSwitches(given: {
  readonly seed: Uint8Array;
  /** Jiffies a second. */
  readonly hz: number;
  readonly flowBuckets: number;
  readonly fragmentBuckets: number;
  /** Left out: one. */
  readonly windowBuckets?: number;
  readonly generation: number;
}): TableSwitches {
  return {
    factors: tableFactors(given.seed),
    generation: given.generation,
    flows: { buckets: given.flowBuckets, timeouts: flowTimeouts(given.hz) },
    fragments: { buckets: given.fragmentBuckets, timeout: BigInt(FRAGMENT_SECONDS * given.hz) },
    windows: { buckets: given.windowBuckets ?? 1 },
  };
}
