/** The newest events of each server that has an owner: what he may know of them. */
import { eventText, fieldOf, type PacketEvent } from '../../observe/events';
import { owns } from '../../model/server';
import { parseProbe } from '../../parse/probe';
import type { OwnedPlace } from './owned-server';
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
  readonly #of = new Map<string, PacketEvent[]>();
  readonly #listeners = new Map<string, Set<(event: PacketEvent) => void>>();
  #servers: ReadonlyMap<string, OwnedPlace> = new Map();

  /** Takes events that the daemon has read. */
  add(events: readonly PacketEvent[]): void {
    for (const event of events) {
      const server = serverOf(event, this.#servers);
      if (!server) continue;
      const list = this.#of.get(keyOf(server)) ?? [];
      list.push(event);
      if (list.length > KEPT) list.shift();
      this.#of.set(keyOf(server), list);
      for (const take of this.#listeners.get(keyOf(server)) ?? []) take(event);
    }
  }

  /** The newest, oldest first. */
  of(server: OwnedKey): readonly OwnerEvent[] {
    return this.whole(server).map(seenByOwner);
  }

  /** The same as they are: what of them an owner may not know is the caller's to leave out. */
  whole(server: OwnedKey): readonly PacketEvent[] {
    return this.#of.get(keyOf(server)) ?? [];
  }

  /** Hands over each that comes from now on; returns what ends that. */
  listen(server: OwnedKey, take: (event: PacketEvent) => void): () => void {
    const key = keyOf(server);
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(take));
    return () => {
      listeners.delete(take);
      if (listeners.size === 0) this.#listeners.delete(key);
    };
  }

  /** Those that have an owner; what it knows of others is forgotten. */
  keep(servers: readonly OwnedPlace[]): void {
    this.#servers = new Map(servers.map((server) => [server.name, server]));
    const keys = new Set(servers.map(keyOf));
    for (const key of this.#of.keys()) if (!keys.has(key)) this.#of.delete(key);
  }
}

/** A server, and whose it is. */
interface OwnedKey {
  readonly name: string;
  readonly owner: Pick<OwnedPlace['owner'], 'group'>;
}

function keyOf({ name, owner }: OwnedKey): string {
  return `${name} ${owner.group}`;
}

/** By the section that judged; what the guard decided about has none, but an address. */
function serverOf(event: PacketEvent, servers: ReadonlyMap<string, OwnedPlace>): OwnedPlace | undefined {
  const section = fieldOf(event, 'SRV');
  if (servers.size === 0 || section === undefined) return undefined;
  if (section !== 'guard') return servers.get(section);
  const { probe } = parseProbe(eventText(event));
  if (!probe?.destination) return undefined;
  const { destination } = probe;
  const key = { ...probe, destination };
  for (const server of servers.values()) if (owns(server, key)) return server;
  return undefined;
}

function seenByOwner(event: PacketEvent): OwnerEvent {
  const { time, word } = event;
  if (fieldOf(event, 'SRV') === 'guard' || PROVIDERS.has(fieldOf(event, 'REASON') ?? ''))
    return { time, text: `[SLUICE ${word}] ${BLOCKED}` };
  const fields = event.fields.filter(({ key }) => !HIDDEN.has(key));
  return { time, text: eventText({ ...event, fields }) };
}
