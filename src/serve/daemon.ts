/**
 * The daemon: writes events to the log or the journal, shows them to `sluice events`, ends rules that have an end,
 * saves counts, tidies up after changes that nobody confirmed, loads programs for the next change in advance, and watches
 * that what is to be filtered is. It owns nothing that enforces: killed, it leaves the firewall as it is, and what it had
 * not written stays in the ring for the next one.
 */
import { fstatSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Context } from '../operate/context';
import { EventSource } from '../operate/event-source';
import {
  eventLine,
  eventText,
  fieldOf,
  type Mended,
  mendedEvent,
  type PacketEvent,
  parseEventLine,
} from '../observe/events';
import { mendDamaged } from '../operate/mend';
import { describeReplaced, replaceOlder } from '../operate/replace-older';
import { RecentEvents } from '../operate/owner/events';
import { SecondThread } from '../operate/thread/second-thread';
import { EventSocket, eventSocketPath } from './event-socket';
import { Complaint } from './complaint';
import { keepCounts } from './keeper';
import { keepSettled } from './keep-settled';
import { keepSpare } from './keep-spare';
import { type ListenAddress, listenText } from './listen-address';
import { LogFile, type LogFileOptions } from './log-file';
import { MetricsServer, type Taken } from './metrics-server';
import { OwnerSockets } from './owner-sockets';
import { pause } from './pause';
import { keepEnds } from './rule-ends';
import { keepFiltering, mendedText } from './watch';

export interface DaemonOptions {
  /** Left out: the journal, by lines on stdout. */
  readonly log?: LogFileOptions;
  /** Folder of the sockets through which servers' owners come; left out: there are none. */
  readonly owners?: string;
  /** Where metrics are served, and how, of so many rows one by one; left out: nowhere. */
  readonly metrics?: { readonly address: ListenAddress; readonly ruleSeries: number; readonly version: string };
  /** Milliseconds between two savings of counts and bans. */
  readonly saveEveryMs: number;
  /** Ends the daemon; what was read is written first, and counts are saved. */
  readonly signal: AbortSignal;
  /** What the daemon has to say about itself. */
  readonly say: (text: string) => void;
}

/** How long a read waits: how late the daemon notices that it is to end. */
const TURN_MS = 250;
/** How long it waits before it tries again to write. */
const RETRY_MS = 1000;

/** Runs until the signal comes. Throws `EventsTakenError` where another daemon runs in the namespace. */
export async function runDaemon(context: Context, options: DaemonOptions): Promise<void> {
  const { signal, say } = options;
  const found = await mendDamaged(context).catch(() => []); // the watch says what it cannot mend
  const replaced = await replaceOlder(context);
  if (replaced) say(describeReplaced(replaced));
  // All that reads rulesets is done there: here nothing keeps events and sockets waiting.
  const thread = new SecondThread(context);
  const source = await EventSource.open(context, 'daemon', (generation, instance) =>
    thread.ask('generationNames', generation, instance),
  );
  const sink = options.log ? new FileSink(new LogFile(options.log), options.log.path) : new JournalSink();
  let socket: EventSocket | null = null;
  const recent = new RecentEvents();
  let owners: OwnerSockets | null = null;
  let metrics: MetricsServer | null = null;
  let keeping: Promise<void>[] = [];
  const told = (mended: Mended): void => {
    say(mendedText(mended));
    try {
      const event = mendedEvent(mended, new Date(), sink.last());
      socket?.show([event]);
      sink.write([event]);
    } catch {
      // It was said; that the log cannot be written the next packet will show.
    }
  };
  if (found.length > 0) told({ what: 'pin', names: found, afterMs: null });
  try {
    socket = await EventSocket.listen(eventSocketPath(context));
    if (options.owners !== undefined)
      owners = await OwnerSockets.open(context, options.owners, recent, { thread, say });
    if (options.metrics) {
      const { address, ...words } = options.metrics;
      const text: Taken['text'] = async (section) => thread.ask('metrics', section, words);
      const take = async (): Promise<Taken> => thread.ask('takeSnapshot').then(() => ({ text }));
      metrics = await MetricsServer.listen({ address, take, say });
      say(`metrics are at ${listenText(address)}`);
    }
    keeping = [
      keepCounts(thread, { everyMs: options.saveEveryMs, signal, say }),
      keepEnds(thread, { signal, say }),
      keepFiltering(context, { signal, say, told, thread }),
      keepSettled(thread, { signal, say }),
      keepSpare(context, { signal, say, thread }),
      ...(owners ? [owners.keep(signal)] : []),
    ];
    // From here on it can make again what is removed.
    say(`the daemon runs (pid ${process.pid}): events go to ${sink.name}`);
    const trouble = new Complaint(say);
    while (!signal.aborted) {
      try {
        const batch = await source.next(TURN_MS);
        if (!batch) continue;
        const fresh = sink.write(batch.events);
        batch.release();
        socket.show(fresh);
        recent.add(fresh);
        trouble.over(`events are written to ${sink.name} again`);
      } catch (error) {
        // What was not written stays in the ring; when that is full the kernel counts what is lost.
        trouble.tell(
          error,
          (message) => `events are not written to ${sink.name}: ${message}; trying again until they are`,
        );
        await pause(RETRY_MS, signal);
      }
    }
  } finally {
    await Promise.all(keeping);
    await metrics?.close();
    await owners?.close();
    await socket?.close();
    sink.close();
    source.close();
    await thread.close();
  }
}

