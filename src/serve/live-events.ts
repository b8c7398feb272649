/** Events as they come, whoever reads the ring. */
import type { PacketEvent } from '../observe/events';
import type { Context } from '../operate/context';
import { EventSource } from '../operate/event-source';
import { eventSocketPath, watchEvents } from './event-socket';

const TURN_MS = 250;

/** Where events come from. */
export interface LiveEvents {
  readonly events: AsyncIterable<PacketEvent>;
  /** Whether a daemon shows them; else they are taken from the ring, and written nowhere. */
  readonly daemon: boolean;
}

/** Events until the signal comes, or nobody wants them. Throws `EventsTakenError` where another command reads the ring. */
export async function liveEvents(
  context: Context,
  signal: AbortSignal,
  unwanted: () => boolean = () => false,
): Promise<LiveEvents> {
  const shown = await watchEvents(eventSocketPath(context), signal);
  if (shown) return { events: shown, daemon: true };
  return { events: fromRing(await EventSource.open(context, 'events'), signal, unwanted), daemon: false };
}

async function* fromRing(
  source: EventSource,
  signal: AbortSignal,
  unwanted: () => boolean,
): AsyncGenerator<PacketEvent> {
  try {
    while (!signal.aborted && !unwanted()) {
      const batch = await source.next(TURN_MS);
      if (!batch) continue;
      yield* batch.events;
      batch.release();
    }
  } finally {
    source.close();
  }
}
