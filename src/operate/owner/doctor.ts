/** Why somebody cannot get in at an owner's server, as far as it is the owner's affair. */
import { diagnose, type Remedy } from '../../analyse/diagnose';
import { ReachMap } from '../../analyse/reach';
import { withOpen } from '../../model/allow-all';
import { NO_STATE } from '../../model/given-state';
import type { FlowKey } from '../../model/packet';
import { formatPorts, portInRanges } from '../../model/port-range';
import { addressBits, type AddressWords, formatAddress, formatPrefix, type Prefix } from '../../model/prefix';
import { PROTOCOL } from '../../model/protocol';
import { NO_GUARD, OPEN_OUTBOUND, type Ruleset, type Server } from '../../model/ruleset';
import { owns } from '../../model/server';
import { parseAddressText } from '../../parse/address';
import { DEFAULT_SOURCE_PORT, parseProbe } from '../../parse/probe';
import { DEFAULT_SSH_PORTS } from '../../parse/services';
import { listBans } from '../bans';
import type { Context } from '../context';
import type { Door } from '../doctor';
import { type DoorWords, readPort } from '../door-words';
import { explainByScan } from '../explain';
import { openSections } from '../openings';
import { obstacleText, remedyText } from '../render-obstacle';
import { reachText } from '../render-reach';
import { UsageError } from '../usage-error';
import type { WaitOptions } from '../wait-at-door';
import { reachedToJson, renderReached, whoReaches } from '../who-reaches';

/** What is said of what the provider refuses: neither which row, ban or answer it is, nor whom else it is about. */
export const BLOCKED = 'blocked by the provider';

/** Lines for people, and the same as data. */
export interface OwnerView {
  readonly lines: readonly string[];
  readonly data: Readonly<Record<string, unknown>>;
}

/** Where an owner's words about a packet lead: what enforces, his server in it, and how he comes to it. */
export interface OwnerPlace {
  readonly context: Context;
  readonly ruleset: Ruleset;
  readonly server: Server;
  /** Path of his socket, for lines to paste; null: those that the provider types for him. */
  readonly socket: string | null;
}

const DOCTOR_EXAMPLE = 'doctor 8000/tcp 203.0.113.9';
const EXPLAIN_EXAMPLE = 'explain tcp from 78.168.1.2 port 5555 to 198.51.100.7 port 14541';

/** Which of his rows decides about a packet to his server. */
export async function explainOwn(
  { context, ruleset, server }: OwnerPlace,
  words: readonly string[],
): Promise<OwnerView> {
  const { probe, findings } = parseProbe(words.join(' '));
  if (!probe) throw new UsageError(findings.map(({ message }) => message).join('; '), EXPLAIN_EXAMPLE);
  const destination = probe.destination ?? server.addresses.find(({ family }) => family === probe.family)?.words;
  const key = destination && { ...probe, destination };
  if (!key || !owns(server, key)) throw new UsageError(`that is no packet to ${server.name}`, EXPLAIN_EXAMPLE);
  const state = { bans: await bansOf(context, key), open: openSections(context) };
  const { decision, steps } = scanned(() => explainByScan(ruleset, key, state));
  const { tier, verdict, rule } = decision;
  if (tier.startsWith('3')) {
    const by = verdict === 'allow' ? 'let in by the provider' : BLOCKED;
    return { lines: [`${verdict}: ${by}`], data: { verdict, by } };
  }
  const deciding = steps.find(({ mismatch }) => mismatch === null);
  const opened = decision.reason === 'allow-all' ? 'ALLOW ALL, without which it were ' : '';
  const by = deciding
    ? `rule ${deciding.number} "${deciding.text}" (${deciding.rule})`
    : `tier ${tier}, ${decision.reason}`;
  return {
    lines: [
      `${verdict} by ${opened}${by}`,
      ...steps
        .filter(({ mismatch }) => mismatch !== null)
        .map(({ number, text, mismatch }) =>
          mismatch === 'enabled' ? `  [${number}] ${text}: is off` : `  [${number}] ${text}: ${mismatch} differs`,
        ),
    ],
    data: { verdict, tier, reason: decision.reason, rule, steps },
  };
}

/** Packets that cannot be, such as those of a protocol that is an extension header, are no failure of the daemon. */
function scanned<T>(scan: () => T): T {
  try {
    return scan();
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`there is no such packet: ${error.message}`, EXPLAIN_EXAMPLE);
    throw error;
  }
}

/** What keeps an address out at a port of his, or who reaches it at all. */
export async function doctorOwn(place: OwnerPlace, words: readonly string[]): Promise<OwnerView> {
  const { context, ruleset, server, socket } = place;
  const door = readDoor(words, server);
  const text = `${door.port}/${door.protocol}`;
  const own = ownView(ruleset, server);
  const source = readSource(words);
  if (!source) {
    const doors = ([4, 6] as const).map((family) => ({
      ...{ ...door, family },
      addresses: server.addresses.filter((prefix) => prefix.family === family),
    }));
    const there = doors.filter(({ addresses }) => addresses.length > 0);
    const map = new ReachMap(own, there, []);
    const reach = there.map((each) => ({ family: each.family, words: reachText(map.of(each)) }));
    return {
      lines: [
        ...reach.map((each) => `by your rows ${text} is reached over IPv${each.family} by: ${each.words}`),
        'the provider may block more, for all his servers',
      ],
      data: { door, reach },
    };
  }
  const destination = server.addresses.find(({ family }) => family === source.family)?.words;
  if (!destination) throw new UsageError(`${server.name} has no IPv${source.family} address`, DOCTOR_EXAMPLE);
  const key = keyOf(door, source, destination);
  const bans = await bansOf(context, key);
  const blocked = diagnose(ruleset, key, { ...NO_STATE, bans }).obstacles.some(({ what }) => PROVIDERS.has(what));
  const { obstacles, afterwards } = diagnose(own, key, NO_STATE);
  const found = obstacles.map((obstacle) => ({
    text: obstacleText(obstacle, ''),
    remedy: obstacle.remedy && pasted(obstacle.remedy, socket),
  }));
  const who = formatAddress(source.family, source.words);
  return {
    lines: [
      `${who} to ${text} of ${server.name}`,
      ...(blocked ? [`  NO    ${BLOCKED}`] : []),
      ...found.flatMap(({ text: why, remedy }) => [
        `  NO    ${why}`,
        ...(remedy === null ? [] : [`          ${remedy}`]),
      ]),
      ...(obstacles.length === 0 ? ['  ok    your rows let it in'] : []),
      blocked ? 'ask your provider' : found.length > 0 ? 'the lines above let it in' : 'nothing here keeps it out',
    ],
    data: { door, source: who, blockedByProvider: blocked, obstacles: found, afterwards: afterwards?.verdict ?? null },
  };
}

