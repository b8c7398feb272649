/** What a hosting panel needs to draw the page of one server; `sluice snapshot SERVER` prints it. */
import { fieldOf, type PacketEvent } from './events';
import type { Snapshot, SnapshotSection } from './snapshot';

/** A section that is a server. */
export type ServerSection = SnapshotSection & { readonly server: NonNullable<SnapshotSection['server']> };

/** The servers, in the order of the snapshot. */
export function serversOf({ sections }: Pick<Snapshot, 'sections'>): ServerSection[] {
  return sections.filter((section): section is ServerSection => section.server !== undefined);
}

/** One server at one moment. It names no other server, no row of the guard, and no address that another was asked from. */
export interface ServerPage {
  readonly schemaVersion: 1;
  /** ISO time. */
  readonly takenAt: string;
  /** Whether its rows judge packets. */
  readonly active: boolean;
  readonly generation: number | null;
  readonly appliedAt: string | null;
  /** Set while a change waits to be confirmed as a whole. */
  readonly pending: Snapshot['pending'];
  /** Name, addresses, ports, target, SSH ports, default, ALLOW ALL, whether it waits to be confirmed by itself, and all rows, implicit ones with their tier. */
  readonly server: ServerSection;
  /** What refused packets, most first, those that refused none left out: `by` is the id of a row, `ssh`, `default` or `udp-off`. */
  readonly drops: readonly {
    readonly by: string;
    readonly text: string;
    readonly packets: string;
    readonly lastHit: string | null;
  }[];
  /** The newest packets that its rows refused, newest first, as the log tells of them; null where there is no log. */
  readonly refusals: readonly Refusal[] | null;
  /** Who may change its rows through its socket, and how much of what he may have he has; null: nobody. */
  readonly owner: PageFacts['owner'];
  /** Its newest changes, newest first. */
  readonly changes: PageFacts['changes'];
}

/** What neither a snapshot nor the log tells. */
export interface PageFacts {
  readonly owner: {
    readonly group: string;
    /** Of the socket: `0660`. */
    readonly mode: string;
    readonly rules: { readonly used: number; readonly most: number };
    readonly entries: { readonly used: number; readonly most: number };
    /** That he may try in a minute. */
    readonly changes: number;
  } | null;
  readonly changes: readonly {
    readonly revision: number;
    /** ISO time. */
    readonly at: string;
    /** A page for the owner leaves out who of the provider's it was, and why: `sluice history` through his socket does. */
    readonly by: 'owner' | 'provider';
    readonly who: string;
    readonly what: string;
    readonly reason: string | null;
    /** In words: `applied`, `waits to be confirmed`. */
    readonly outcome: string;
    /** Of the section as it was then, for `--if-digest`. */
    readonly digest: string | null;
  }[];
}

/** A packet that was refused. */
export interface Refusal {
  /** ISO time. */
  readonly time: string;
  readonly source: string;
  readonly destination: string;
  /** `TCP`, `UDP`, a number. */
  readonly protocol: string;
  /** Null where the protocol has none. */
  readonly sourcePort: number | null;
  readonly port: number | null;
  /** The id of the row, `default`, `udp-off`; empty where a reason alone decided. */
  readonly rule: string;
  readonly reason: string;
}

/** Refusals that are shown. */
export const MOST_REFUSALS = 50;

/** Puts a page together of a snapshot and events, oldest first; null where no log tells of any. */
export function serverPage(
  snapshot: Pick<Snapshot, 'takenAt' | 'active' | 'generation' | 'appliedAt' | 'pending'>,
  server: ServerSection,
  events: readonly PacketEvent[] | null,
  facts: PageFacts = { owner: null, changes: [] },
): ServerPage {
  const { takenAt, active, generation, appliedAt, pending } = snapshot;
  return {
    ...{ schemaVersion: 1, takenAt, active, generation, appliedAt, pending, server },
    drops: dropsOf(server),
    refusals: events && refusalsOf(events, server.name),
    ...facts,
  };
}

function dropsOf({ rows }: ServerSection): ServerPage['drops'] {
  return rows
    .flatMap(({ id, text, action, packets, refused, lastHit }) => {
      const dropped = action === 'deny' || action === 'reject' ? packets : (refused ?? '0');
      return dropped === '0' ? [] : [{ by: id, text, packets: dropped, lastHit }];
    })
    .sort((a, b) => (BigInt(a.packets) < BigInt(b.packets) ? 1 : -1));
}

/** What a section's rows refused, newest first. */
export function refusalsOf(events: readonly PacketEvent[], section: string): Refusal[] {
  return events
    .filter((event) => isRefusal(event) && fieldOf(event, 'SRV') === section)
    .slice(-MOST_REFUSALS)
    .reverse()
    .map(refusalOf);
}

/** Whether the packet was refused; `LIMIT BLOCK` is. */
function isRefusal({ word }: PacketEvent): boolean {
  return word.endsWith('BLOCK');
}

function refusalOf(event: PacketEvent): Refusal {
  const field = (key: string): string => fieldOf(event, key) ?? '';
  const port = (key: string): number | null => (field(key) === '' ? null : Number(field(key)));
  return {
    ...{ time: event.time, source: field('SRC'), destination: field('DST'), protocol: field('PROTO') },
    ...{ sourcePort: port('SPT'), port: port('DPT'), rule: field('RULE'), reason: field('REASON') },
  };
}
