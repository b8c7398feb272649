/** Switches of the datapath programs: constants that are set before they are loaded. */
import { LOG_LEVEL_CODE } from '../abi/codec';
import { RODATA, SLC_ENTRY, SLC_LIMITS } from '../abi/layout.gen';
import type { EchoRates } from '../model/echo';
import type { LogLevel } from '../model/logging';
import type { FragmentMode, IcmpMode } from '../model/ruleset';
import type { BpfObject } from './kernel';

/** Switches of the two programs of a generation; the verifier prunes by them. */
export interface DatapathSwitches {
  /** Size of the image map in 8-byte slots. */
  readonly imageSlots: number;
  readonly counterSlots: number;
  readonly icmpEssentials: boolean;
  /** Echo-requests that tier 5 lets pass in a second. */
  readonly echo: EchoRates;
  /** Off: no fragment comes in. */
  readonly trackFragments: boolean;
  /** At most 16. */
  readonly ethertypes: readonly number[];
  /** Writes nothing but `slc_result`. */
  readonly dryRun: boolean;
  /** By `SLC_ENTRY`: whether the entry of the section table can decide anything. */
  readonly sections: readonly boolean[];
  /** Packets belong to servers. */
  readonly servers: boolean;
  /** Sections wait to be confirmed, each by itself. */
  readonly trials: boolean;
  readonly rejects: boolean;
  /** The same of what goes out. */
  readonly rejectsOut: boolean;
  readonly limits: boolean;
  /** The time is what `slc_clock` says. */
  readonly clockGiven?: boolean;
  /** Left out: empty tables, as for a ruleset that is only looked at. */
  readonly tables?: TableSwitches;
  readonly logging: LogLevel;
  /** Left out: the caps of a kernel of 250 ticks a second, and a hash that is no secret. */
  readonly events?: EventSwitches;
}

/** What the programs know of the tables that live as long as the state. */
export interface TableSwitches {
  /** `SLC_LIMITS.TABLE_KEY_WORDS` random factors, the same as long as the tables live. */
  readonly factors: readonly bigint[];
  /** Generation whose program this is. */
  readonly generation: number;
  readonly flows: {
    /** A power of two, 8 flows each. */
    readonly buckets: number;
    /** Jiffies by `SLC_FLOW_TIMEOUT`. */
    readonly timeouts: readonly bigint[];
  };
  readonly fragments: {
    /** A power of two, 8 packets each. */
    readonly buckets: number;
    /** Jiffies for which later fragments follow their first. */
    readonly timeout: bigint;
  };
  readonly windows: {
    /** A power of two, 8 windows of limit rules each. */
    readonly buckets: number;
  };
}

/** What the programs know of events. */
export interface EventSwitches {
  /** A window of the caps is `1 << window` ticks. */
  readonly window: number;
  /** Random factor of the hash of sources. */
  readonly factor: bigint;
}

/** Switches for a compiled image; `shared`: what the programs of a state know. */
export function datapathSwitches(
  image: {
    readonly bytes: { readonly length: number };
    readonly counterSlots: number;
    readonly features: {
      readonly icmp: IcmpMode;
      readonly echo: EchoRates;
      readonly fragments: FragmentMode;
      readonly logging: LogLevel;
      readonly ethertypes: readonly number[];
      readonly sections: readonly boolean[];
      readonly servers: boolean;
      readonly trials: boolean;
      readonly limits: boolean;
      readonly rejects: boolean;
      readonly rejectsOut: boolean;
    };
  },
  dryRun: boolean,
  tables?: TableSwitches,
  events?: EventSwitches,
): DatapathSwitches {
  return {
    imageSlots: image.bytes.length / 8,
    counterSlots: image.counterSlots,
    icmpEssentials: image.features.icmp === 'essentials',
    echo: image.features.echo,
    trackFragments: image.features.fragments === 'track',
    ethertypes: image.features.ethertypes,
    sections: image.features.sections,
    servers: image.features.servers,
    trials: image.features.trials,
    logging: image.features.logging,
    dryRun,
    rejects: image.features.rejects,
    rejectsOut: image.features.rejectsOut,
    limits: image.features.limits,
    ...(tables && { tables }),
    ...(events && { events }),
  };
}

/** Sets all switches of a program of a generation. */
export function setSwitches(object: BpfObject, switches: DatapathSwitches): void {
  const set = (name: NumberSwitch, value: number): void => {
    setNumber(object, name, value);
  };
  set('slc_dry_run', Number(switches.dryRun));
  set('slc_image_slots', switches.imageSlots);
  set('slc_counter_slots', switches.counterSlots);
  set('slc_icmp_essentials', Number(switches.icmpEssentials));
  set('slc_echo_rate', switches.echo.inAll);
  set('slc_echo_rate_source', switches.echo.perSource);
  set('slc_servers', Number(switches.servers));
  set('slc_trials', Number(switches.trials));
  set('slc_keep_reachable', Number(switches.sections[SLC_ENTRY.KEEP_REACHABLE]));
  set('slc_guard_in', Number(switches.sections[SLC_ENTRY.GUARD_IN]));
  set('slc_guard_out', Number(switches.sections[SLC_ENTRY.GUARD_OUT]));
  set('slc_outbound_refuses', Number(switches.sections[SLC_ENTRY.OUTBOUND]));
  set('slc_track_fragments', Number(switches.trackFragments));
  set('slc_rejects', Number(switches.rejects));
  set('slc_rejects_out', Number(switches.rejectsOut));
  set('slc_limits', Number(switches.limits));
  set('slc_clock_given', Number(switches.clockGiven ?? false));
  if (switches.ethertypes.length > SLC_LIMITS.MAX_ETHERTYPES) throw new RangeError('at most 16 ethertypes');
  set('slc_ethertype_count', switches.ethertypes.length);
  object.setRodata(RODATA.slc_ethertypes.offset, new Uint8Array(Uint16Array.from(switches.ethertypes).buffer));
  set('slc_log_level', LOG_LEVEL_CODE[switches.logging]);
  if (switches.events) {
    set('slc_event_window', switches.events.window);
    object.setRodata(RODATA.slc_event_factor.offset, new Uint8Array(BigUint64Array.of(switches.events.factor).buffer));
  }
  if (switches.tables) setTables(object, switches.tables);
}

/** Sets those of the tables. */
export function setTables(object: BpfObject, { factors, generation, flows, fragments, windows }: TableSwitches): void {
  const set = (name: NumberSwitch, value: number): void => {
    setNumber(object, name, value);
  };
  const setWords = (name: keyof typeof RODATA, words: readonly bigint[]): void => {
    object.setRodata(RODATA[name].offset, new Uint8Array(BigUint64Array.from(words).buffer));
  };
  set('slc_generation', generation);
  setWords('slc_table_factors', factors);
  set('slc_flow_mask', flows.buckets - 1);
  setWords('slc_flow_timeouts', flows.timeouts);
  set('slc_fragment_mask', fragments.buckets - 1);
  setWords('slc_fragment_timeout', [fragments.timeout]);
  set('slc_window_mask', windows.buckets - 1);
}

/** Sets one switch. */
export function setNumber(object: BpfObject, name: NumberSwitch, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  object.setRodata(RODATA[name].offset, bytes);
}

/** Switches of one 32-bit number. */
type NumberSwitch = {
  [Name in keyof typeof RODATA]: (typeof RODATA)[Name]['size'] extends 4 ? Name : never;
}[keyof typeof RODATA];