/** Networks of a list that are named: his provider's sets, which his rows may name, can be long. */
const MOST_NETWORKS = 1000;

/** Who gets in at a port of his by his rows: of what the provider refuses nothing is said. */
export function whoReachesOwn({ context, ruleset, server }: OwnerPlace, words: readonly string[]): OwnerView {
  const [text = '', extra] = words;
  if (extra !== undefined) throw new UsageError(`"${extra}" has no place behind the port`, REACH_EXAMPLE);
  const { port, protocol } = readOwnPort(text, server, REACH_EXAMPLE);
  const open = openSections(context);
  const own = withOpen(ownView(ruleset, server), open);
  const protocols = protocol ? [protocol] : (['tcp', 'udp'] as const);
  const reached = whoReaches(own, { port, protocols, addresses: server.addresses, bans: [] });
  const isOpen = open === 'everything' || open.has(server.name);
  return {
    lines: [
      `who gets in at ${server.name} by your rows${isOpen ? ', while it is under ALLOW ALL' : ''}:`,
      ...renderReached(reached, MOST_NETWORKS).split('\n'),
      'the provider may block more, for all his servers',
    ],
    data: { reached: reached.map((one) => reachedToJson(one, MOST_NETWORKS)) },
  };
}

const REACH_EXAMPLE = 'who-reaches 8000/tcp';

/** What `doctor --wait` of his looks for; `key`: a packet of the source that he named. */
export function watchedDoor(server: Server, words: readonly string[]): Pick<WaitOptions, 'watched' | 'key'> {
  const door = readDoor(words, server);
  const source = readSource(words);
  const destination = source && server.addresses.find(({ family }) => family === source.family)?.words;
  if (source && !destination) throw new UsageError(`${server.name} has no IPv${source.family} address`, DOCTOR_EXAMPLE);
  return {
    watched: { door, server, source: source?.words ?? null },
    key: source && destination ? keyOf(door, source, destination) : null,
  };
}

function keyOf(door: Door, source: Prefix, destination: AddressWords): FlowKey {
  return {
    ...{ family: source.family, source: source.words, destination, sourcePort: DEFAULT_SOURCE_PORT },
    ...{ protocol: door.protocol === 'tcp' ? PROTOCOL.TCP : PROTOCOL.UDP, destinationPort: door.port },
  };
}

/** Obstacles that no row of the owner makes or takes away. */
const PROVIDERS: ReadonlySet<string> = new Set(['ban', 'guard', 'answer']);

/** A ruleset in which nothing stands beside his rows. */
function ownView(ruleset: Ruleset, server: Server): Ruleset {
  return { ...ruleset, guard: NO_GUARD, outbound: OPEN_OUTBOUND, sets: [], servers: [server], expect: [] };
}

function pasted(remedy: Remedy, socket: string | null): string {
  if (socket === null) return remedyText(remedy);
  return remedyText({ ...remedy, server: undefined }).replace(/^sluice /, `sluice --socket ${socket} `);
}

async function bansOf(context: Context, { family, source }: FlowKey): Promise<readonly Prefix[]> {
  const { bans } = await listBans(context, { family, words: source, length: addressBits(family) });
  return bans.map(({ prefix }) => prefix);
}

function readDoor([text = '']: readonly string[], server: Server): Door {
  const { port, protocol = 'tcp' } = readOwnPort(text, server, DOCTOR_EXAMPLE);
  return { port, protocol };
}

function readOwnPort(text: string, server: Server, example: string): Pick<DoorWords, 'port' | 'protocol'> {
  const door = readPort(text, server.ssh?.ports ?? DEFAULT_SSH_PORTS, example);
  if (server.ports && !portInRanges(server.ports, door.port))
    throw new UsageError(`${door.port} is not a port of ${server.name}: ${formatPorts(server.ports)}`, example);
  return door;
}

function readSource([, ...words]: readonly string[]): Prefix | null {
  const [text, extra] = words[0]?.toLowerCase() === 'from' ? words.slice(1) : words;
  if (text === undefined && words.length === 0) return null;
  if (text === undefined || extra !== undefined)
    throw new UsageError(`expected one address, found "${words.join(' ')}"`, DOCTOR_EXAMPLE);
  const reading = parseAddressText(text);
  if (reading.kind === 'refused') throw new UsageError(reading.problem.message, reading.problem.hint);
  const { prefix } = reading;
  if (prefix.length === addressBits(prefix.family)) return prefix;
  throw new UsageError(`"${formatPrefix(prefix)}" is a network: name one address of it`, DOCTOR_EXAMPLE);
}
