/** Flows go from one table into another of another size. */
import { openDatapath } from './datapath-object';
import type { FlowMaps, Tables } from './datapath-maps';
import { setNumber, setTables, type TableSwitches } from './datapath-switches';
import type { Kernel } from './kernel';

/** Buckets that one run of `slc_move_flows` takes. */
const MOVED_AT_ONCE = 4096;
/** `struct slc_move`, then what is left of the shortest frame. */
const MOVE_FRAME = 64;

/**
 * Brings the flows that live from one table into another. One that the other knows already stays there as it is where a
 * packet of it has gone out under the programs of `generation`, and becomes as the first has it where none has. `share`:
 * flows that each server has room for there, null where there are none. Returns how many live flows had no room.
 */
export async function moveFlows(
  kernel: Kernel,
  from: FlowMaps,
  to: FlowMaps & Pick<Tables, 'flowStats'>,
  tables: TableSwitches,
  share: number | null,
): Promise<number> {
  const object = openDatapath(kernel, 'slc_move_flows', {
    reuse: {
      ...{ slc_flows_before: from.flows, slc_flows: to.flows, slc_flow_tags: to.flowTags },
      ...{ slc_flow_shares: to.flowShares, slc_flow_stats: to.flowStats },
    },
  });
  try {
    setTables(object, tables);
    setNumber(object, 'slc_servers', Number(share !== null));
    await object.load();
    const program = object.program('slc_move_flows');
    try {
      let lost = 0;
      const buckets = from.flows.info().maxEntries;
      for (let first = 0; first < buckets; first += MOVED_AT_ONCE) {
        const frame = Buffer.alloc(MOVE_FRAME);
        frame.writeUInt32LE(first, 0);
        frame.writeUInt32LE(Math.min(MOVED_AT_ONCE, buckets - first), 4);
        frame.writeUInt32LE(share ?? 0, 12);
        lost += (await program.testRun({ frame })).returnValue;
      }
      return lost;
    } finally {
      program.close();
    }
  } finally {
    object.close();
  }
}
