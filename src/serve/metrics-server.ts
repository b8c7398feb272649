/**
 * HTTP for whoever scrapes: `GET /metrics`, and `/metrics?section=NAME` for one section alone. It reads nothing of a
 * request but its first line. Whoever comes, however often and however slowly, costs the daemon so many connections, the
 * bytes of one text, and one snapshot at a time.
 */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { SluiceError } from '../kernel/errors';
import { EXPOSITION_TYPE } from '../observe/exposition';
import { Complaint } from './complaint';
import { type ListenAddress, listenText } from './listen-address';
import { answersAt } from './unix-path';

/** Connections at once; one more takes the place of the oldest. */
export const MOST_SCRAPERS = 16;
/** How long a connection may last, whatever is done with it. */
export const SCRAPE_MS = 10_000;
/** A snapshot serves all who ask within so long, and within so many times what taking it took. */
const FRESH_MS = 1_000;
const FRESH_TIMES = 4;
const MOST_HEADER_BYTES = 8 * 1024;

/** What is served. */
export interface MetricsServerOptions {
  readonly address: ListenAddress;
  readonly take: () => Promise<Taken>;
  readonly say: (text: string) => void;
}

/** A snapshot: its text as UTF-8, or that of one section alone, null where it has no such section. */
export interface Taken {
  readonly text: (section: string | null) => Promise<Uint8Array | null>;
}

/** A snapshot, and its text once somebody has asked for all of it. */
interface Served {
  readonly taken: Taken;
  whole?: Promise<Uint8Array | null>;
}

/** Listens until it is closed. */
export class MetricsServer {
  readonly #open = new Set<Socket>();
  /** Connections that have asked: each is answered once. */
  readonly #asked = new WeakSet<Socket>();
  readonly #complaint: Complaint;
  #taking: Promise<Served> | null = null;
  #staleAt = 0;

  private constructor(
    private readonly server: Server,
    private readonly options: MetricsServerOptions,
  ) {
    this.#complaint = new Complaint(options.say);
    server.on('connection', (socket: Socket) => this.#welcome(socket));
    server.on('clientError', (_, socket) => socket.destroy());
  }

  /** Throws `SluiceError` where the address is taken or not this machine's. */
  static async listen(options: MetricsServerOptions): Promise<MetricsServer> {
    const { address } = options;
    if (address.kind === 'unix') await removeStaleSocket(address.path);
    const server = createServer({ maxHeaderSize: MOST_HEADER_BYTES });
    const metrics = new MetricsServer(server, options);
    server.on('request', (request, response) => void metrics.#answer(request, response));
    await new Promise<void>((done, reject) => {
      const refuse = (error: Error): void => reject(listenError(address, error));
      server.once('error', refuse);
      server.listen(
        address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port },
        () => {
          server.off('error', refuse);
          done();
        },
      );
    });
    // Such as too many open files: no reason for a daemon to end.
    server.on('error', (error) =>
      metrics.#complaint.tell(error, (message) => `a connection for metrics was not taken: ${message}`),
    );
    if (address.kind === 'unix') chmodSync(address.path, 0o660);
    return metrics;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((done) => this.server.close(() => done()));
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  #welcome(socket: Socket): void {
    // Who came first has had most of the time there is: sockets that are held open keep nobody out.
    if (this.#open.size >= MOST_SCRAPERS) this.#open.values().next().value?.destroy();
    this.#open.add(socket);
    const limit = setTimeout(() => socket.destroy(), SCRAPE_MS);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(limit);
      this.#open.delete(socket);
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A single write can hold two thousand requests; nobody who scrapes asks again before he is answered.
    if (this.#asked.has(request.socket)) {
      request.socket.destroy();
      return;
    }
    this.#asked.add(request.socket);
    const { status, body } = await this.#respond(request);
    response.writeHead(status, {
      'Content-Type': status === 200 ? EXPOSITION_TYPE : 'text/plain; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      Connection: 'close',
      ...(status === 405 && { Allow: 'GET, HEAD' }),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #respond({ method, url = '' }: IncomingMessage): Promise<{ status: number; body: string | Uint8Array }> {
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, body: 'only GET and HEAD\n' };
    if (!URL.canParse(url, 'http://sluice')) return { status: 400, body: 'no path\n' };
    const { pathname, searchParams } = new URL(url, 'http://sluice');
    if (pathname !== '/metrics') return { status: 404, body: 'there is only /metrics, and /metrics?section=NAME\n' };
    // Whoever means one server by it is not to get all of them.
    const other = [...searchParams.keys()].find((key) => key !== 'section');
    if (other !== undefined)
      return { status: 400, body: `there is no ${JSON.stringify(other.slice(0, 40))}, only /metrics?section=NAME\n` };
    if (searchParams.getAll('section').length > 1) return { status: 400, body: 'one section a scrape\n' };
    const section = searchParams.get('section');
    let text: Uint8Array | null;
    try {
      const served = await this.#fresh();
      text = await (section === null ? (served.whole ??= served.taken.text(null)) : served.taken.text(section));
      this.#complaint.over('metrics are served again');
    } catch (error) {
      this.#complaint.tell(error, (message) => `metrics cannot be served: ${message}`);
      return { status: 503, body: 'no snapshot can be taken; what sluice daemon says tells why\n' };
    }
    if (text === null) return { status: 404, body: 'the enforced ruleset has no such section\n' };
    return { status: 200, body: text };
  }

  /** A snapshot not older than a moment. */
  async #fresh(): Promise<Served> {
    if (this.#taking && performance.now() < this.#staleAt) return this.#taking;
    const began = performance.now();
    this.#staleAt = Infinity;
    const taking = this.options.take().then((taken) => ({ taken }));
    this.#taking = taking;
    const over = (): void => {
      const now = performance.now();
      this.#staleAt = now + Math.max(FRESH_MS, FRESH_TIMES * (now - began));
    };
    taking.then(over, () => {
      this.#taking = null;
    });
    return taking;
  }
}

/** A socket that a killed daemon left is removed; anything else is somebody's. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket() || (await answersAt(path)))
    throw new SluiceError(
      'serve/listen',
      `"${path}" is ${found.isSocket() ? 'a socket at which somebody serves' : 'no socket'}`,
      {
        hint: 'name another path',
      },
    );
  rmSync(path);
}

function listenError(address: ListenAddress, error: Error): SluiceError {
  const { code } = error as NodeJS.ErrnoException;
  const hint =
    code === 'EADDRINUSE'
      ? 'another program listens there: name another port'
      : code === 'EADDRNOTAVAIL'
        ? 'it is no address of this machine: ip address lists them'
        : 'name another place';
  return new SluiceError('serve/listen', `cannot listen at ${listenText(address)}: ${error.message}`, {
    hint,
    cause: error,
  });
}
