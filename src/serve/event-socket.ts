/**
 * The UNIX socket on which the daemon shows events to `sluice events`, a JSON object a line. A client that does not
 * read loses lines, never the daemon its time.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { PacketEvent } from '../observe/events';
import type { Context } from '../operate/context';

/** Bytes that wait for a client before lines to it are left out. */
const MOST_WAITING = 1 << 20;

/** Socket of the namespace's daemon, below `SLUICE_RUN_DIR` or `/run/sluice`. */
export function eventSocketPath({ folder }: Context, environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment.SLUICE_RUN_DIR || '/run/sluice', folder.path.split('/').at(-1)!, 'events.sock');
}

/** The daemon's end. */
export class EventSocket {
  readonly #clients = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly path: string,
  ) {}

  /** Listens; the lock on the events has made sure that nobody else does. */
  static async listen(path: string): Promise<EventSocket> {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    rmSync(path, { force: true }); // of a daemon that was killed
    const server = createServer();
    const socket = new EventSocket(server, path);
    server.on('connection', (client) => socket.welcome(client));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    });
    chmodSync(path, 0o600);
    return socket;
  }

  /** Shows events to every client. */
  show(events: readonly PacketEvent[]): void {
    if (this.#clients.size === 0 || events.length === 0) return;
    const text = events.map((event) => `${JSON.stringify(event)}\n`).join('');
    for (const client of this.#clients) if (client.writableLength < MOST_WAITING) client.write(text);
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
    rmSync(this.path, { force: true });
  }

  private welcome(client: Socket): void {
    this.#clients.add(client);
    client.on('error', () => client.destroy());
    client.on('close', () => this.#clients.delete(client));
    client.resume();
  }
}

/** Events of a running daemon, as they come, until it or the signal ends it; null where none listens. */
export async function watchEvents(path: string, signal: AbortSignal): Promise<AsyncIterable<PacketEvent> | null> {
  const socket = connect(path);
  const connected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
  if (!connected) return null;
  const lines = createInterface({ input: socket });
  socket.on('error', () => lines.close());
  const end = (): void => {
    socket.destroy();
    lines.close();
  };
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  return (async function* () {
    for await (const line of lines) yield JSON.parse(line) as PacketEvent;
  })();
}
