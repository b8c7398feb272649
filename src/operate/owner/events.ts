/** The newest events of each server that has an owner: what he may know of them. */
import { eventText, fieldOf, type PacketEvent } from '../../observe/events';
import { owns } from '../../model/server';
import { parseProbe } from '../../parse/probe';
import type { OwnedServer } from './owned-server';
import { BLOCKED } from './doctor';

/** Events that are kept of a server. */
const KEPT = 50;

/** Fields that are about the provider's machine, or count other people's events. */
const HIDDEN: ReadonlySet<string> = new Set(['IN', 'OUT', 'MAC', 'GEN', 'EVENT']);
/** Reasons that are the provider's. */
const PROVIDERS: ReadonlySet<string> = new Set(['banned', 'guard', 'keep-reachable', 'keep-reachable-answer']);

/** An event as the owner sees it. */
export interface OwnerEvent {
  readonly time: string;
  readonly text: string;
}

/** What was told of lately, by server and by the group that owns it: the next owner is told nothing of what was before. */
export class RecentEvents {
  readonly #of = new Map<string, OwnerEvent[]>();

  /** Takes events that the daemon has read; `servers`: those that have an owner. */
  add(events: readonly PacketEvent[], servers: readonly OwnedServer[]): void {
    for (const event of events) {
      const server = serverOf(event, servers);
      if (!server) continue;
      const list = this.#of.get(keyOf(server)) ?? [];
      list.push(seenByOwner(event));
      if (list.length > KEPT) list.shift();
      this.#of.set(keyOf(server), list);
    }
  }

  /** The newest, oldest first. */
  of(server: OwnedServer): readonly OwnerEvent[] {
    return this.#of.get(keyOf(server)) ?? [];
  }

  /** Forgets all but these. */
  keep(servers: readonly OwnedServer[]): void {
    const keys = new Set(servers.map(keyOf));
    for (const key of this.#of.keys()) if (!keys.has(key)) this.#of.delete(key);
  }
}

function keyOf({ name, owner }: OwnedServer): string {
  return `${name} ${owner.group}`;
}

/** By the section that judged; what the guard decided about has none, but an address. */
function serverOf(event: PacketEvent, servers: readonly OwnedServer[]): OwnedServer | undefined {
  const section = fieldOf(event, 'SRV');
  if (section !== 'guard') return servers.find(({ name }) => name === section);
  const { probe } = parseProbe(eventText(event));
  if (!probe?.destination) return undefined;
  const { destination } = probe;
  return servers.find((server) => owns(server, { ...probe, destination }));
}

function seenByOwner(event: PacketEvent): OwnerEvent {
  const { time, word } = event;
  if (fieldOf(event, 'SRV') === 'guard' || PROVIDERS.has(fieldOf(event, 'REASON') ?? ''))
    return { time, text: `[SLUICE ${word}] ${BLOCKED}` };
  const fields = event.fields.filter(({ key }) => !HIDDEN.has(key));
  return { time, text: eventText({ ...event, fields }) };
}
