import type { EchoRates } from './echo';
import type { LogLevel, RowLog } from './logging';
import type { Action } from './verdict';
import type { Limit } from './limit';
import type { Match, AddressMatch } from './match';
import type { OwnerAccess } from './owner-access';
import type { PortRange } from './port-range';
import type { Prefix } from './prefix';

/** Where a piece of the ruleset stands in its file; lines and columns count from 1, offsets in UTF-16 units. */
export interface SourceRange {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly offset: number;
  readonly length: number;
}

/** One row, as it was written. */
export interface Rule {
  /** Unique in its section; outside it written `section/id`. Explicit, or derived from action and match. */
  readonly id: string;
  readonly idIsExplicit: boolean;
  readonly action: Action;
  readonly match: Match;
  /** Set where the action is `limit`. */
  readonly limit?: Limit;
  /** A rule that is not enabled keeps its place, number and counters, and matches nothing. */
  readonly enabled: boolean;
  /** Milliseconds since 1970 from which on it matches nothing (`rulesetAt`); left out: it has no end. */
  readonly untilMs?: number;
  /** What is told of the packets it decides, whatever the level, unless that is off. */
  readonly log?: RowLog;
  readonly note?: string;
  readonly owner?: string;
  /** Review date, ISO `YYYY-MM-DD`. */
  readonly review?: string;
  /** Canonical one-line text of the rule (`allow from 10.0.0.0/8 to any port 22 proto tcp`), sets by name. */
  readonly text: string;
  readonly source: SourceRange;
  /** How the addresses were written, where that matters to a finding. */
  readonly written: WrittenForm;
}

/** Facts of the text that the match itself no longer shows. */
export interface WrittenForm {
  /** A row as dashboards print it (`1 Deny 0.0.0.0/0 Port 14141`). */
  readonly dashboardRow: boolean;
  /** `from`, and `to`, was literally `0.0.0.0/0` outside a dashboard row and `family` was not given. */
  readonly ipv4AnyFrom: boolean;
  readonly ipv4AnyTo: boolean;
}

/** The section's SSH row (SPEC §4): tier 8, only when `from` is `anyone`. */
export interface SshRow {
  readonly ports: readonly number[];
  readonly from: 'anyone' | 'rules';
  readonly source: SourceRange;
}

/**
 * What tier 8 does with new connections to the SSH ports; null where that is left to the default. `rules` means only those
 * whom rows let in, whatever the default says (SPEC §4).
 */
export function sshVerdict({ ssh, default: otherwise }: Pick<Section, 'ssh' | 'default'>): 'allow' | 'deny' | null {
  if (ssh?.from === 'anyone') return 'allow';
  return ssh && otherwise === 'allow' ? 'deny' : null;
}

/** Ordered rules of one owner; a packet is judged by the rows of exactly one section. */
export interface Section {
  /** `inbound`, `outbound`, or the name of a server. */
  readonly name: string;
  readonly default: Exclude<Action, 'limit'>;
  /** The UDP switch, tier 6: off drops UDP that began outside before the rows. Left out: on. */
  readonly udp?: 'off';
  readonly ssh?: SshRow;
  readonly rules: readonly Rule[];
}

/** A server behind the filtered interface: a section of its own, for the packets that it owns (`server.ts`). */
export interface Server extends Section {
  /** As they are on the wire of the filtered interface, before NAT; not empty, and no two overlap. */
  readonly addresses: readonly Prefix[];
  /** It owns TCP and UDP to these ports of its addresses, ascending and apart; left out: all that goes to them. */
  readonly ports?: readonly PortRange[];
  /** Where it is behind NAT; only shown. */
  readonly target?: string;
  /** Who may change its rows through a socket of the daemon; left out: nobody but the operator. */
  readonly owner?: OwnerAccess;
  readonly source: SourceRange;
}

/** Which packets a rule sees at the filtered interface: those that come in, or those that go out. */
export type Direction = 'in' | 'out';

/** A row of `guard`, which holds both directions in one list. */
export interface GuardRule extends Rule {
  readonly direction: Direction;
}

/** What stands above every section (SPEC §3.3). Its name as a section is `guard`; ids are unique over both lists. */
export interface Guard {
  /** Tier 3.1: what these allow nothing below can take away; their answers go out all the same. */
  readonly keepReachable: readonly Rule[];
  /** Tier 3.3 and step 3 of what goes out: first match; `deny` is final, `allow` only ends the guard. */
  readonly rules: readonly GuardRule[];
}

/** A guard that nobody wrote. */
export const NO_GUARD: Guard = { keepReachable: [], rules: [] };

/** What `outbound` is where nobody wrote it: everything passes. */
export const OPEN_OUTBOUND: Section = { name: 'outbound', default: 'allow', rules: [] };

/** A named list of addresses, after files were read. */
export interface AddressSet {
  readonly name: string;
  readonly addresses: AddressMatch;
  readonly source: SourceRange;
}

/** A packet family that must get a verdict (`expect:`): every packet it describes, not one example. */
export interface Expectation {
  /** `out`: what begins inside, as the first packet of a connection does; answers are none of these. */
  readonly direction: Direction;
  readonly verdict: 'allow' | 'deny' | 'reject';
  readonly match: Match;
  readonly text: string;
  readonly source: SourceRange;
}

/** `essentials` keeps tier 5; `rules` turns it off and leaves ICMP to the rows. */
export type IcmpMode = 'essentials' | 'rules';

/** `track`: later fragments follow a first one that passed; `drop`: no fragment comes in. */
export type FragmentMode = 'track' | 'drop';

/** Where the program is attached: in the driver (`native`), behind it (`generic`), or native where that works (`auto`). */
export type AttachMode = 'auto' | 'native' | 'generic';

/** A whole, valid ruleset: what parse hands on, and all that compile sees. Plain data, never changed. */
export interface Ruleset {
  readonly version: 1;
  /** `auto`: the interfaces with a default route. */
  readonly interfaces: 'auto' | readonly string[];
  readonly mode: AttachMode;
  readonly icmp: IcmpMode;
  /** What tier 5 lets pass of echo-requests; without that tier of no meaning. */
  readonly echo: EchoRates;
  readonly fragments: FragmentMode;
  /** Flows that the table is made for; left out: `DEFAULT_MAX_FLOWS`. */
  readonly maxFlows?: number;
  /** How much is told of packets. */
  readonly logging: LogLevel;
  /** What a boot does when no ruleset that enforced before loads: `open` filters nothing. Left out: the built-in one. */
  readonly boot?: 'open';
  /** Ethertypes besides IP and ARP that pass in tier 2, at most 16. */
  readonly ethertypes: readonly number[];
  readonly sets: readonly AddressSet[];
  readonly guard: Guard;
  readonly inbound: Section;
  readonly outbound: Section;
  /** Ascending by name; no packet is owned by two. Left out: none. */
  readonly servers?: readonly Server[];
  readonly expect: readonly Expectation[];
}

/** Every section with its written rows, in the order in which `status` shows them. */
export function writtenSections({
  guard,
  inbound,
  outbound,
  servers = [],
}: Pick<Ruleset, 'guard' | 'inbound' | 'outbound' | 'servers'>): {
  readonly name: string;
  readonly rules: readonly Rule[];
}[] {
  return [{ name: 'guard', rules: [...guard.keepReachable, ...guard.rules] }, inbound, outbound, ...servers];
}

/** LLDP, LACP (slow protocols) and 802.1X. */
export const DEFAULT_ETHERTYPES: readonly number[] = [0x88cc, 0x8809, 0x888e];
