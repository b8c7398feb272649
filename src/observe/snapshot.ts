/** The running firewall at one moment, as plain data: what `status`, `metrics` and every dashboard show. */
import type { Attachment } from './attachment';
import type { LogLevel, RowLog } from '../model/logging';
import type { AttachMode, Direction } from '../model/ruleset';
import type { Reason } from '../model/reason';
import type { Action, OutTier, Tier } from '../model/verdict';

/** One row of a section as `status` numbers it. */
export interface SnapshotRow {
  /** As verbs take it: inbound from 1, outbound goes on; null for implicit rows and for those of the guard. */
  readonly number: number | null;
  readonly direction: Direction;
  readonly id: string;
  readonly tier: Tier | OutTier;
  readonly action: Action;
  readonly enabled: boolean;
  /** Canonical one-line text; for implicit rows what they do. */
  readonly text: string;
  readonly to: string;
  readonly from: string;
  /** Set where packets of the row are told of: the first of each connection, or all. */
  readonly log?: RowLog;
  /** When it ends, or ended, ISO time; left out: it has no end. */
  readonly until?: string;
  readonly note?: string;
  readonly owner?: string;
  readonly review?: string;
  /** Decimal strings: 64 bits do not fit a JSON number. */
  readonly packets: string;
  readonly bytes: string;
  /** What a limit row counts by: `6/30s`; null for other rows. */
  readonly limit: string | null;
  /** Packets that a limit row refused, which are not among `packets`; null for other rows. */
  readonly refused: string | null;
  /** ISO time, null where it was never hit. */
  readonly lastHit: string | null;
  /** ISO time since when hits of this row are counted. */
  readonly watchedSince: string | null;
}

/** One section: its rows in the order in which they are tried. */
export interface SnapshotSection {
  readonly name: string;
  /** Digest of what is written in it, for `--if-digest`; null where nobody made one. */
  readonly digest?: string | null;
  /** Null for the guard: what no row of it refuses goes on. */
  readonly default: Action | null;
  readonly sshPorts: readonly number[];
  /** Whether the SSH row lets anyone in, or only whom rows do; null: there is none. */
  readonly sshFrom: 'anyone' | 'rules' | null;
  /** The UDP switch; null where there is none. */
  readonly udp: 'on' | 'off' | null;
  /** Set for a server: what it owns, and where it is. */
  readonly server?: {
    readonly addresses: readonly string[];
    /** `14500:14599`; null where it owns all of its addresses. */
    readonly ports: string | null;
    /** Behind NAT; null where nobody wrote it. */
    readonly target: string | null;
    /** Packets that its rows, SSH row and default let in, and those that they and its UDP switch refused. */
    readonly allowed: string;
    readonly denied: string;
    /** What it has of what all servers share; null where nothing is active. */
    readonly room: SnapshotRoom | null;
  };
  /** Set while a section waits to be confirmed by itself: past the deadline its rows before judge again. */
  readonly waiting?: { readonly deadline: string; readonly secondsLeft: number };
  /** Set while it, or the whole edge, is under ALLOW ALL: what its tiers 6 to 9 refuse passes. */
  readonly allowAll?: SnapshotOpening;
  readonly rows: readonly SnapshotRow[];
}

/** A server's part of a table that all share. */
export interface SnapshotShare {
  /** Entries of it that live. */
  readonly live: number;
  /** So many have room whatever comes to other servers; more, where it is free. */
  readonly share: number;
  /** Live ones that made room for others, and newcomers that found none. */
  readonly evicted: string;
  readonly refused: string;
}

/** What a server has of what all servers share. */
export interface SnapshotRoom {
  /** Connections opened from its addresses and ports. */
  readonly flows: SnapshotShare;
  /** Sources that its limit rules remember, and UDP pairs they have let in. */
  readonly limits: SnapshotShare;
  /** What is told of its packets: at most `share` a second and processor, the others are held back. */
  readonly events: { readonly share: number; readonly told: string; readonly capped: string };
}

/** A section, or the whole edge, under ALLOW ALL. */
export interface SnapshotOpening {
  /** Null: the whole edge. */
  readonly section: string | null;
  /** ISO times. */
  readonly since: string;
  readonly until: string;
  /** Rounded up; 0 where it is over, and no command has said so yet. */
  readonly secondsLeft: number;
  /** Who opened it, from where, and why. */
  readonly by: { readonly user: string; readonly uid: number; readonly from?: string };
  readonly reason?: string;
  /** Packets that passed and that rows would have refused; `unlisted` of them by rows that are not among `rows`. */
  readonly packets: string;
  readonly bytes: string;
  readonly unlisted: string;
  /** Rows that would have refused, most packets first. */
  readonly rows: readonly {
    readonly section: string;
    readonly rule: string;
    readonly text: string;
    readonly packets: string;
    readonly bytes: string;
    /** ISO time of the newest packet, and where it came from. */
    readonly lastHit: string;
    readonly source: string;
  }[];
}

