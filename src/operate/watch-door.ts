/**
 * What becomes of somebody's attempt to get in, while he makes it: told by an event, which names the packet, or else by
 * the counter of what decides about his packets.
 */
import { diagnose } from '../analyse/diagnose';
import type { Decision } from '../model/evaluate';
import { NO_STATE } from '../model/given-state';
import type { FlowKey } from '../model/packet';
import type { AddressWords, Prefix } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import type { Ruleset, Server } from '../model/ruleset';
import { owns } from '../model/server';
import { eventText, fieldOf, type PacketEvent } from '../observe/events';
import type { Snapshot } from '../observe/snapshot';
import { parseProbe } from '../parse/probe';
import type { Door } from './doctor';

/** Something that was seen. */
export type Sighting =
  | {
      readonly by: 'event';
      readonly time: string;
      readonly key: FlowKey;
      readonly word: string;
      /** Whose row it was. */
      readonly section: string;
      readonly rule: string;
      readonly reason: string;
    }
  | { readonly by: 'counter'; readonly packets: string; readonly decision: Decision };

/** Whose packets are looked for, and where they go. */
export interface Watched {
  readonly door: Door;
  readonly server: Server | null;
  /** Null: anybody's. */
  readonly source: AddressWords | null;
}

/** The event as a sighting; null where it is about another packet. */
export function sightingOf(event: PacketEvent, { door, server, source }: Watched): Sighting | null {
  if (fieldOf(event, 'OUT')) return null;
  const { probe } = parseProbe(eventText(event));
  if (!probe?.destination || probe.destinationPort !== door.port) return null;
  if (probe.protocol !== (door.protocol === 'tcp' ? PROTOCOL.TCP : PROTOCOL.UDP)) return null;
  const key = { ...probe, destination: probe.destination };
  if (source && (source.length !== key.source.length || source.some((word, i) => word !== key.source[i]))) return null;
  if (server && !owns(server, key)) return null;
  if (!server && !['inbound', 'guard'].includes(fieldOf(event, 'SRV') ?? '')) return null;
  const field = (name: string): string => fieldOf(event, name) ?? '';
  const [section, rule, reason] = [field('SRV'), field('RULE'), field('REASON')];
  return { by: 'event', time: event.time, key, word: event.word, section, rule, reason };
}

/** What decides about a first packet, and so whose counter tells of it. */
export function expectedDecision(ruleset: Ruleset, key: FlowKey, bans: readonly Prefix[]): Decision {
  return diagnose(ruleset, key, { ...NO_STATE, bans }).decision;
}

/** What of a snapshot counts packets by what decided about them. */
type Counted = Pick<Snapshot, 'sections' | 'reasons'>;

/** Packets that were decided so, by the snapshot. */
export function countOf({ sections, reasons }: Counted, { section, rule, reason, tier }: Decision): bigint {
  const rows = sections.find(({ name }) => name === section)?.rows ?? [];
  const row = rows.find(({ id, tier: at }) => (rule === null ? at === tier && IMPLICIT.has(at) : id === rule));
  const counted = row ?? reasons.find((one) => one.reason === reason);
  const refused = row && 'refused' in row && row.refused !== null ? BigInt(row.refused) : 0n;
  return BigInt(counted?.packets ?? 0) + refused;
}

/** Tiers of implicit rows. */
const IMPLICIT: ReadonlySet<string> = new Set(['6', '8', '9']);

/** Rows of a section that decided about packets between two snapshots. */
export function movedRows(before: Counted, after: Counted, section: string): { text: string; packets: string }[] {
  const rowsOf = ({ sections }: Counted) => sections.find(({ name }) => name === section)?.rows ?? [];
  const earlier = new Map(rowsOf(before).map(({ id, packets }) => [id, BigInt(packets)]));
  return rowsOf(after).flatMap(({ id, text, packets }) => {
    const more = BigInt(packets) - (earlier.get(id) ?? 0n);
    return more > 0n ? [{ text, packets: more.toString() }] : [];
  });
}
