/** What the ranks of a generation mean: kept in a file before its gate opens, read by every later process. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Image, RankEntry } from '../compile/image';
import type { Prefix } from '../model/prefix';
import { NO_GUARD, type Rule, type Ruleset, type Server, writtenSections } from '../model/ruleset';
import { isServerBefore, rulesetReturned, sectionNow, type Trial } from '../model/trial';
import type { ChangeNote } from './change-note';
import type { StateRead } from './sealed-file';
import {
  type PackedRanks,
  type PackedRuleset,
  packRanks,
  packRuleset,
  unpackRanks,
  unpackRuleset,
} from './packed-ruleset';
import {
  hasServerFile,
  keepServerRows,
  partRanks,
  prepareServerRows,
  pruneServerFiles,
  type RankedRuleset,
  readServerRows,
  type ServerRows,
} from './server-rows';
import { unpackLists, walkRuleset } from './shared-lists';
import { type EnforcedState, fileMark, readStateFile, type StateFolder, writeStateFile } from './state-files';
import { messageOf } from './system-error';

/** A file that verbs changed and nobody has confirmed. */
export interface FileEdit {
  readonly file: string;
  /** Digests of the text that is to stand in it again where this is not confirmed, and of the one that verbs wrote. */
  readonly before: string;
  readonly after: string;
}

/** A section that waits to be confirmed by itself. */
export interface PendingSection extends Trial {
  /** How long it waits, from the change on. */
  readonly seconds: number;
  /** Its text in the file before, from the left margin; null where there was none. */
  readonly before: string | null;
  /** Verbs wrote the text that waits: it is taken back with the rows. */
  readonly edited: boolean;
  /**
   * Changes that wait with it, by the generation they became and their time; `group`: the one whose server it was, of a
   * change that came through the server's socket.
   */
  readonly began: readonly { readonly generation: number; readonly at: string; readonly group?: string }[];
  /** It was confirmed while a change waited as a whole: until that has ended both states of it stay in the image. */
  readonly confirmed?: true;
}

export interface GenerationRecord {
  readonly generation: number;
  /** Installation the generation belongs to (`SharedState.instance`). */
  readonly instance: string;
  /** ISO time of the apply. */
  readonly since: string;
  readonly digest: string;
  /** Of the objects its programs come from (`datapathDigest`). */
  readonly datapath: string;
  readonly counterSlots: number;
  readonly imageBytes: number;
  readonly features: Image['features'];
  readonly sections: readonly string[];
  /** Names of the interfaces it is for; left out by older versions. */
  readonly interfaces?: readonly string[];
  /** The file it came from, until `enforced.json` says so too. */
  readonly source: Pick<EnforcedState, 'file' | 'textDigest' | 'interfaceOverride'>;
  /** Without `rule`: those are found by id in `ruleset`. */
  readonly ranks: readonly Omit<RankEntry, 'rule'>[];
  /** Set where the change had to be confirmed. */
  readonly confirm?: {
    readonly seconds: number;
    /** Interfaces that the ruleset filters; others are let go of when it is confirmed. */
    readonly ifindexes: readonly number[];
    /** Files that verbs changed, also for changes that wait with this one. */
    readonly edits?: readonly FileEdit[];
    /** Confirmed, it is also what systemd loads at boot (`enable`). */
    readonly atBoot?: boolean;
  };
  /** The change is none of those that wait as a whole: it is also in what judges again where nobody confirms them. */
  readonly beside?: true;
  /** Sections that wait to be confirmed by themselves. */
  readonly trials?: readonly PendingSection[];
  /** The first rank of what judges again in them otherwise. */
  readonly returningFrom?: number;
  /** Set where a boot loaded it: boots go on with what they did; `nothing`: so do verbs. */
  readonly keep?: 'file' | 'nothing';
  /** What the history is to say of it; left out where it is no change of anybody's, such as what a boot loads again. */
  readonly change?: ChangeNote;
  /** The ruleset with its sets resolved, as it was compiled. */
  readonly ruleset: Ruleset;
}

/** Since 5 servers of many rows have a file of their own. */
const SCHEMA_VERSION = 5;
/** In which rows are written out; in 3 they share lists of addresses, in 2 each has its own copies. */
const UNPACKED_SINCE = 2;

