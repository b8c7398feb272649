/**
 * A UNIX socket for each server that has an owner: who may connect is the mode and the group of the socket, as its
 * server's `owner` says, so that no password and no process of another user is needed. Sockets come and go with what is
 * enforced.
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { SluiceError } from '../kernel/errors';
import type { Kernel } from '../kernel/kernel';
import type { Context } from '../operate/context';
import { type OwnerAnswer, type OwnerQuestion, refusedAnswer } from '../operate/owner/answer';
import type { OwnedPlace } from '../operate/owner/owned-server';
import type { RecentEvents } from '../operate/owner/events';
import { authorOfPeer, GROUPS, groupNumber } from '../operate/owner/peer';
import { QuestionRate } from '../operate/owner/quota';
import { forOwner } from '../operate/owner/refusal';
import { type SecondThread, ThreadEndedError } from '../operate/thread/second-thread';
import { messageOf } from '../operate/system-error';
import { Complaint } from './complaint';
import { serveConnection, turnAway } from './owner-connection';
import { pause } from './pause';
import { answersAt } from './unix-path';

const LOOK_MS = 500;
/** Sockets that are looked at before whatever else waits has its turn: of thousands all would take tens of milliseconds. */
const LOOKED_AT_ONCE = 100;
/** A folder that was changed so short a time ago may change again and show the same time. */
const SETTLED_MS = 2000;
/** Connections of one server at once. */
export const MOST_CONNECTIONS = 16;
/** Those of them who are told that there are too many; whoever comes beyond is not listened to at all. */
const MOST_DESCRIPTORS = 64;
/** Sockets are made here, where nobody else gets at them before they have their mode. */
const NURSERY = '.new';
/** Whoever has the path of his socket gets through; who else has one, nobody can list. */
const FOLDER_MODE = 0o711;
/** What the kernel takes as a path (unix(7)), without the NUL. */
const MOST_PATH = 107;

/** A socket that listens. */
interface Listening {
  readonly listener: Server;
  readonly path: string;
  readonly inode: number;
  /** Group and mode that it has. */
  access: string;
  /** The group as its server names it. */
  group: string;
  readonly open: Set<Socket>;
}

/** Keeps a socket for each owned server until the signal comes; `recent` holds what `owned` servers may be told of. */
export class OwnerSockets {
  readonly #listening = new Map<string, Listening>();
  readonly #complaints = new Map<string, Complaint>();
  readonly #answering = new Set<Promise<OwnerAnswer>>();
  readonly #rates = new Map<string, QuestionRate>();
  #owned: readonly OwnedPlace[] = [];
  /** What the folder, and the names of groups, were like before all sockets were found in it as they should be. */
  #whole: string | null = null;
  /** Sockets made so far. */
  #made = 0;

  private constructor(
    private readonly context: Context,
    private readonly directory: string,
    private readonly recent: RecentEvents,
    private readonly thread: SecondThread,
    private readonly say: (text: string) => void,
  ) {}

  /** Takes the directory; what a daemon that was killed left in it is removed. Throws where another one serves there. */
  static async open(
    context: Context,
    directory: string,
    recent: RecentEvents,
    { thread, say }: { readonly thread: SecondThread; readonly say: (text: string) => void },
  ): Promise<OwnerSockets> {
    const path = resolve(directory);
    takeDirectory(path);
    await removeStale(path);
    const file = await thread.ask('takeBackInterrupted');
    if (file !== null) say(putBackText(file));
    return new OwnerSockets(context, path, recent, thread, say);
  }

  /** Follows what is enforced. */
  async keep(signal: AbortSignal): Promise<void> {
    const complaint = new Complaint(this.say);
    while (!signal.aborted) {
      try {
        await this.#follow();
        complaint.over('owners have their sockets again');
      } catch (error) {
        complaint.tell(error, (message) => `sockets of owners are not kept: ${message}; trying again`);
      }
      await pause(LOOK_MS, signal);
    }
  }

