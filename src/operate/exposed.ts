/** What listens on the machine, and who can reach it by what is enforced. */
import { type Door, type Reach, ReachMap } from '../analyse/reach';
import { type Interface, listInterfaces } from '../kernel/interfaces';
import type { Kernel } from '../kernel/kernel';
import { listTcpSockets, listUdpSockets, type Socket, type SocketOwner, socketOwners } from '../kernel/sockets';
import { type AddressWords, type Family, formatAddress, hostPrefix, type Prefix } from '../model/prefix';
import type { Ruleset } from '../model/ruleset';

/** Something that listens. */
export interface ExposedSocket {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** The address it is bound to; null: every address of its families. */
  readonly address: string | null;
  /** Families it serves. */
  readonly families: readonly Family[];
  readonly owner: SocketOwner | null;
  /** Bound to loopback: only this machine itself reaches it. */
  readonly loopback: boolean;
  /** By family, through the filtered interfaces; null where too many rules overlap to say. Empty for loopback. */
  readonly reach: Readonly<Partial<Record<Family, Reach | null>>>;
}

/** The whole answer. */
export interface Exposure {
  readonly sockets: readonly ExposedSocket[];
  /** Interfaces that are up and not filtered, without the loopback: whoever is there reaches all but loopback sockets. */
  readonly notFiltered: readonly string[];
}

/** Something that listens, without who can reach it. */
export type Listening = Omit<ExposedSocket, 'reach'>;

/** What listens in a namespace, and where others would knock; with the interfaces they come by. */
export async function findListeners(
  kernel: Kernel,
  netns: string | undefined,
): Promise<{ interfaces: readonly Interface[]; own: OwnAddresses; found: readonly Found[] }> {
  const interfaces = await listInterfaces(kernel, netns);
  const tcp = (await listTcpSockets(kernel, netns)).filter(({ state }) => state === 'listen');
  // A connected UDP socket hears only its peer: it serves nobody.
  const udp = (await listUdpSockets(kernel, netns)).filter(({ state, local }) => state === 'close' && local.port !== 0);
  const owners = socketOwners([...tcp, ...udp].map(({ inode }) => inode).filter((inode) => inode !== 0));
  const own = addressesOf(interfaces);
  return { interfaces, own, found: [...describe('tcp', tcp, owners, own), ...describe('udp', udp, owners, own)] };
}

/**
 * Looks at a namespace. `ruleset` judges what comes in through `filtered` (names); null: nothing does, and everybody
 * reaches everything.
 */
export async function findExposed(
  kernel: Kernel,
  netns: string | undefined,
  judge: { readonly ruleset: Ruleset | null; readonly filtered: readonly string[]; readonly bans: readonly Prefix[] },
): Promise<Exposure> {
  const { interfaces, found } = await findListeners(kernel, netns);
  const doors = found.flatMap(({ doors }) => doors);
  const map = judge.ruleset && new ReachMap(judge.ruleset, doors, judge.bans);
  const open: Reach = { sources: EVERYONE, partly: NOBODY, limited: NOBODY };
  return {
    sockets: found.map(({ socket, doors }) => ({
      ...socket,
      reach: Object.fromEntries(doors.map((door) => [door.family, map ? map.of(door) : open])),
    })),
    notFiltered: interfaces
      .filter(({ name, loopback, up }) => !loopback && up && !judge.filtered.includes(name))
      .map(({ name }) => name),
  };
}

const EVERYONE = { everyoneBut: true, prefixes: [] } as const;
const NOBODY = { everyoneBut: false, prefixes: [] } as const;

/** Addresses at which others reach the machine, by family. */
export type OwnAddresses = Readonly<Record<Family, readonly AddressWords[]>>;

/** A packet to any of them is taken on any interface. */
function addressesOf(interfaces: readonly Interface[]): OwnAddresses {
  const all = interfaces.flatMap(({ addresses }) => addresses);
  const of = (family: Family): AddressWords[] =>
    all.filter((address) => address.family === family && !isLoopback(family, address.words)).map(({ words }) => words);
  return { 4: of(4), 6: of(6) };
}

/** A listener, and the doors that lead to it; none for loopback. */
interface Found {
  readonly socket: Listening;
  readonly doors: readonly Door[];
}

/** Sockets of one protocol, each program's once, by port. */
function describe(
  protocol: 'tcp' | 'udp',
  sockets: readonly Socket[],
  owners: ReadonlyMap<number, SocketOwner>,
  own: OwnAddresses,
): Found[] {
  const ports4 = new Set(
    sockets.filter(({ family, local }) => family === 4 && isAny(local.words)).map(({ local }) => local.port),
  );
  const found = new Map<string, Found>();
  for (const { family, local, inode } of sockets) {
    const { port } = local;
    const any = isAny(local.words);
    const owner = owners.get(inode) ?? null;
    const loopback = isLoopback(family, local.words);
    // On "::" it takes IPv4 too, unless it was told not to, which shows by another socket that has that port of IPv4.
    const families: Family[] = any && family === 6 && !ports4.has(port) ? [4, 6] : [family];
    const address = any ? null : formatAddress(family, local.words);
    const doors = loopback
      ? []
      : families.map((each): Door => ({
          family: each,
          protocol,
          port,
          addresses: (any ? own[each] : [local.words]).map((words) => hostPrefix(each, words)),
        }));
    const key = [port, address, families.join(), owner?.command, owner?.pid].join(' ');
    found.set(key, { socket: { protocol, port, address, families, owner, loopback }, doors });
  }
  return [...found.values()].sort((a, b) => a.socket.port - b.socket.port);
}

function isAny(words: AddressWords): boolean {
  return words.every((word) => word === 0);
}

function isLoopback(family: Family, words: AddressWords): boolean {
  return family === 4 ? words[0] >>> 24 === 127 : words.join() === '0,0,0,1';
}