/** Throws `SluiceError` `state/too-large` where it would be larger than what is read again, and as `writeStateFile`. */
export function writeGenerationRecord(
  folder: StateFolder,
  record: GenerationRecord,
  /** What `prepareRecord` has made of its ruleset and ranks. */
  packed: PackedRuleset = packRecordRuleset(record.ruleset),
): void {
  const name = generationFile(record.generation);
  const { ruleset, ranks, trials, ...rest } = record;
  const waiting = trials && {
    trials: trials.map(({ previous: { name }, word, seconds, before, edited, began, confirmed }) => ({
      ...{ section: name, word, seconds, before, edited, began },
      ...(confirmed && { confirmed }),
    })),
    packedBefore: packRuleset(bareRuleset(ruleset, trials)),
  };
  // Before all else: by it `pruneServerFiles` knows which files are in use.
  const [apart, own] = hasServerFile(ruleset) ? partRanks(record) : [null, ranks];
  const servers = apart && { servers: keepServerRows(folder, ruleset, apart) };
  writeStateFile(folder, name, SCHEMA_VERSION, {
    ...servers,
    ...{ ...rest, ...waiting, packed, ranks: packRanks(own) },
  });
  remember(join(folder.path, name), fileMark(join(folder.path, name)), record);
}

/**
 * What of a record can be made before its generation is: the file of many servers' rows, and its ruleset packed. The rows
 * are most of what is written down of thousands of servers, and name no generation.
 */
export function prepareRecord(folder: StateFolder, record: RankedRuleset): PackedRuleset {
  prepareServerRows(folder, record, 'now');
  return packRecordRuleset(record.ruleset);
}

/** What of a ruleset stands in its record itself. */
function packRecordRuleset(ruleset: Ruleset): PackedRuleset {
  return packRuleset(hasServerFile(ruleset) ? { ...ruleset, servers: [] } : ruleset);
}

/** Nothing but the sections before. */
function bareRuleset(ruleset: Ruleset, trials: readonly PendingSection[]): Ruleset {
  const { inbound, outbound } = ruleset;
  const bare = {
    ...ruleset,
    ...{ sets: [], guard: NO_GUARD, expect: [] },
    ...{ inbound: { ...inbound, rules: [] }, outbound: { ...outbound, rules: [] } },
    servers: trials.map(({ previous }) => previous).filter(isServerBefore),
  };
  return rulesetReturned(bare, trials, () => true);
}

/**
 * Records that this process has read or written, by path, and what the file was like: a record of many rules takes a
 * tenth of a second to read, and a change reads those before and after it several times.
 */
const remembered = new Map<string, { readonly mark: string | null; readonly record: GenerationRecord }>();

/** Of several namespaces those that judge and those they replace; a daemon reads every one there ever is. */
const REMEMBERED_MAX = 4;

function remember(path: string, mark: string | null, record: GenerationRecord): void {
  remembered.delete(path);
  remembered.set(path, { mark, record });
  for (const oldest of remembered.keys()) {
    if (remembered.size <= REMEMBERED_MAX) break;
    remembered.delete(oldest);
  }
}

/** The record, or null where it is lost or belongs to another installation. */
export function readGenerationRecord(
  folder: StateFolder,
  generation: number,
  instance: string,
): GenerationRecord | null {
  const path = join(folder.path, generationFile(generation));
  const mark = fileMark(path);
  const known = remembered.get(path);
  let record = known && known.mark === mark ? known.record : null;
  if (!record) {
    record = readRecordFile(folder, generationFile(generation)).value;
    if (record) remember(path, mark, record);
    else remembered.delete(path);
  }
  return record?.instance === instance ? record : null;
}

/** Where the rows of servers are lost: those servers from elsewhere, without what their ranks meant. Throws where there are none. */
export type LostServers = (record: GenerationRecord, why: string) => readonly Server[];

/** The record in a file of the folder, of whatever installation. */
export function readRecordFile(
  folder: StateFolder,
  name: string,
  lostServers?: LostServers,
): StateRead<GenerationRecord> {
  const check = (body: unknown): GenerationRecord => {
    const record = (body ?? {}) as Partial<GenerationRecord> & Written;
    if (
      typeof record.instance !== 'string' ||
      !Array.isArray(record.ranks) ||
      typeof (record.packed ?? record.ruleset) !== 'object' ||
      typeof record.source?.file !== 'string'
    ) {
      throw new Error('fields are missing');
    }
    const { packed, packedBefore, lists, servers, ...rest } = record as GenerationRecord & Written;
    const own = { ...rest, ...rowsOf(rest, { packed, lists }), ...trialsOf(rest, packedBefore) };
    return servers ? withServers(folder, own, servers, lostServers) : own;
  };
  return readStateFile(folder, name, SCHEMA_VERSION, check, UNPACKED_SINCE);
}