  /** Ends what is being asked, and removes the sockets. */
  async close(): Promise<void> {
    const open = [...this.#listening.values()].flatMap((each) => [...each.open]);
    for (const name of [...this.#listening.keys()]) this.#remove(name);
    if (this.#answering.size > 0) await this.thread.ask('endWaiting').catch(() => undefined); // ended with the thread
    await Promise.all(this.#answering);
    await setImmediate(); // then their answers are written
    for (const socket of open) socket.destroySoon();
  }

  async #follow(): Promise<void> {
    const owned = await this.thread.ask('ownedServers');
    if (owned) {
      this.#owned = owned;
      this.recent.keep(owned);
    }
    const mark = settledMark([this.directory, GROUPS]);
    if (!owned && mark !== null && mark === this.#whole) return;
    this.#whole = null;
    let isWhole = true;
    const names = new Set(this.#owned.map(({ name }) => name));
    for (const name of this.#listening.keys()) if (!names.has(name)) this.#remove(name);
    for (const kept of [this.#complaints, this.#rates])
      for (const name of kept.keys()) if (!names.has(name)) kept.delete(name);
    for (const [i, server] of this.#owned.entries()) {
      if (i % LOOKED_AT_ONCE === LOOKED_AT_ONCE - 1) await setImmediate();
      let complaint = this.#complaints.get(server.name);
      if (!complaint) this.#complaints.set(server.name, (complaint = new Complaint(this.say)));
      try {
        await this.#keepOne(server);
        complaint.over(`the owner of ${server.name} has a socket again`);
      } catch (error) {
        isWhole = false;
        this.#remove(server.name);
        complaint.tell(error, (message) => `the owner of ${server.name} has no socket: ${message}; trying again`);
      }
    }
    if (isWhole) this.#whole = mark;
  }

  async #keepOne({ name, owner }: OwnedPlace): Promise<void> {
    const group = groupNumber(owner.group);
    if (group === null) throw new Error(`there is no group "${owner.group}" in /etc/group`);
    const access = `${group} ${owner.mode}`;
    const known = this.#listening.get(name);
    if (known && inodeOf(known.path) !== known.inode) this.#remove(name);
    const still = this.#listening.get(name);
    if (still?.access === access) return;
    if (still) {
      // First nobody, so that it is at no moment open to a group it is not for.
      chmodSync(still.path, 0);
      chownSync(still.path, 0, group);
      chmodSync(still.path, owner.mode);
      still.access = access;
      still.group = owner.group;
      return;
    }
    const path = join(this.directory, `${name}.sock`);
    // A number: for good, /proc/net/unix tells everybody the path at which a socket began.
    const young = join(this.directory, NURSERY, `${++this.#made}.sock`);
    for (const each of [path, young])
      if (Buffer.byteLength(each) > MOST_PATH) throw new Error(`"${each}" is longer than ${MOST_PATH} bytes`);
    rmSync(young, { force: true });
    const listener = createServer({ allowHalfOpen: true });
    listener.maxConnections = MOST_DESCRIPTORS;
    await listen(listener, young);
    const open = new Set<Socket>();
    listener.on('connection', (socket) => this.#welcome(name, path, socket, open));
    try {
      chownSync(young, 0, group);
      chmodSync(young, owner.mode);
      renameSync(young, path);
    } catch (error) {
      listener.close();
      throw error;
    }
    this.#listening.set(name, { listener, path, inode: inodeOf(path)!, access, group: owner.group, open });
  }

  #remove(name: string): void {
    const known = this.#listening.get(name);
    if (!known) return;
    this.#listening.delete(name);
    // What is being answered is answered; nobody else is.
    known.listener.close();
    if (inodeOf(known.path) === known.inode) rmSync(known.path, { force: true });
  }

  #welcome(server: string, path: string, socket: Socket, open: Set<Socket>): void {
    if (open.size >= MOST_CONNECTIONS) {
      const message = `${open.size} connections are open, the most there can be`;
      turnAway(socket, refusedAnswer(server, { code: 'owner/busy', message, hint: 'one request, one answer each' }));
      return;
    }
    // Who is let in has what the socket is for now.
    const group = this.#listening.get(server)?.group ?? '';
    open.add(socket);
    const author = authorOfPeer(server, peerOf(this.context.kernel, socket));
    void serveConnection(socket, server, async (request) => {
      const answering = this.#answer({ server, group, author, request, socket: path });
      this.#answering.add(answering);
      return answering.finally(() => this.#answering.delete(answering));
    }).then(() => open.delete(socket));
  }

  /** Never rejects. */
  async #answer(question: Omit<OwnerQuestion, 'inTurn'>): Promise<OwnerAnswer> {
    const { server, group, request } = question;
    const own = { name: server, owner: { group } };
    const refused = (detail: string | null): void => {
      if (detail !== null) this.say(`the owner of ${server} was refused "${request.verb}": ${detail}`);
    };
    let stop: (() => void) | null = null;
    try {
      this.#takeQuestion(server);
      const events = request.verb === 'events' && { events: this.recent.of(own) };
      const log = request.report && { log: this.recent.whole(own) };
      if (request.wait !== undefined)
        stop = this.recent.listen(own, (event) => {
          this.thread.ask('tellWaiting', server, group, event).catch(() => undefined); // who waits is told that it ended
        });
      const { answer, detail } = await this.thread.ask('answerOwner', { ...question, ...events, ...log });
      refused(detail);
      return answer;
    } catch (error) {
      const { refusal, detail } = forOwner(error);
      refused(detail);
      if (error instanceof ThreadEndedError) await this.#takeBack();
      return refusedAnswer(server, refusal);
    } finally {
      stop?.();
    }
  }

  #takeQuestion(server: string): void {
    let rate = this.#rates.get(server);
    if (!rate) this.#rates.set(server, (rate = new QuestionRate()));
    rate.take(performance.now());
  }

  /** What was cut short, as when a daemon was killed. */
  async #takeBack(): Promise<void> {
    try {
      const file = await this.thread.ask('takeBackInterrupted');
      if (file !== null) this.say(putBackText(file));
    } catch (error) {
      this.say(`it cannot be told whether an owner's change was cut short: ${messageOf(error)}`);
    }
  }
}

function putBackText(file: string): string {
  return `${file} was put back as it was: an owner's change was cut short`;
}

/** Who connected. The descriptor is Node's own affair; where it cannot be had, nobody knows. */
function peerOf(kernel: Kernel, socket: Socket): { uid: number } | null {
  const descriptor = (socket as { _handle?: { fd?: unknown } })._handle?.fd;
  if (typeof descriptor !== 'number' || descriptor < 0) return null;
  try {
    return kernel.peerOf(descriptor);
  } catch {
    return null;
  }
}

/** Makes the directory, and the one in it where sockets begin. Whoever may write here could pretend to be a server. */
function takeDirectory(path: string): void {
  // Whatever the mask of the process: owners must get through it.
  if (mkdirSync(path, { recursive: true, mode: FOLDER_MODE }) !== undefined) chmodSync(path, FOLDER_MODE);
  const why = whyUnsafe(path);
  if (why !== null)
    throw new SluiceError('serve/owners', `sockets of owners cannot stand in "${path}": ${why}`, {
      hint: 'name a folder of its own, such as /run/sluice-owners',
    });
  mkdirSync(join(path, NURSERY), { recursive: true, mode: 0o700 });
}

/** Why others could put sockets of their own there; null: they cannot. */
function whyUnsafe(path: string): string | null {
  const status = lstatSync(path);
  if (!status.isDirectory()) return 'it is no folder';
  if (status.uid !== process.geteuid!()) return 'it belongs to somebody else';
  if (status.mode & 0o022) return 'others may write to it';
  // Who may write above it could put another folder in its place.
  for (let above = dirname(realpathSync(path)); ; above = dirname(above)) {
    const { uid, mode } = lstatSync(above);
    if (uid !== 0 && uid !== process.geteuid!()) return `"${above}", which is above it, belongs to somebody else`;
    if (mode & 0o022 && !(mode & STICKY)) return `others may write to "${above}", which is above it`;
    if (above === '/') return null;
  }
}

/** In such a folder nobody renames what belongs to others. */
const STICKY = 0o1000;

async function removeStale(directory: string): Promise<void> {
  for (const folder of [join(directory, NURSERY), directory]) {
    for (const name of readdirSync(folder).filter((each) => each.endsWith('.sock'))) {
      const path = join(folder, name);
      if (!lstatSync(path).isSocket()) continue;
      if (await answersAt(path))
        throw new SluiceError('serve/owners', `another daemon serves owners in "${directory}" ("${name}" answers)`, {
          hint: 'each daemon needs a folder of its own',
        });
      rmSync(path, { force: true });
    }
  }
}

async function listen(listener: Server, path: string): Promise<void> {
  await new Promise<void>((done, reject) => {
    listener.once('error', reject);
    listener.listen(path, () => {
      listener.off('error', reject);
      done();
    });
  });
}

/** Changes whenever one of them does, or something in a folder comes or goes; null where that was too short a time ago. */
function settledMark(paths: readonly string[]): string | null {
  const statuses = paths.map((path) => lstatSync(path, { throwIfNoEntry: false, bigint: true }));
  if (statuses.some((status) => status && Date.now() - Number(status.ctimeMs) < SETTLED_MS)) return null;
  return statuses.map((status) => status && [status.dev, status.ino, status.mtimeNs, status.ctimeNs].join()).join(';');
}

function inodeOf(path: string): number | null {
  return lstatSync(path, { throwIfNoEntry: false })?.ino ?? null;
}
