/**
 * The border between the compiler and everything that carries or walks its result. Same ruleset, same bytes,
 * on any machine: nothing here knows a kernel, a clock or an interface.
 */
import type { EchoRates } from '../model/echo';
import type { LogLevel } from '../model/logging';
import type { Action, OutTier, Tier } from '../model/verdict';
import type { FragmentMode, IcmpMode, Rule } from '../model/ruleset';

/** Where rows stand: tiers of packets that come in, steps of those that go out. */
export type RowTier =
  Extract<Tier, '3.1' | '3.3' | '6' | '7' | '8' | '9'> | Extract<OutTier, 'out 3' | 'out 6' | 'out 7'>;

/** What a rank stands for. Ranks ascend, section table entry by entry, in the order in which rows are tried. */
export interface RankEntry {
  readonly rank: number;
  /** Whose row it is: `inbound`, `outbound`, `guard`, or a server's name. */
  readonly section: string;
  readonly tier: RowTier;
  readonly action: Action;
  /** Counter id, unique in the section: the rule's id, `ssh` or `default`. */
  readonly id: string;
  /** The written rule; absent for implicit rows. */
  readonly rule?: Rule;
}

/** Switches of the program that the verifier may prune by; written to its read-only data before loading. */
export interface ImageFeatures {
  readonly icmp: IcmpMode;
  readonly echo: EchoRates;
  readonly fragments: FragmentMode;
  /** Flows that their table is made for. */
  readonly maxFlows: number;
  readonly logging: LogLevel;
  /** At most 16. */
  readonly ethertypes: readonly number[];
  /** Whether any tree of the family holds a rule; where none does its packets go straight to the default. */
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /**
   * By `enum slc_entry`, entries before that of owners: whether it can decide anything; but for inbound, which always
   * does, no other is asked.
   */
  readonly sections: readonly boolean[];
  /** Whether there are servers: then that entry is asked whose rows judge. */
  readonly servers: boolean;
  /** Whether sections wait to be confirmed, each by itself. */
  readonly trials: boolean;
  /** Whether there are limit rules, and whether anything is rejected. */
  readonly limits: boolean;
  readonly rejects: boolean;
  /** Whether anything that goes out is. */
  readonly rejectsOut: boolean;
}

/** Machine-independent cost and size figures of an image. */
export interface ImageStats {
  readonly rules: number;
  /** Leaf rules after lists were expanded (one row can need several). */
  readonly expandedRules: number;
  readonly bytes: number;
  /** Slots of address-trie nodes and of port-map nodes. */
  readonly lpmEntries: number;
  readonly portEntries: number;
  readonly leaves: number;
  readonly leafRules: number;
  readonly longestLeaf: number;
  /** Upper bounds for one packet over all paths and sections: nodes read, leaves read, leaf rules compared. */
  readonly worstCase: { readonly nodes: number; readonly leaves: number; readonly rules: number };
  /** Where the compiler kept memory bounded by a longer leaf, in words. */
  readonly fallbacks: readonly string[];
}

/** A compiled ruleset. */
export interface Image {
  /** The bytes of the image map, layout of `bpf/sluice_abi.h`; length is a multiple of 4096. */
  readonly bytes: Uint8Array;
  /** SHA-256 over the bytes, the features and the rank table, hex. */
  readonly digest: string;
  /** Ascending by rank; those of what judges again where a section is not confirmed stand last. */
  readonly ranks: readonly RankEntry[];
  /** The first rank of these; left out where nothing waits. */
  readonly returningFrom?: number;
  /** Section names in the order of the section table; `guard` has several entries, that of owners is `inbound`'s. */
  readonly sections: readonly string[];
  /** Number of counter slots: highest rank + 1, rounded up to whole pages of 4096 bytes. */
  readonly counterSlots: number;
  readonly features: ImageFeatures;
  readonly stats: ImageStats;
}
