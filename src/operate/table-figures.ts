/** What the tables of the datapath hold: in all, and of each server. */
import { sectionId } from '../compile/owners';
import { sharesOf } from '../compile/shares';
import { type ClockReading, readClock } from '../kernel/clock';
import { closeFlows, liveGenerations, openFlows } from '../load/generations';
import { pinnedOwnerNumbers } from '../load/owner-numbers';
import { SharedState } from '../load/state';
import { DEFAULT_MAX_FLOWS } from '../model/flow';
import type { Ruleset, Server } from '../model/ruleset';
import { readLimitFigures, readRejectFigures } from '../observe/limits';
import { readRooms, type Room } from '../observe/rooms';
import type { SnapshotInput } from '../observe/build-snapshot';
import { readTableFigures } from '../observe/tables';
import type { Context } from './context';

/** Figures of all tables; nothing where nothing is active. */
export async function tableFigures(
  context: Context,
  ruleset: Ruleset | null,
): Promise<Pick<SnapshotInput, 'flows' | 'fragments' | 'limits' | 'rejects' | 'rejectsOut' | 'rooms'>> {
  const state = SharedState.find(context.kernel, context.pins);
  if (!state) return {};
  try {
    const clock = await readClock(context.kernel);
    const { fragments, fragmentStats, rejectStats } = state.tables;
    return {
      fragments: await readTableFigures(fragments, fragmentStats, clock.jiffies),
      ...{ rejects: readRejectFigures(rejectStats, 'in'), rejectsOut: readRejectFigures(rejectStats, 'out') },
      ...(await sharedFigures(context, ruleset, state, clock)),
    };
  } finally {
    state.close();
  }
}

/** What each server has of what all share, by its name, at a reading of the clock. */
export async function serverRooms(
  context: Context,
  ruleset: Ruleset,
  clock: ClockReading,
): Promise<ReadonlyMap<string, Room>> {
  const state = SharedState.find(context.kernel, context.pins);
  if (!state) return new Map();
  try {
    return (await sharedFigures(context, ruleset, state, clock)).rooms ?? new Map<string, Room>();
  } finally {
    state.close();
  }
}

/** The tables of which each server has a share. */
async function sharedFigures(
  { kernel, pins }: Context,
  ruleset: Ruleset | null,
  state: SharedState,
  { jiffies, tickNs }: ClockReading,
): Promise<Pick<SnapshotInput, 'flows' | 'limits' | 'rooms'>> {
  const { flowStats, windows, limitStats } = state.tables;
  const judging = Math.max(...liveGenerations(state));
  const limits = await readLimitFigures(windows, limitStats, tickNs);
  if (judging <= 0) return { limits };
  const table = openFlows(kernel, pins, judging);
  try {
    const flows = await readTableFigures(table.flows, flowStats, jiffies);
    const { servers = [], maxFlows = DEFAULT_MAX_FLOWS } = ruleset ?? {};
    if (servers.length === 0) return { limits, flows };
    const numbers = pinnedOwnerNumbers(kernel, pins, judging);
    const maps = { flowShares: table.flowShares, windowShares: state.tables.windowShares, ...state.eventMaps };
    const shares = sharesOf(servers.length, maxFlows);
    const rooms = readRooms([...numbers.values()], maps, { flows, limits, shares });
    const roomOf = ({ name }: Server): [string, Room][] => {
      const room = rooms.get(numbers.get(sectionId(name)) ?? 0);
      return room ? [[name, room]] : [];
    };
    return { limits, flows, rooms: new Map(servers.flatMap(roomOf)) };
  } finally {
    closeFlows(table);
  }
}
