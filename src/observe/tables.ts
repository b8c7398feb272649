/** Tables of flows and fragments as figures. Reads every bucket: a few milliseconds where one is made for 65,536 flows. */
import { LAYOUT, SLC_LIMITS } from '../abi/layout.gen';
import type { BpfMap } from '../kernel/kernel';

/** How full a table is, and what became of its entries since it was made. */
export interface TableFigures {
  /** Entries that live. */
  readonly live: number;
  /** Ways of the table: full with half of them already, since a bucket holds eight. */
  readonly ways: number;
  /** Share of the buckets, 0 to 1, in which every way lives: how likely a new entry makes one that lives give way. */
  readonly pressure: number;
  /** Kernel memory it takes. */
  readonly bytes: number;
  readonly made: bigint;
  /** Live ones that made room for others: where this grows the table is too small. */
  readonly evicted: bigint;
  /** Those that live by the number of whose they are; 0: the edge itself, and all of a table that nobody has a share of. */
  readonly liveBy: ReadonlyMap<number, number>;
}

/** Tables differ in what their ways hold behind `expires`. */
const { slc_flow_bucket: BUCKET, slc_flow: WAY, slc_table_figures: FIGURES } = LAYOUT;

/** Counts the entries that live at `nowJiffies`. */
export async function readTableFigures(table: BpfMap, stats: BpfMap, nowJiffies: bigint): Promise<TableFigures> {
  const { count, values } = await table.entries();
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  let live = 0;
  let full = 0;
  const liveBy = new Map<number, number>();
  for (let bucket = 0; bucket < values.length; bucket += BUCKET.size) {
    const before = live;
    for (let way = 0; way < SLC_LIMITS.TABLE_WAYS; way++) {
      const entry = bucket + BUCKET.fields.ways.offset + way * WAY.size;
      if (view.getBigUint64(entry + WAY.fields.expires.offset, true) <= nowJiffies) continue;
      live++;
      const owner = view.getUint16(entry + WAY.fields.owner.offset, true);
      liveBy.set(owner, (liveBy.get(owner) ?? 0) + 1);
    }
    if (live - before === SLC_LIMITS.TABLE_WAYS) full++;
  }
  const figures = Buffer.from(stats.lookup(new Uint8Array(4)) ?? []);
  const sum = (field: 'made' | 'evicted'): bigint => {
    let total = 0n;
    for (let cpu = 0; cpu < figures.length; cpu += FIGURES.size)
      total += figures.readBigUInt64LE(cpu + FIGURES.fields[field].offset);
    return total;
  };
  return {
    live,
    ways: count * SLC_LIMITS.TABLE_WAYS,
    pressure: full / count,
    // with the tags, a byte a way
    bytes: values.length + count * SLC_LIMITS.TABLE_WAYS,
    made: sum('made'),
    evicted: sum('evicted'),
    liveBy,
  };
}