/** Packets that no row decided. */
export interface SnapshotReason {
  readonly reason: Reason;
  /** The tier it stands for; null: the gate's, or a fault's. */
  readonly tier: Tier | OutTier | null;
  readonly verdict: 'allow' | 'deny';
  readonly words: string;
  readonly packets: string;
  readonly bytes: string;
}

/** What a table holds. */
export interface SnapshotTable {
  readonly live: number;
  /** The table's ways; with half of them in use one new entry in a hundred meets a full bucket. */
  readonly ways: number;
  /** Share of the buckets that are full of live entries, 0 to 1: how likely a new one makes another give way. */
  readonly pressure: number;
  /** Kernel memory it takes. */
  readonly bytes: number;
  /** Entries made since the table was. */
  readonly made: string;
  /** Live ones that made room for others. */
  readonly evicted: string;
}

/** The running firewall at one moment. */
export interface Snapshot {
  readonly schemaVersion: 1;
  /** Whether a generation judges packets. */
  readonly active: boolean;
  readonly takenAt: string;
  readonly generation: number | null;
  /** Of the compiled image. */
  readonly digest: string | null;
  /** Digest of all that is written in the ruleset that judges, for `--if-digest`; null where nobody made one. */
  readonly written: string | null;
  readonly file: string | null;
  readonly appliedAt: string | null;
  /** Set while the generation waits to be confirmed; null where it holds. */
  readonly pending: {
    readonly generation: number;
    /** The generation that judges again past the deadline; null where everything passes then. */
    readonly previous: number | null;
    readonly deadline: string;
    /** Rounded up. */
    readonly secondsLeft: number;
  } | null;
  /** Servers that wait to be confirmed by themselves: past the deadline their rows before judge again. */
  readonly waiting: readonly {
    readonly section: string;
    readonly deadline: string;
    /** Rounded up. */
    readonly secondsLeft: number;
  }[];
  readonly mode: AttachMode | null;
  readonly interfaces: readonly Attachment[];
  /** Interfaces of the namespace that are not filtered, without the loopback. */
  readonly notFiltered: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  /** What is under ALLOW ALL. */
  readonly allowAll: readonly SnapshotOpening[];
  readonly sections: readonly SnapshotSection[];
  readonly reasons: readonly SnapshotReason[];
  /** All packets that came in since the totals began. `seen` = `allowed` + `denied`. */
  readonly packets: { readonly seen: string; readonly allowed: string; readonly denied: string };
  /** Packets that went out, counted the same way. */
  readonly outgoing: {
    readonly reasons: readonly SnapshotReason[];
    readonly packets: Snapshot['packets'];
    /** What became of those that were rejected; null where nothing is active. */
    readonly rejects: SnapshotRejects | null;
  };
  /** Connections opened from inside; null where nothing is active. */
  readonly flows: SnapshotTable | null;
  /** Packets in fragments whose first one passed; null where nothing is active. */
  readonly fragments: SnapshotTable | null;
  /** Sources that limit rules remember, and UDP pairs they have let in; null where nothing is active. */
  readonly limits: SnapshotTable | null;
  /** What became of rejected packets since the first ruleset was applied; null where nothing is active. */
  readonly rejects: SnapshotRejects | null;
  /** Sources that are banned. */
  readonly bans: { readonly hosts: number; readonly prefixes: number };
  /** What is told of packets; null where nothing is active. */
  readonly events: {
    readonly level: LogLevel;
    /** Who reads events now; null where nobody does, and nothing is written. */
    readonly reader: { readonly pid: number; readonly role: 'daemon' | 'events' } | null;
    /** Since the state was made: `made` = `written` + `capped` + `ringFull`. */
    readonly made: string;
    readonly written: string;
    readonly capped: Readonly<Record<'all' | 'server' | 'rule' | 'source', string>>;
    readonly ringFull: string;
  } | null;
  /** Programs loaded in advance for the next change, and the kernel memory they take beside what enforces; null: none. */
  readonly spare: { readonly generation: number; readonly bytes: number } | null;
  /** What was loaded at boot, while that enforces (or, where it is nothing, until something does); else null. */
  readonly booted: SnapshotBoot | null;
  /** What is wrong or worth knowing, in words. */
  readonly warnings: readonly string[];
}

/**
 * What became of rejected packets: `capped` were dropped silently since the budget of answers was spent, `unanswered` since
 * they are of a kind that is never answered.
 */
export type SnapshotRejects = Readonly<Record<'answered' | 'capped' | 'unanswered', string>>;

/** What a boot loaded. */
export interface SnapshotBoot {
  /** The ruleset that enforced last, one before it, the built-in one, or (`boot: open`) none. */
  readonly loaded: 'last' | 'older' | 'built-in' | 'nothing';
  /** ISO time of the boot. */
  readonly at: string;
  /** Since when that ruleset had enforced before, as ISO time; null for the built-in one and none. */
  readonly since: string | null;
  /** Why nothing newer was loaded. */
  readonly reasons: readonly string[];
}

/** Whether nobody wrote the row: SSH row and defaults. */
export function isImplicit({ tier }: Pick<SnapshotRow, 'tier'>): boolean {
  return tier === '6' || tier === '8' || tier === '9' || tier === 'out 7';
}
