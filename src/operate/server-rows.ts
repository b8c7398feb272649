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
import { readHead } from './file-head';
import {
  type PackedRanks,
  type PackedServer,
  packRanks,
  packServer,
  unpackRanks,
  unpackServer,
} from './packed-ruleset';
import { fileMark, readStateFile, type StateFolder, writeNamedStateFile } from './state-files';

const SCHEMA_VERSION = 1;
/** Rows from which on servers have a file: fewer are written with their record, which so stands by itself. */
const LEAST_ROWS = 5_000;
/** Servers of a record that differ from the file, beyond which there is a new one; and beyond which it is made in advance. */
const CHANGED_MAX = 128;
const CHANGED_MANY = 32;

type Ranks = readonly Omit<RankEntry, 'rule'>[];
/** Of servers that have any, by name. */
type ServerRanks = ReadonlyMap<string, Ranks>;

/** A ruleset, and its ranks as an image has them: ascending, those of a server together. */
export interface RankedRuleset {
  readonly ruleset: Ruleset;
  readonly ranks: Ranks;
  /** The first rank of what may return. */
  readonly returningFrom?: number;
}

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

/** Keeps the servers' rows; `own`: ranks by server. Throws as `writeStateFile`. */
export function keepServerRows(folder: StateFolder, { servers = [], sets }: Ruleset, own: ServerRanks): ServerRows {
  let base = knownIn(folder, sets);
  let changed = base ? changedServers(base, servers) : servers;
  if (!base || changed.length > CHANGED_MAX) {
    base = writeServerFile(folder, servers, sets, own);
    changed = [];
  }
  return {
    base: base.base,
    at: servers.map(({ name, source: { line, offset } }) => [name, own.get(name)?.[0].rank ?? 0, line, offset]),
    changed: keptServers(changed, sets, own, packedBeside(base, sets)),
  };
}

/** Packed servers that differ from a file's, by the original: the next record holds them again, until there is a new file. */
const PACKED = new WeakMap<Known, WeakMap<Server, PackedServer>>();

/** Packs a server once beside a file, as long as there are the same sets: what it packs names those. */
function packedBeside(base: Known, sets: readonly AddressSet[]): PackOne {
  if (sets.length !== base.sets.size) return packServer;
  let packed = PACKED.get(base);
  if (!packed) PACKED.set(base, (packed = new WeakMap()));
  return (server, named) => {
    const original = originalOf(server);
    let one = packed.get(original);
    // Rows are packed by their distance from the server, wherever that stands.
    if (!one) packed.set(original, (one = packServer(original, named)));
    return one;
  };
}

type PackOne = typeof packServer;

/**
 * Writes a new file before there is a record that names it: where that would else be written with the record (`now`), or
 * where the next record would hold many servers and nobody waits (`later`).
 */
export function prepareServerRows(folder: StateFolder, record: RankedRuleset, when: 'now' | 'later'): void {
  const { ruleset } = record;
  if (!hasServerFile(ruleset)) return;
  const { servers = [], sets } = ruleset;
  const base = knownIn(folder, sets);
  const most = when === 'now' ? CHANGED_MAX : CHANGED_MANY;
  if (base && changedServers(base, servers).length <= most) return;
  writeServerFile(folder, servers, sets, partRanks(record)[0]);
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
  own: ServerRanks,
): Known {
  const baseOf = (checksum: string): string => checksum.slice(0, 32);
  const nameOf = (checksum: string): string => serverFile(baseOf(checksum));
  const base = baseOf(writeNamedStateFile(folder, nameOf, SCHEMA_VERSION, keptServers(servers, sets, own)));
  const path = join(folder.path, serverFile(base));
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
  ranks: ServerRanks,
  pack: PackOne = packServer,
): Record<string, KeptServer> {
  const named = new Map(sets.map(({ name, addresses }) => [addresses, name]));
  const entries = servers.map((server): [string, KeptServer] => {
    const own = ranks.get(server.name) ?? [];
    const first = own.at(0)?.rank ?? 0;
    const moved = own.map((entry) => ({ ...entry, rank: entry.rank - first }));
    return [server.name, { packed: pack(server, named), ranks: packRanks(moved) }];
  });
  return Object.fromEntries(entries);
}

/** Ranks of each server, but for those of another state of one that may return; and the others. */
export function partRanks({
  ruleset: { servers = [] },
  ranks,
  returningFrom = Infinity,
}: RankedRuleset): readonly [apart: ServerRanks, own: Ranks] {
  const names = new Set(servers.map(({ name }) => name));
  const end = firstWhere(ranks, ({ rank }) => rank >= returningFrom, 0, ranks.length);
  const apart = new Map<string, Ranks>();
  const own: Ranks[number][] = [];
  // Those of a server follow one another: of a hundred thousand few are looked at.
  for (let at = 0; at < end;) {
    const { section } = ranks[at];
    const next = firstWhere(ranks, (entry) => entry.section !== section, at, end);
    if (names.has(section)) apart.set(section, ranks.slice(at, next));
    else for (let i = at; i < next; i++) own.push(ranks[i]);
    at = next;
  }
  for (let i = end; i < ranks.length; i++) own.push(ranks[i]);
  return [apart, own];
}

/** The first from `from` on for which that holds, as it does for all behind it before `to`; else `to`. */
function firstWhere(ranks: Ranks, holds: (entry: Ranks[number]) => boolean, from: number, to: number): number {
  let low = from;
  let step = 1;
  while (low + step <= to && !holds(ranks[low + step - 1])) {
    low += step;
    step *= 2;
  }
  let high = Math.min(to, low + step - 1);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(ranks[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
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