/** What a file has in place of rows. */
interface Written {
  readonly packed?: PackedRuleset | undefined;
  /** Of sections that wait what was before. */
  readonly packedBefore?: PackedRuleset | undefined;
  readonly lists?: readonly (readonly Prefix[])[] | undefined;
  /** Where the servers are in a file of their own. */
  readonly servers?: ServerRows | undefined;
}

function withServers(
  folder: StateFolder,
  record: GenerationRecord,
  rows: ServerRows,
  lostServers?: LostServers,
): GenerationRecord {
  const read = (): ReturnType<typeof readServerRows> => {
    try {
      return readServerRows(folder, rows, record.ruleset.sets);
    } catch (error) {
      if (!lostServers) throw error;
      return { servers: lostServers(record, messageOf(error)), ranks: [] };
    }
  };
  const { servers, ranks } = read();
  const { returningFrom = Infinity } = record;
  const before = record.ranks.filter(({ rank }) => rank < returningFrom);
  const returning = record.ranks.filter(({ rank }) => rank >= returningFrom);
  return { ...record, ruleset: { ...record.ruleset, servers }, ranks: [...before, ...ranks, ...returning] };
}

function trialsOf(
  { trials }: Pick<GenerationRecord, 'trials'>,
  packed: PackedRuleset | undefined,
): Pick<GenerationRecord, 'trials'> {
  if (!trials || !packed) return {};
  const before = unpackRuleset(packed);
  const withPrevious = (trial: PendingSection & { readonly section?: string }, i: number): PendingSection => {
    const { section, ...rest } = trial;
    // Older versions know servers only, and name them by their place.
    const previous = section === undefined ? before.servers?.[i] : sectionNow(before, section);
    if (!previous) throw new Error('what was before a section that waits is missing');
    return { ...rest, previous };
  };
  return { trials: trials.map(withPrevious) };
}

function rowsOf(
  { ruleset, ranks }: Pick<GenerationRecord, 'ruleset' | 'ranks'>,
  { packed, lists }: Written,
): Pick<GenerationRecord, 'ruleset' | 'ranks'> {
  if (packed) return { ruleset: unpackRuleset(packed), ranks: unpackRanks(ranks as unknown as PackedRanks[]) };
  return { ruleset: lists ? unpackLists({ lists, packed: ruleset }, walkRuleset) : ruleset, ranks };
}

/** Tiers of rows that nobody wrote. */
const IMPLICIT: ReadonlySet<RankEntry['tier']> = new Set(['6', '8', '9', 'out 7']);

/** Ranks with their rules again. */
export function rankEntriesOf(record: GenerationRecord): RankEntry[] {
  const nameOf = (section: string, id: string): string => `${section}/${id}`;
  const named = (sections: ReturnType<typeof writtenSections>): ReadonlyMap<string, Rule> =>
    new Map(sections.flatMap(({ name, rules }) => rules.map((rule) => [nameOf(name, rule.id), rule] as const)));
  const rules = named(writtenSections(record.ruleset));
  const before = named(
    (record.trials ?? []).map(({ previous }) => ({
      name: previous.name,
      rules: 'keepReachable' in previous ? [...previous.keepReachable, ...previous.rules] : previous.rules,
    })),
  );
  const { returningFrom = Infinity } = record;
  return record.ranks.map((entry) => {
    const known = entry.rank >= returningFrom ? before : rules;
    const rule = IMPLICIT.has(entry.tier) ? undefined : known.get(nameOf(entry.section, entry.id));
    return rule ? { ...entry, rule } : entry;
  });
}

/** Forgets the records of all generations but the named ones. */
export function pruneGenerationRecords(folder: StateFolder, keep: ReadonlySet<number>): void {
  let names: string[];
  try {
    names = readdirSync(folder.path);
  } catch {
    return; // there is no folder, so there is no record
  }
  for (const name of names) {
    const match = /^generation-(\d+)\.json$/.exec(name);
    if (match && !keep.has(Number(match[1]))) rmSync(join(folder.path, name), { force: true });
  }
  for (const path of remembered.keys()) if (fileMark(path) === null) remembered.delete(path);
  pruneServerFiles(folder);
}

/** Name of a record in the state folder. */
export function generationFile(generation: number): string {
  return `generation-${generation}.json`;
}
