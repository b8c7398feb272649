/**
 * Rows of thousands of servers in the state folder: in a file of their own, which the records of one generation after the
 * other name, so that a change of one server writes down that one, not all. A record holds the servers that differ
 * from that file; whenever these are many there is a new one, best while nobody waits for a change.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { RankEntry } from '../compile/image';
import { countRows, originalOf } from '../model/moved';
import type { AddressSet, Ruleset, Server } from '../model/ruleset';
import { contentDigest } from './digest';
import { readHead } from './file-head';
import {
  type PackedRanks,
  type PackedServer,
  packRanks,
  packServer,
  unpackRanks,
  unpackServer,
} from './packed-ruleset';
import { fileMark, readStateFile, type StateFolder, writeStateFile } from './state-files';

const SCHEMA_VERSION = 1;
/** Rows from which on servers have a file: fewer are written with their record, which so stands by itself. */
const LEAST_ROWS = 5_000;
/** Servers of a record that differ from the file, beyond which there is a new one; and beyond which it is made in advance. */
const CHANGED_MAX = 128;
const CHANGED_MANY = 32;

type Ranks = readonly Omit<RankEntry, 'rule'>[];

/** A server, with ranks as if its first were 0. */
interface KeptServer {
  readonly packed: PackedServer;
  readonly ranks: readonly PackedRanks[];
}

/** What a record holds of servers whose rows are in a file. */
export interface ServerRows {
  /** Digest by which the file is named. */
  readonly base: string;
  /** In their order: name, first rank, line and offset. */
  readonly at: readonly (readonly [name: string, rank: number, line: number, offset: number])[];
  /** Those that differ from the file's, by name. */
  readonly changed: Readonly<Record<string, KeptServer>>;
}

/** The file that this process has written last, and what it holds: servers by name, with the lists of the sets they name. */
interface Known {
  readonly base: string;
  readonly path: string;
  readonly mark: string;
  readonly servers: ReadonlyMap<string, Server>;
  readonly sets: ReadonlyMap<string, AddressSet['addresses']>;
}

let known: Known | null = null;

/** Whether its servers have a file. */
export function hasServerFile({ servers = [] }: Pick<Ruleset, 'servers'>): boolean {
  return countRows(servers) >= LEAST_ROWS;
}

/** Keeps the servers' rows; `ranks`: of those servers alone, in their order. Throws as `writeStateFile`. */
export function keepServerRows(folder: StateFolder, { servers = [], sets }: Ruleset, ranks: Ranks): ServerRows {
  const own = ranksByServer(servers, ranks);
  let base = knownIn(folder, sets);
  let changed = base ? changedServers(base, servers) : servers;
  if (!base || changed.length > CHANGED_MAX) {
    base = writeServerFile(folder, servers, sets, own);
    changed = [];
  }
  return {
    base: base.base,
    at: servers.map(({ name, source: { line, offset } }, i) => [name, own[i].at(0)?.rank ?? 0, line, offset]),
    changed: keptServers(changed, sets, new Map(servers.map(({ name }, i) => [name, own[i]]))),
  };
}

/** Writes a new file while nobody waits, where the next record would hold many servers. */
export function prepareServerRows(folder: StateFolder, ruleset: Ruleset, ranks: Ranks): void {
  if (!hasServerFile(ruleset)) return;
  const { servers = [], sets } = ruleset;
  const base = knownIn(folder, sets);
  if (base && changedServers(base, servers).length <= CHANGED_MANY) return;
  const names = new Set(servers.map(({ name }) => name));
  const own = ranks.filter(({ section }) => names.has(section));
  writeServerFile(folder, servers, sets, ranksByServer(servers, own));
}

/** The file that this process knows, where it is still there and its servers name the same lists. */
function knownIn(folder: StateFolder, sets: readonly AddressSet[]): Known | null {
  if (!known?.path.startsWith(join(folder.path, '/')) || fileMark(known.path) !== known.mark) return null;
  const now = new Map(sets.map(({ name, addresses }) => [name, addresses]));
  return [...known.sets].every(([name, addresses]) => now.get(name) === addresses) ? known : null;
}

