/** What each server has of what all share, by the number that its section bears: its own use, and nothing of the others. */
import { LAYOUT, SLC_LIMITS } from '../abi/layout.gen';
import type { Shares } from '../compile/shares';
import type { BpfMap } from '../kernel/kernel';
import type { TableFigures } from './tables';

const { fields: SHARE, size: SHARE_BYTES } = LAYOUT.slc_share;
const { fields: ROW, size: ROW_BYTES } = LAYOUT.slc_event_sources;
const { fields: OWNER, size: OWNER_BYTES } = LAYOUT.slc_event_owner;

/** Entries of a server in a table. */
export interface RoomInTable {
  /** That live. */
  readonly live: number;
  /** As many have room whatever comes to other servers; more, where it is free. */
  readonly share: number;
  /** Live ones above the share that made room for others, and newcomers that found none. */
  readonly evicted: bigint;
  readonly refused: bigint;
}

/** The room of one server. */
export interface Room {
  readonly flows: RoomInTable;
  readonly limits: RoomInTable;
  /** What is told of its packets: handed over, held back by a cap; `share`: a second and processor. */
  readonly events: { readonly share: number; readonly told: bigint; readonly capped: bigint };
}

/** The maps that rooms are counted in; `struct slc_shares` twice, then `struct slc_event_sources`. */
export interface RoomMaps {
  readonly flowShares: BpfMap;
  readonly windowShares: BpfMap;
  readonly eventSources: BpfMap;
}

/** The room of each of these numbers; figures of the tables say what lives. */
export function readRooms(
  numbers: readonly number[],
  { flowShares, windowShares, eventSources }: RoomMaps,
  { flows, limits, shares }: { readonly flows: TableFigures; readonly limits: TableFigures; readonly shares: Shares },
): Map<number, Room> {
  const inTable = (map: BpfMap, figures: TableFigures, share: number): ((number: number) => RoomInTable) => {
    const bytes = Buffer.from(map.lookup(new Uint8Array(4))!);
    const read = (number: number, { offset }: { offset: number }): bigint =>
      bytes.readBigUInt64LE(number * SHARE_BYTES + offset);
    return (number) => ({
      ...{ live: figures.liveBy.get(number) ?? 0, share },
      ...{ evicted: read(number, SHARE.evicted), refused: read(number, SHARE.refused) },
    });
  };
  const flowsOf = inTable(flowShares, flows, shares.flows);
  const limitsOf = inTable(windowShares, limits, shares.windows);
  const region = eventSources.mmap({ writable: false });
  try {
    const cpus = eventSources.info().maxEntries;
    const rows = Array.from({ length: cpus }, (_, cpu) =>
      Buffer.from(region.read(cpu * ROW_BYTES + ROW.owners.offset, SLC_LIMITS.OWNERS * OWNER_BYTES)),
    );
    const sum = (number: number, { offset }: { offset: number }): bigint =>
      rows.reduce((total, row) => total + row.readBigUInt64LE(number * OWNER_BYTES + offset), 0n);
    return new Map(
      numbers.map((number) => [
        number,
        {
          ...{ flows: flowsOf(number), limits: limitsOf(number) },
          events: { share: shares.events, told: sum(number, OWNER.told), capped: sum(number, OWNER.capped) },
        },
      ]),
    );
  } finally {
    region.close();
  }
}
