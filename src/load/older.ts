/**
 * What an older version of sluice has pinned: what of it this one can read, and which of its maps it can go on with. The
 * head of `struct slc_state` is the same in every version; everything else only where its fingerprint is.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { KEPT_LAYOUTS, LAYOUT, SLC_ABI_VERSION, SLC_LIMITS, SLC_SLOT_OPEN } from '../abi/layout.gen';
import type { BpfMap, Kernel } from '../kernel/kernel';
import { type PinLayout, STATE_PINS } from '../kernel/pins';
import { awaitsConfirmation, unpackGateWord } from './gate-word';
import { newStateEntries, type StatePin } from './state';

/** The head of an older state. */
export interface OlderState {
  readonly version: number;
  /** Names the installation, as `SharedState.instance`. */
  readonly seed: Uint8Array;
  readonly hz: number;
  readonly nextGeneration: number;
  /** The generation of the gate's slot: it judges, or waits to be confirmed; null where none does, and everything passes. */
  readonly judging: number | null;
  /** What waits to be confirmed as a whole, or did and was not tidied up after; null where nothing does. */
  readonly pending: OlderPending | null;
  /** Words of sections that wait by themselves, or did, as they stand; from the word of index 0. */
  readonly words: readonly bigint[];
}

/** What judges past the deadline. */
export interface OlderPending {
  /** Null: everything passes then. */
  readonly previous: number | null;
  readonly deadlineNs: bigint;
  /** Interfaces that nothing filtered before; null where that cannot be read. */
  readonly fresh: readonly number[] | null;
}

const { fields: FIELDS } = LAYOUT.slc_state;

/** The state of an older version whose layouts this one knows; null where there is none. */
export function findOlder(kernel: Kernel, pins: PinLayout): OlderState | null {
  const path = pins.state(STATE_PINS.state);
  if (!pins.exists() || !existsSync(path)) return null;
  pins.assertOurs();
  const map = kernel.openPinnedMap(path);
  try {
    const region = map.mmap({ writable: false });
    try {
      const head = Buffer.from(region.read(0, FIELDS.seed.offset + FIELDS.seed.size));
      const version = head.readUInt32LE(FIELDS.abi_version.offset);
      if (version >= SLC_ABI_VERSION || !Object.hasOwn(KEPT_LAYOUTS, version)) return null;
      const gate = unpackGateWord(head.readBigUInt64LE(FIELDS.gate.offset));
      const generationOf = (slot: number): number | null =>
        slot === SLC_SLOT_OPEN || slot >= SLC_LIMITS.PROGRAM_SLOTS
          ? null
          : head.readUInt32LE(FIELDS.slot_generation.offset + 4 * slot) || null;
      const isSame = KEPT_LAYOUTS[version].slc_state === KEPT_LAYOUTS[SLC_ABI_VERSION].slc_state;
      const pending = awaitsConfirmation(gate) && {
        previous: generationOf(gate.previous),
        deadlineNs: gate.deadlineNs,
        fresh: isSame ? freshIn(Buffer.from(region.read(FIELDS.fresh.offset, FIELDS.fresh.size))) : null,
      };
      return {
        version,
        seed: head.subarray(FIELDS.seed.offset),
        hz: head.readUInt32LE(FIELDS.hz.offset),
        nextGeneration: Number(head.readBigUInt64LE(FIELDS.next_generation.offset)),
        judging: generationOf(gate.slot),
        pending: pending || null,
        words: confirmWords(kernel, pins),
      };
    } finally {
      region.close();
    }
  } finally {
    map.close();
  }
}

function freshIn(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i)).filter(Boolean);
}

/** Deadlines of sections: the map is words of 64 bits in every version. */
function confirmWords(kernel: Kernel, pins: PinLayout): bigint[] {
  const path = pins.state(STATE_PINS.confirm);
  if (!existsSync(path)) return [];
  const map = kernel.openPinnedMap(path);
  try {
    const { maxEntries } = map.info();
    const region = map.mmap({ writable: false });
    try {
      return Array.from({ length: Math.min(maxEntries, SLC_LIMITS.CONFIRM_WORDS) }, (_, i) => region.load64(8 * i));
    } finally {
      region.close();
    }
  } finally {
    map.close();
  }
}

/** Maps that are taken over together, what of them must be laid out as here, and what is lost where it is not. */
interface Part {
  readonly maps: readonly StatePin[];
  readonly structs: readonly string[];
  readonly lost: string;
}