function changedServers({ servers }: Known, now: readonly Server[]): readonly Server[] {
  return now.filter((server) => servers.get(server.name) !== originalOf(server));
}

function writeServerFile(
  folder: StateFolder,
  servers: readonly Server[],
  sets: readonly AddressSet[],
  own: readonly Ranks[],
): Known {
  const body = keptServers(servers, sets, new Map(servers.map(({ name }, i) => [name, own[i]])));
  const base = contentDigest(Buffer.from(JSON.stringify(body))).slice(0, 32);
  const name = serverFile(base);
  writeStateFile(folder, name, SCHEMA_VERSION, body);
  const path = join(folder.path, name);
  known = {
    ...{ base, path, mark: fileMark(path) ?? '' },
    servers: new Map(servers.map((server) => [server.name, originalOf(server)])),
    sets: new Map(sets.map((set) => [set.name, set.addresses])),
  };
  return known;
}

function keptServers(
  servers: readonly Server[],
  sets: readonly AddressSet[],
  ranks: ReadonlyMap<string, Ranks>,
): Record<string, KeptServer> {
  const named = new Map(sets.map(({ name, addresses }) => [addresses, name]));
  const entries = servers.map((server): [string, KeptServer] => {
    const own = ranks.get(server.name) ?? [];
    const first = own.at(0)?.rank ?? 0;
    const moved = own.map((entry) => ({ ...entry, rank: entry.rank - first }));
    return [server.name, { packed: packServer(server, named), ranks: packRanks(moved) }];
  });
  return Object.fromEntries(entries);
}

/** Ranks of each server, in its order. */
function ranksByServer(servers: readonly Server[], ranks: Ranks): Ranks[] {
  let at = 0;
  return servers.map(({ name }) => {
    const from = at;
    while (at < ranks.length && ranks[at].section === name) at++;
    return ranks.slice(from, at);
  });
}

/** The servers and their ranks again. Throws where the file, or something in it, is missing. */
export function readServerRows(
  folder: StateFolder,
  { base, at, changed }: ServerRows,
  sets: readonly AddressSet[],
): { readonly servers: readonly Server[]; readonly ranks: Ranks } {
  const { value: body, warning } = readStateFile(folder, serverFile(base), SCHEMA_VERSION, (found) => {
    if (typeof found !== 'object' || found === null) throw new Error('it holds no servers');
    return found as Readonly<Record<string, KeptServer | undefined>>;
  });
  if (!body) throw new Error(warning ?? `"${serverFile(base)}" is missing`);
  const lists = new Map(sets.map(({ name, addresses }) => [name, addresses]));
  const ranks: Omit<RankEntry, 'rule'>[] = [];
  const servers = at.map(([name, first, line, offset]) => {
    const kept = Object.hasOwn(changed, name) ? changed[name] : Object.hasOwn(body, name) ? body[name] : undefined;
    if (!kept) throw new Error(`server "${name}" is missing`);
    for (const entry of unpackRanks(kept.ranks)) ranks.push({ ...entry, rank: entry.rank + first });
    return unpackServer(kept.packed, { line, offset }, lists);
  });
  return { servers, ranks };
}

/** Removes the files that no record names. The caller holds the lock. */
export function pruneServerFiles(folder: StateFolder): void {
  const names = readdirSync(folder.path);
  const files = names.filter((name) => SERVER_FILE.test(name));
  if (files.length === 0) return;
  const records = names.filter((name) => /^(?:generation|saved)-\d+\.json$/.test(name));
  const named = new Set(records.flatMap((name) => BASE.exec(readHead(join(folder.path, name)))?.[1] ?? []));
  if (known) named.add(known.base);
  for (const name of files)
    if (!named.has(SERVER_FILE.exec(name)![1])) rmSync(join(folder.path, name), { force: true });
}

const SERVER_FILE = /^servers-([0-9a-f]{32})\.json$/;
/** Where a record names its file: before all else of its body. */
const BASE = /"body":\{"servers":\{"base":"([0-9a-f]{32})"/;

function serverFile(base: string): string {
  return `servers-${base}.json`;
}
