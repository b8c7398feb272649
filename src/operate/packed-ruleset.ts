/**
 * A ruleset as state files have it. Of a hundred thousand rows nearly all fields are what they usually are, and the same
 * file stands behind each: written out that is most of a record, and writing it most of the time between a change and
 * the gate. So what is usual is left out, files and lists of addresses stand there once.
 */
import type { RankEntry } from '../compile/image';
import { type AddressMatch, type Match, MATCH_ALL } from '../model/match';
import type { Prefix } from '../model/prefix';
import type { Rule, Ruleset, Server, SourceRange, SshRow } from '../model/ruleset';
import { type Exchange, type OnRow, packLists, type Row, unpackLists, walkRuleset } from './shared-lists';

/** What is written for a ruleset. */
export interface PackedRuleset {
  /** Of the places of rows. */
  readonly files: readonly string[];
  /** Per list its prefixes one behind the other: family, words, length. */
  readonly lists: readonly (readonly number[])[];
  /** Of its shape, but for numbers in place of lists, and packed rows. */
  readonly ruleset: unknown;
}

/** Ranks of one section and tier that follow each other: rank, action, id. */
export interface PackedRanks extends Pick<RankEntry, 'section' | 'tier'> {
  readonly ranks: readonly (readonly [rank: number, action: RankEntry['action'], id: string])[];
}

/** Fields that most rows have so. */
const USUAL = {
  idIsExplicit: false,
  enabled: true,
  written: { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: false },
} as const satisfies Partial<Rule>;

/** Where a row stands: number of the file, line, column, offset, length. */
type PackedSource = readonly [file: number, line: number, column: number, offset: number, length: number];

/** As it is written. */
export function packRuleset(ruleset: Ruleset): PackedRuleset {
  const files = new Map<string, number>();
  const packRow = rowPacker(files, NOWHERE);
  const { lists, packed } = packLists(ruleset, (value, exchange) => walkRuleset(value, exchange, packRow));
  return { files: [...files.keys()], lists: lists.map(packList), ruleset: packed };
}

/** Packs rows; their places count from `from`. */
function rowPacker(files: Map<string, number>, from: Place): OnRow {
  const packSource = ({ file, line, column, offset, length }: SourceRange): PackedSource => {
    const number = files.get(file) ?? files.size;
    files.set(file, number);
    return [number, line - from.line, column, offset - from.offset, length];
  };
  return <R extends Row>(row: R, exchange: Exchange): R => {
    const fields = row as unknown as Readonly<Record<string, unknown>>;
    const packed: Record<string, unknown> = {};
    for (const field in fields) {
      const value = fields[field];
      if (!isUsual(field, value) && field !== 'match' && field !== 'source') packed[field] = value;
    }
    packed.match = packMatch(row.match, exchange);
    packed.source = packSource(row.source);
    return packed as unknown as R;
  };
}

/** From where places are counted. */
type Place = Pick<SourceRange, 'line' | 'offset'>;
const NOWHERE: Place = { line: 0, offset: 0 };

/** The ruleset again; rows that shared a list share one again. Throws where something of it is missing. */
export function unpackRuleset({ files, lists, ruleset }: PackedRuleset): Ruleset {
  const unpackRow = rowUnpacker(files, NOWHERE);
  return unpackLists({ lists: lists.map(unpackList), packed: ruleset as Ruleset }, (value, exchange) =>
    walkRuleset(value, exchange, unpackRow),
  );
}

function rowUnpacker(files: readonly string[], from: Place): OnRow {
  return <R extends Row>(row: R, exchange: Exchange): R => {
    const [file, line, column, offset, length] = row.source as unknown as PackedSource;
    if ((files as readonly (string | undefined)[])[file] === undefined) throw new Error('the file of a row is missing');
    const match = { ...MATCH_ALL, ...row.match };
    return {
      // of expectations only rules have these
      ...('id' in row && USUAL),
      ...row,
      match: { ...match, from: exchange(match.from), to: exchange(match.to) },
      source: { file: files[file], line: line + from.line, column, offset: offset + from.offset, length },
    };
  };
}

/** One server by itself: places count from its own, and the list of a set stands there by the set's name. */
export interface PackedServer {
  readonly files: readonly string[];
  readonly lists: readonly (readonly number[] | string)[];
  readonly server: Omit<Server, 'source' | 'ssh'> & { readonly ssh?: Omit<SshRow, 'source'> };
  /** File, line, column, offset, length of the server, and of its SSH row. */
  readonly places: readonly PackedSource[];
}