/** Whether stdout is the journal's, as systemd says it in the environment. */
export function stdoutIsJournal(environment: NodeJS.ProcessEnv = process.env): boolean {
  const { dev, ino } = fstatSync(1);
  return environment.JOURNAL_STREAM === `${dev}:${ino}`;
}

interface Sink {
  readonly name: string;
  /** Writes all of them or none; returns those that had not been written before. */
  write: (events: readonly PacketEvent[]) => readonly PacketEvent[];
  /** The `EVENT` of the packet that was written last, where that has to stand in the next line too. */
  last: () => string | null;
  close: () => void;
}

/** The log file. The last line in it says how far a daemon came that was killed between writing and releasing. */
class FileSink implements Sink {
  readonly #host = hostname();
  #last: { ring: string; position: bigint } | null | undefined;

  constructor(
    private readonly file: LogFile,
    readonly name: string,
  ) {}

  write(events: readonly PacketEvent[]): readonly PacketEvent[] {
    if (this.#last === undefined) this.#last = placeOfLine(this.file.lastLine());
    const last = this.#last;
    const fresh = events.filter((event) => {
      const place = placeOf(event);
      return !(last && place && place.ring === last.ring && place.position <= last.position);
    });
    try {
      this.file.append(fresh.map((event) => eventLine(event, this.#host)));
    } catch (error) {
      this.#last = undefined; // some of them may have been written
      throw error;
    }
    const newest = fresh.at(-1);
    if (newest) this.#last = placeOf(newest);
    return fresh;
  }

  last(): string | null {
    if (this.#last === undefined) this.#last = placeOfLine(this.file.lastLine());
    return this.#last && `${this.#last.ring}-${this.#last.position.toString(16)}`;
  }

  close(): void {
    this.file.close();
  }
}

/** Lines on stdout, with the priority that ufw's lines have in the kernel log (warning). */
class JournalSink implements Sink {
  readonly name = 'the journal';

  write(events: readonly PacketEvent[]): readonly PacketEvent[] {
    process.stdout.write(events.map((event) => `<4>${eventText(event)}\n`).join(''));
    return events;
  }

  last(): null {
    return null;
  }

  close(): void {
    // stdout stays
  }
}

function placeOfLine(line: string | null): { ring: string; position: bigint } | null {
  const event = line === null ? null : parseEventLine(line);
  return event && placeOf(event);
}

function placeOf(event: PacketEvent): { ring: string; position: bigint } | null {
  const match = /^([0-9a-f]+)-([0-9a-f]+)$/.exec(fieldOf(event, 'EVENT') ?? fieldOf(event, 'AFTER') ?? '');
  return match && { ring: match[1], position: BigInt(`0x${match[2]}`) };
}