const PARTS = {
  flows: {
    maps: ['flowStats'],
    structs: ['slc_flow_bucket', 'slc_shares', 'slc_table_figures'],
    lost: 'flows: of connections opened from inside those are known again that this machine has open or tracks',
  },
  fragments: {
    maps: ['fragments', 'fragmentTags', 'fragmentStats'],
    structs: ['slc_fragment_bucket', 'slc_table_figures'],
    lost: 'packets in fragments that were under way',
  },
  windows: {
    maps: ['windows', 'attempts', 'windowShares', 'limitStats'],
    structs: ['slc_window_bucket', 'slc_attempts', 'slc_shares', 'slc_table_figures'],
    lost: 'what limit rules had counted of each source',
  },
  budgets: {
    maps: ['echoBudget', 'rejectBudget', 'rejectStats', 'told'],
    structs: ['slc_reject_figures'],
    lost: 'how many pings and rejects were answered',
  },
  bans: {
    maps: ['banHosts', 'banNets', 'banFilter'],
    structs: ['slc_ban', 'slc_ban_host', 'slc_ban_net', 'slc_ban_filter'],
    lost: 'hits of bans since they were saved; the bans hold',
  },
  open: { maps: ['open', 'openIndex'], structs: ['slc_open'], lost: 'ALLOW ALL: it has ended' },
  events: {
    maps: ['events', 'eventStats', 'eventSources'],
    structs: ['slc_event', 'slc_event_figures', 'slc_event_sources'],
    lost: 'events that nobody had read',
  },
  gates: { maps: ['gateCounters'], structs: ['slc_counter'], lost: 'what the gates themselves had counted' },
  counters: { maps: [], structs: ['slc_hits'], lost: 'hits of rules since the last apply' },
  owners: {
    maps: [],
    structs: ['slc_image_header', 'slc_section', 'SLC_SECTIONS_SLOT', 'SLC_ENTRY_SERVERS'],
    lost: 'which server a flow, or a source at a limit, was of: those that there are count for none',
  },
} as const satisfies Record<string, Part>;

/** A part of the state. */
export type StatePart = keyof typeof PARTS;

/** Layout of the version that pinned a state into this folder; null where it cannot be told. */
export function pinnedVersion(kernel: Kernel, folder: string): number | null {
  const path = join(folder, STATE_PINS.state);
  if (!existsSync(path)) return null;
  const map = kernel.openPinnedMap(path);
  try {
    const region = map.mmap({ writable: false });
    try {
      return Buffer.from(region.read(FIELDS.abi_version.offset, FIELDS.abi_version.size)).readUInt32LE();
    } finally {
      region.close();
    }
  } finally {
    map.close();
  }
}

/** Those that this version lays out in another way than an older one did; of one that it does not know all. */
export function changedParts(version: number): ReadonlySet<StatePart> {
  const [before = {}, now] = [version, SLC_ABI_VERSION].map((number) => KEPT_LAYOUTS[number]);
  const names = Object.keys(PARTS) as StatePart[];
  return new Set(names.filter((name) => PARTS[name].structs.some((struct) => before[struct] !== now[struct])));
}

/** What is lost with a part, in words. */
export function lostWords(part: StatePart): string {
  return PARTS[part].lost;
}

/**
 * Opens the maps of an older state that the new one goes on with; the caller closes them. Parts that it cannot are added
 * to `changed`: what is not pinned, or has another size where sizes are fixed.
 */
export function openKept(kernel: Kernel, pins: PinLayout, changed: Set<StatePart>): Partial<Record<StatePin, BpfMap>> {
  const kept: Partial<Record<StatePin, BpfMap>> = {};
  const entries = newStateEntries(kernel);
  for (const [part, { maps }] of Object.entries(PARTS) as [StatePart, Part][]) {
    if (changed.has(part)) continue;
    const opened: [StatePin, BpfMap][] = [];
    for (const name of maps) {
      const path = pins.state(STATE_PINS[name]);
      if (existsSync(path)) opened.push([name, kernel.openPinnedMap(path)]);
    }
    const fits =
      opened.length === maps.length &&
      opened.every(([name, map]) => SIZED.has(name) || map.info().maxEntries === entries[STATE_PINS[name]]);
    if (fits) Object.assign(kept, Object.fromEntries(opened));
    else {
      for (const [, map] of opened) map.close();
      changed.add(part);
    }
  }
  return kept;
}

/** Tables whose programs are told how large they are. */
const SIZED: ReadonlySet<StatePin> = new Set(['fragments', 'fragmentTags', 'windows', 'attempts']);