/** `named`: sets by their lists. */
export function packServer(server: Server, named: ReadonlyMap<AddressMatch, string>): PackedServer {
  const { source, ssh, ...rest } = server;
  const files = new Map<string, number>();
  const packRow = rowPacker(files, source);
  const place = (one: SourceRange): PackedSource =>
    packRow({ match: MATCH_ALL, source: one }, (list) => list).source as unknown as PackedSource;
  const places = [source, ...(ssh ? [ssh.source] : [])].map(place);
  const { lists, packed } = packLists(rest, (value, exchange) => ({
    ...value,
    rules: value.rules.map((row) => packRow(row, exchange)),
  }));
  const { ports, from } = ssh ?? {};
  return {
    files: [...files.keys()],
    lists: lists.map((list) => named.get(list) ?? packList(list)),
    server: { ...packed, ...(ports && from && { ssh: { ports, from } }) },
    places,
  };
}

/** The server again, at its place; `named`: lists of sets by name. Throws where something of it is missing. */
export function unpackServer(
  { files, lists, server: { ssh, ...rest }, places }: PackedServer,
  at: Place,
  named: ReadonlyMap<string, AddressMatch>,
): Server {
  const unpackRow = rowUnpacker(files, at);
  // A row is what a place needs to be read like any other; the server's own counts from where nothing stands yet.
  const [source, sshSource] = places.map(
    (place) => unpackRow({ match: MATCH_ALL, source: place as unknown as SourceRange }, (list) => list).source,
  );
  const listOf = (list: readonly number[] | string): readonly Prefix[] => {
    if (typeof list !== 'string') return unpackList(list);
    const found = named.get(list);
    if (found === undefined || found === 'any') throw new Error('the list of a set is missing');
    return found;
  };
  const unpacked = unpackLists({ lists: lists.map(listOf), packed: rest }, (value, exchange) => ({
    ...value,
    rules: value.rules.map((row) => unpackRow(row, exchange)),
  }));
  return { ...unpacked, ...(ssh && { ssh: { ...ssh, source: sshSource } }), source };
}

/** Whether a row has the field as most have it. */
function isUsual(field: string, value: unknown): boolean {
  if (field === 'idIsExplicit' || field === 'enabled') return value === USUAL[field];
  if (field !== 'written') return false;
  const { dashboardRow, ipv4AnyFrom, ipv4AnyTo } = value as Rule['written'];
  return !dashboardRow && !ipv4AnyFrom && !ipv4AnyTo;
}

/** What of a match is written. */
function packMatch(match: Match, exchange: Exchange): Partial<Match> {
  const told: Partial<Record<keyof Match, unknown>> = {};
  for (const key in match) {
    const field = key as keyof Match;
    const value = field === 'from' || field === 'to' ? exchange(match[field]) : match[field];
    if (value !== MATCH_ALL[field]) told[field] = value;
  }
  return told as Partial<Match>;
}

function packList(list: readonly Prefix[]): number[] {
  const numbers: number[] = [];
  for (const { family, words, length } of list) {
    numbers.push(family);
    for (const word of words) numbers.push(word);
    numbers.push(length);
  }
  return numbers;
}

function unpackList(numbers: readonly number[]): Prefix[] {
  const list: Prefix[] = [];
  for (let at = 0; at < numbers.length;) {
    const family = numbers[at];
    const words = family === 4 ? 1 : family === 6 ? 4 : 0;
    if (words === 0 || at + words + 1 >= numbers.length) throw new Error('a list of addresses is broken');
    list.push({ family, words: numbers.slice(at + 1, at + 1 + words), length: numbers[at + 1 + words] } as Prefix);
    at += words + 2;
  }
  return list;
}

/** Runs of one section and tier, in their order. */
export function packRanks(ranks: readonly Omit<RankEntry, 'rule'>[]): PackedRanks[] {
  const runs: { section: string; tier: RankEntry['tier']; ranks: PackedRanks['ranks'][number][] }[] = [];
  for (const { rank, section, tier, action, id } of ranks) {
    let run = runs.at(-1);
    if (run?.section !== section || run.tier !== tier) runs.push((run = { section, tier, ranks: [] }));
    run.ranks.push([rank, action, id]);
  }
  return runs;
}

/** The ranks again. */
export function unpackRanks(runs: readonly PackedRanks[]): Omit<RankEntry, 'rule'>[] {
  return runs.flatMap(({ section, tier, ranks }) =>
    ranks.map(([rank, action, id]) => ({ rank, section, tier, action, id })),
  );
}
