/** Owners who wait to see who connects to their servers: what may be told of it comes from the server's own rows and events. */
import type { PacketEvent } from '../../observe/events';
import type { ServerSection } from '../../observe/server-page';
import type { Context } from '../context';
import { type Looked, waitAtDoor, type Waited } from '../wait-at-door';
import { type OwnerPlace, watchedDoor } from './doctor';
import { OwnerRefusal } from './refusal';

/** Events that are kept of those that came meanwhile. */
const KEPT = 50;

/** What an owner saw while he waited, and the newest events that came then. */
export interface OwnWaited extends Waited {
  readonly events: readonly PacketEvent[];
}

interface Waiting {
  readonly group: string;
  readonly ended: AbortController;
  /** Why it ended before its time. */
  why: string;
  take: (event: PacketEvent) => void;
}

/** One waits for each server: whoever was cut off has no way to say so, and asks again. */
export class OwnerWaits {
  readonly #of = new Map<string, Waiting>();

  /** Waits so many seconds, or until somebody has come. Throws an `OwnerRefusal` where it is ended before that. */
  async wait(
    context: Context,
    place: Pick<OwnerPlace, 'ruleset' | 'server'> & { readonly group: string },
    { words, seconds }: { readonly words: readonly string[]; readonly seconds: number },
    section: () => Promise<ServerSection | null>,
  ): Promise<OwnWaited> {
    const { ruleset, server, group } = place;
    const asked = watchedDoor(server, words);
    this.#of.get(server.name)?.ended.abort();
    const waiting: Waiting = { group, ended: new AbortController(), why: REPLACED, take: () => undefined };
    this.#of.set(server.name, waiting);
    const events: PacketEvent[] = [];
    try {
      const waited = await waitAtDoor(
        context,
        ruleset,
        { ...asked, ms: seconds * 1000, reader: 'owner' },
        {
          listen: (take) => {
            waiting.take = (event) => {
              events.push(event);
              if (events.length > KEPT) events.shift();
              take(event);
            };
            return Promise.resolve({ ended: Promise.resolve() });
          },
          snapshot: async () => ownPart(await section()),
          ready: () => undefined,
          ended: waiting.ended,
        },
      );
      if (!waited.sighting && this.#of.get(server.name) !== waiting)
        throw new OwnerRefusal('owner/busy', `nobody is waited for any more: ${waiting.why}`, { hint: 'ask again' });
      return { ...waited, events };
    } finally {
      if (this.#of.get(server.name) === waiting) this.#of.delete(server.name);
    }
  }

  /** An event of a server, for whoever of this group waits there. */
  tell(server: string, group: string, event: PacketEvent): void {
    const waiting = this.#of.get(server);
    if (waiting?.group === group) waiting.take(event);
  }

  /** Ends all of them. */
  endAll(): void {
    const all = [...this.#of.values()];
    this.#of.clear();
    for (const waiting of all) {
      waiting.why = 'the provider’s daemon ends';
      waiting.ended.abort();
    }
  }
}

const REPLACED = 'the same was asked again';

/** Neither other sections nor counts of all of them are looked at. */
function ownPart(section: ServerSection | null): Looked {
  const packets = { seen: '0', allowed: '0', denied: '0' };
  return { sections: section ? [section] : [], reasons: [], packets, interfaces: [], notFiltered: [] };
}
