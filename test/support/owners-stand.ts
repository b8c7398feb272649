/** Owners at the sockets of their servers, which a real daemon serves at an edge host. */
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve, tcpConnect } from './clients';
import { COMMAND, EdgeHost, HOST, NEIGHBOUR } from './edge-host';
import { type Background, type Finished, run } from './process';

/** Whom the provider keeps out: no owner is to see that. */
const SECRET = '198.18.77.0/24';
/** Red and green have an owner, blue has none. */
export const RULES = `# the provider's own words
version: 1
interfaces: [eth0]
flows: { max: 5000 }
sets: { office: [203.0.113.0/24] }
guard:
  rules:
    - { id: secret-row, action: deny, from: ${SECRET} }
    - { id: noted-row, action: deny, from: ${NEIGHBOUR.ipv4}, port: "1077,2077", log: true }
inbound: { default: deny, ssh: { port: 22, from: anyone } }
servers:
  red:
    address: ${HOST.ipv4}
    ports: 1000-1099
    owner: { group: 4711, mode: 0660, rules: 8, entries: 20, changes: 500 }
    rules:
      - deny 1022/tcp   # red's own comment
      - { id: hall, action: allow, from: office, port: 1033 }
  green: # stays where it is
    address: ${HOST.ipv4}
    ports: 2000-2099
    owner: { group: 4712, changes: 500 }
    rules: [allow 2080/tcp]
  blue: { address: ${HOST.ipv4}, ports: 3000-3099, rules: [allow 3080/tcp] }
`;

/** What comes back through a socket. */
export interface Answer {
  readonly ok: boolean;
  readonly error?: { readonly code: string; readonly message: string };
  readonly [key: string]: unknown;
}

/** A change as its owner is told of it. */
export interface OwnChange {
  readonly digest: string;
  readonly who: string;
  readonly what: string;
}

/** `ok`, or the code of what was refused; null where there was no answer. */
export function codeOf(answer: Answer | null): string | null {
  return answer?.error ? answer.error.code : answer && 'ok';
}

/** The lines of an answer. */
export function linesOf(answer: Answer | null): string {
  return (answer!.lines as string[]).join('\n');
}

/** A request of `doctor` that waits to see who connects. */
export function waitRequest(wait: unknown, ...words: string[]): string {
  return `${JSON.stringify({ version: 1, verb: 'doctor', words, wait })}\n`;
}

/** The host, its daemon, and whoever comes to the sockets. */
export class OwnersStand {
  private constructor(
    readonly host: EdgeHost,
    /** The folder of the sockets. */
    readonly folder: string,
    public daemon: Background,
  ) {}

  /** Enforces `RULES`; resolves once red and green have their sockets. */
  static async open(scope: string): Promise<OwnersStand> {
    const host = await EdgeHost.open(scope);
    // The daemon makes its folder itself, where everybody comes by.
    const above = mkdtempSync(join(tmpdir(), `slc-owners-${process.pid}-`));
    chmodSync(above, 0o755);
    const folder = join(above, 'sockets');
    host.write('rules.yaml', RULES);
    await host.must('apply');
    await serve(host.edge, ['tcp:1022', 'tcp:1080', 'tcp:2080', 'tcp:3080']);
    const stand = new OwnersStand(host, folder, await startDaemon(host, folder));
    await stand.untilSockets();
    return stand;
  }

  async close(): Promise<void> {
    await this.daemon.stop();
    rmSync(dirname(this.folder), { recursive: true, force: true });
    await this.host.close();
  }

  /** In place of the one before, which has ended. */
  async startDaemon(): Promise<void> {
    this.daemon = await startDaemon(this.host, this.folder);
  }

  socketOf(name: string): string {
    return join(this.folder, `${name}.sock`);
  }

  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!(await holds())) {
      if (Date.now() > deadline) throw new Error(`never came: ${what}; ${this.daemon.output}`);
      await sleep(50);
    }
  }

  /** Until red and green have their sockets. */
  async untilSockets(): Promise<void> {
    await this.until('sockets', () => existsSync(this.socketOf('red')) && existsSync(this.socketOf('green')));
  }

  /** The command of somebody who has nothing but the path of a socket. */
  async as(name: string, ...words: string[]): Promise<Finished> {
    const argv = [process.execPath, COMMAND, '--socket', this.socketOf(name), ...words];
    return run(argv, { env: { PATH: process.env.PATH } });
  }

  /** The same where it must succeed. */
  async did(name: string, ...words: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.as(name, ...words);
    if (status !== 0) throw new Error(`${name}: ${words.join(' ')} ended with ${status}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Sends bytes and returns what comes back; null where the connection ended without an answer. */
  async sendOnce(name: string, bytes: string | Uint8Array, end = true): Promise<Answer | null> {
    return new Promise((resolve) => {
      let text = '';
      const socket = connect({ path: this.socketOf(name), allowHalfOpen: true });
      socket.on('data', (chunk) => (text += chunk.toString()));
      // A queue that is full takes nobody more.
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EAGAIN') text ||= '{"ok":false,"error":{"code":"EAGAIN","message":""}}';
      });
      socket.on('end', () => socket.end());
      socket.on('close', () => resolve(text === '' ? null : (JSON.parse(text) as Answer)));
      if (end) socket.end(bytes);
      else socket.write(bytes);
    });
  }

  /** The same of somebody who asks again in a while where he asked too often. */
  async send(name: string, bytes: string | Uint8Array, end = true): Promise<Answer | null> {
    for (;;) {
      const answer = await this.sendOnce(name, bytes, end);
      if (!/^you asked/.test(answer?.error?.message ?? '')) return answer;
      await sleep(100);
    }
  }

  async ask(name: string, verb: string, ...words: string[]): Promise<Answer> {
    return (await this.send(name, `${JSON.stringify({ version: 1, verb, words })}\n`))!;
  }

  async ownHistory(name: string): Promise<OwnChange[]> {
    return (await this.ask(name, 'history')).changes as OwnChange[];
  }

  /** Somebody who tries to connect to a port until the work is done. */
  async connecting<T>(port: number, work: Promise<T>): Promise<T> {
    let ended = false;
    const done = work.finally(() => (ended = true));
    while (!ended) await tcpConnect(this.host.wire, HOST.ipv4, port);
    return done;
  }

  /** What must not change through anything that another owner does. */
  async greenIs(): Promise<unknown> {
    const { server } = JSON.parse(await this.host.must('status', 'green', '--json')) as { server: { rows: object[] } };
    const connected = await tcpConnect(this.host.wire, HOST.ipv4, 2080);
    return { rows: server.rows.map((row) => ({ ...row, packets: '', bytes: '', lastHit: '' })), connected };
  }
}

async function startDaemon(host: EdgeHost, folder: string): Promise<Background> {
  const started = host.startSluice(['daemon', '--owners', folder]);
  await started.waitFor(/the daemon runs/, 60_000);
  return started;
}
