/** Somebody cannot get in: what of the rules is in the way, what listens behind them, and what else may keep him out. */
import { type Diagnosis, diagnose } from '../analyse/diagnose';
import { type Reach, ReachMap } from '../analyse/reach';
import { natOfDoor } from '../migrate/nat-door';
import { NONE_OPEN, withOpen } from '../model/allow-all';
import { NO_STATE } from '../model/given-state';
import type { FlowKey } from '../model/packet';
import { type AddressWords, addressBits, type Family, hostPrefix, type Prefix, prefixContains } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import type { Ruleset, Server } from '../model/ruleset';
import { DEFAULT_SOURCE_PORT } from '../parse/probe';
import { listBans } from './bans';
import { type Context, isHostContext } from './context';
import type { Enforcement } from './enforcement';
import { findListeners, type Listening, type OwnAddresses } from './exposed';
import { ownAddresses, readNatTable } from './nat-table';
import { openSections } from './openings';
import { readUfwRules } from './ufw-rules';

/** Where somebody wants to get in. */
export interface Door {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** What is known about a door, for one source or for all. */
export interface DoorReport {
  /** Those of `Enforcement`; empty where nothing is filtered. */
  readonly filtered: readonly { readonly name: string; readonly mode: string }[];
  /** Interfaces that are up and not filtered, without the loopback: who is there is not asked the rules. */
  readonly notFiltered: readonly string[];
  /** The first packet the question is about; null where no source was named, or the machine has no address of its family. */
  readonly key: FlowKey | null;
  /** Null where nothing is filtered, or there is no such packet. */
  readonly diagnosis: Diagnosis | null;
  /** By family: who reaches it by the rules; null where too many overlap to say. Empty where nothing is filtered. */
  readonly reach: Readonly<Partial<Record<Family, Reach | null>>>;
  /** The server whose door it is; null: this machine's. */
  readonly server: Server | null;
  /** What has the port on this machine, also on loopback alone. */
  readonly listeners: readonly Listening[];
  /** Where NAT sends it on to; null: nowhere. Left out where no target says that it should, or this machine translates nothing. */
  readonly nat?: ReturnType<typeof natOfDoor>;
  /** Whether a local ufw is on, which filters behind sluice. */
  readonly ufw: boolean;
}

/** Looks at a door, of this machine or of a server behind it. `ruleset` is what judges; null: nothing does. */
export async function examineDoor(
  context: Context,
  door: Door,
  source: Prefix | null,
  judge: { readonly ruleset: Ruleset; readonly enforcement: Enforcement } | null,
  server: Server | null = null,
): Promise<DoorReport> {
  const { kernel, netns } = context;
  const { interfaces, own, found } = await findListeners(kernel, netns);
  const filtered = (judge?.enforcement.attachments ?? []).map(({ name, mode }) => ({ name, mode }));
  const at = server ? addressesOf(server) : own;
  const bans = judge ? (await listBans(context)).bans.map(({ prefix }) => prefix) : [];
  const open = judge ? openSections(context) : NONE_OPEN;
  const keys = source ? at[source.family].map((destination) => keyOf(door, source, destination)) : [];
  const judged = keys.map((each) => ({
    key: each,
    diagnosis: judge && diagnose(judge.ruleset, each, { ...NO_STATE, bans, open }),
  }));
  // Of several addresses one where something is in the way.
  const chosen = judged.find(({ diagnosis }) => diagnosis && diagnosis.obstacles.length > 0) ?? judged.at(0);
  const key = chosen?.key ?? null;
  const doors = ([4, 6] as const)
    .filter((family) => at[family].length > 0)
    .map((family) => ({
      ...{ ...door, family },
      addresses: server
        ? server.addresses.filter((prefix) => prefix.family === family)
        : at[family].map((words) => hostPrefix(family, words)),
    }));
  const map = judge && !key ? new ReachMap(withOpen(judge.ruleset, open), doors, bans) : null;
  return {
    filtered,
    notFiltered: interfaces
      .filter(({ name, loopback, up }) => !loopback && up && !filtered.some((one) => one.name === name))
      .map(({ name }) => name),
    key,
    server,
    diagnosis: chosen?.diagnosis ?? null,
    reach: map ? Object.fromEntries(doors.map((one) => [one.family, map.of(one)])) : {},
    listeners: found
      .map(({ socket }) => socket)
      .filter(({ protocol, port }) => protocol === door.protocol && port === door.port)
      .filter(() => server === null || (server.target === undefined && isOwn(server, own))),
    ufw: isHostContext(context) && readUfwRules() !== null,
    ...(server?.target !== undefined && (await natOf(context, server, door, key))),
  };
}

/** Where the NAT table sends the first packet, or one to the first address of the target's family. */
async function natOf(
  { kernel, netns }: Context,
  { addresses, target = '' }: Server,
  { port, protocol }: Door,
  key: FlowKey | null,
): Promise<Pick<DoorReport, 'nat'>> {
  const family = key?.family ?? (target.includes(':') ? 6 : 4);
  const address = key?.destination ?? addresses.find((prefix) => prefix.family === family)?.words;
  const { rules } = await readNatTable(netns);
  if (!address || rules.length === 0) return {};
  const number = protocol === 'tcp' ? PROTOCOL.TCP : PROTOCOL.UDP;
  return { nat: natOfDoor(rules, await ownAddresses(kernel, netns), { family, address, protocol: number, port }) };
}

/** Whether a server has an address of the machine, so that what listens here may be what is meant, unless NAT leads on. */
function isOwn({ addresses }: Server, own: OwnAddresses): boolean {
  return addresses.some((prefix) => own[prefix.family].some((words) => prefixContains(prefix, words)));
}

/** Addresses at which others reach a server: of each of its prefixes the first. */
function addressesOf({ addresses }: Server): OwnAddresses {
  const of = (family: Family): AddressWords[] =>
    addresses.filter((prefix) => prefix.family === family).map(({ words }) => words);
  return { 4: of(4), 6: of(6) };
}

function keyOf({ protocol, port }: Door, { family, words }: Prefix, destination: AddressWords): FlowKey {
  return {
    ...{ family, source: words, destination },
    protocol: protocol === 'tcp' ? PROTOCOL.TCP : PROTOCOL.UDP,
    ...{ sourcePort: DEFAULT_SOURCE_PORT, destinationPort: port },
  };
}

/** Whether a source is one address: what knocks is never a network. */
export function isAddress({ family, length }: Prefix): boolean {
  return length === addressBits(family);
}
