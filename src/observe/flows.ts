/** The flow table of the kernel as figures. Reads every bucket: a few milliseconds where it is made for 65,536 flows. */
import { LAYOUT, SLC_LIMITS } from '../abi/layout.gen';
import type { BpfMap } from '../kernel/kernel';

/** How full the flow table is, and what became of flows since it was made. */
export interface FlowFigures {
  /** Flows that live. */
  readonly live: number;
  /** Ways of the table: full with half of them already, since a bucket holds eight. */
  readonly ways: number;
  readonly opened: bigint;
  /** Live ones that made room for others: where this grows the table is too small. */
  readonly evicted: bigint;
}

const { slc_flow_bucket: BUCKET, slc_flow: FLOW, slc_flow_figures: FIGURES } = LAYOUT;

/** Counts the flows that live at `nowJiffies`. */
export async function readFlowFigures(flows: BpfMap, stats: BpfMap, nowJiffies: bigint): Promise<FlowFigures> {
  const { count, values } = await flows.entries();
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  let live = 0;
  for (let bucket = 0; bucket < values.length; bucket += BUCKET.size) {
    for (let way = 0; way < SLC_LIMITS.FLOW_WAYS; way++) {
      if (view.getUint16(bucket + BUCKET.fields.tags.offset + 2 * way, true) === 0) continue;
      const flow = bucket + BUCKET.fields.ways.offset + way * FLOW.size;
      if (view.getBigUint64(flow + FLOW.fields.expires.offset, true) > nowJiffies) live++;
    }
  }
  const figures = Buffer.from(stats.lookup(new Uint8Array(4)) ?? []);
  const sum = (field: 'opened' | 'evicted'): bigint => {
    let total = 0n;
    for (let cpu = 0; cpu < figures.length; cpu += FIGURES.size)
      total += figures.readBigUInt64LE(cpu + FIGURES.fields[field].offset);
    return total;
  };
  return { live, ways: count * SLC_LIMITS.FLOW_WAYS, opened: sum('opened'), evicted: sum('evicted') };
}
