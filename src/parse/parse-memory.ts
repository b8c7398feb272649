/**
 * What reading remembers from one text of a ruleset to the next, so that of thousands of servers those are read whose text
 * is another. Whatever it knows, what comes of a text is what a process reads that has read nothing before.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Diagnostic, movedFinding } from '../diagnostics/diagnostic';
import { firstWhere } from '../model/first-where';
import { movedServer } from '../model/moved';
import type { AddressSet, Ruleset, Server, SourceRange } from '../model/ruleset';
import type { Names } from './names';
import { findServerEdit, linesAfter, type ServerEdit, ServerExcerpt, type ServerLines } from './server-lines';
import type { Service } from './services';

/** Lists that rows share are kept from text to text; beyond that many all is read anew. */
const SHARED_MAX = 400_000;

/** What a row can name that stands elsewhere. */
type Surroundings = Pick<Names, 'joined' | 'addresses' | 'services'> & { readonly sets: readonly AddressSet[] };

/** A server that is a file of its own, as it was read. */
export interface KnownPart {
  readonly text: string;
  readonly server: Server;
  /** What is to be said of it: of its shape, then of its rows. */
  readonly findings: readonly [shape: readonly Diagnostic[], rows: readonly Diagnostic[]];
}

/** A ruleset file with servers in it, as it was read. */
interface KnownText {
  readonly text: string;
  readonly lines: ServerLines;
  /** In the order in which they stand there, and by name. */
  readonly servers: readonly Server[];
  readonly sorted: readonly Server[];
  /** Of each server, in its order. */
  readonly findings: readonly (readonly Diagnostic[])[];
}

/** An edit of one server of a known text. */
export interface KnownEdit {
  readonly known: KnownText;
  readonly edit: ServerEdit;
  readonly excerpt: ServerExcerpt;
  readonly text: string;
}

/** Of one ruleset file. */
export class ParseMemory {
  #file = '';
  #surroundings: Surroundings | null = null;
  #parts = new Map<string, KnownPart>();
  #text: KnownText | null = null;
  /** Servers whose text was read, of all texts together. */
  serversRead = 0;

  /** What follows is about this file. */
  begin(file: string): void {
    if (file !== this.#file) this.forget();
    this.#file = file;
  }

  forget(): void {
    this.#surroundings = null;
    this.#parts.clear();
    this.#text = null;
  }

  /** The sets and services of the text as they were before, where they are the same; else all of before is forgotten. */
  surroundings(sets: readonly AddressSet[], services: ReadonlyMap<string, Service>): Surroundings {
    const before = this.#surroundings;
    const isTooLarge = before !== null && before.addresses.size + before.joined.size > SHARED_MAX;
    if (before === null || isTooLarge || !isSameNames(before, sets, services)) {
      this.forget();
      this.#surroundings = { sets, services, joined: new Map(), addresses: new Map() };
      return this.#surroundings;
    }
    // Who names a set has its list, and is the same object as long as that is.
    const kept = sets.map((set, i) => ({ ...set, addresses: before.sets[i].addresses }));
    return (this.#surroundings = { ...before, sets: kept });
  }

  /** The server of this file, where its text is the same. */
  part(path: string, text: string): KnownPart | undefined {
    const known = this.#parts.get(path);
    return known?.text === text ? known : undefined;
  }

  keepPart(path: string, part: KnownPart): void {
    this.#parts.set(path, part);
  }

  /** Forgets all files but these. */
  keepParts(paths: ReadonlySet<string>): void {
    for (const path of this.#parts.keys()) if (!paths.has(path)) this.#parts.delete(path);
  }

  /** The one server of the file whose lines are others than they were; null where more is to be read. */
  editIn(text: string): KnownEdit | null {
    const known = this.#text;
    const edit = known && findServerEdit(known.text, text, known.lines);
    if (!edit) return null;
    return { known, edit, excerpt: new ServerExcerpt(this.#file, text, known.lines, edit), text };
  }

  /** Keeps what a whole file says; null where its servers cannot be told apart by lines. `findings`: of its own text. */
  keepText(text: string, lines: ServerLines | null, { servers = [] }: Ruleset, findings: readonly Diagnostic[]): void {
    this.#text = null;
    if (lines?.names.length !== servers.length) return;
    const byName = new Map(servers.map((server) => [server.name, server]));
    const ordered = lines.names.flatMap((name) => byName.get(name) ?? []);
    if (ordered.length !== servers.length) return;
    this.#text = { text, lines, servers: ordered, sorted: servers, findings: byServer(findings, this.#file, lines) };
  }

  /**
   * The servers of the whole text and what is to be said of them, of which `read` and `found` are those of the excerpt; null
   * where all must be read. Keeps that text instead of the one before.
   */
  finish(
    { known, edit, text, excerpt }: KnownEdit,
    read: readonly Server[],
    found: readonly Diagnostic[],
  ): { readonly servers: readonly Server[]; readonly findings: readonly Diagnostic[] } | null {
    // A set that its rows may name is another by now.
    if (this.#text !== known) return null;
    const { index, by } = edit;
    const server = read.find(({ name }) => name === known.lines.names[index]);
    if (!server || read.length !== excerpt.names.length) return null;
    const before = known.servers[index];
    // Whether it overlaps with others all of them tell together.
    if (!isDeepStrictEqual([before.addresses, before.ports], [server.addresses, server.ports])) return null;
    const servers = known.servers.map((one, i) => (i === index ? server : i > index ? movedServer(one, by) : one));
    const byName = new Map(servers.map((one) => [one.name, one]));
    const lines = linesAfter(known.lines, edit);
    const inServers = isInServers(this.#file, lines);
    const own = found.filter(({ source }) => inServers(source));
    const findings = known.findings.map((one, i) =>
      i === index
        ? byServer(own, this.#file, lines)[index]
        : i > index && one.length > 0
          ? one.map((finding) => movedFinding(finding, { file: this.#file, from: edit.start, by }))
          : one,
    );
    const sorted = known.sorted.map(({ name }) => byName.get(name)!);
    this.#text = { text, lines, servers, sorted, findings };
    return { servers: sorted, findings: [...found.filter(({ source }) => !inServers(source)), ...findings.flat()] };
  }
}

function isSameNames(
  before: Surroundings,
  sets: readonly AddressSet[],
  services: ReadonlyMap<string, Service>,
): boolean {
  return (
    before.sets.length === sets.length &&
    before.sets.every(({ name, addresses }, i) => name === sets[i].name && isSameList(addresses, sets[i].addresses)) &&
    isDeepStrictEqual(before.services, services)
  );
}

function isSameList(one: AddressSet['addresses'], other: AddressSet['addresses']): boolean {
  if (one === other) return true;
  if (typeof one === 'string' || typeof other === 'string' || one.length !== other.length) return false;
  return one.every(({ family, words, length }, i) => {
    const twin = other[i];
    return family === twin.family && length === twin.length && words.every((word, k) => word === twin.words[k]);
  });
}

/** Whether a place is among the servers of a file. */
function isInServers(file: string, { starts }: ServerLines): (source: SourceRange) => boolean {
  return (source) => source.file === file && source.offset >= starts[0] && source.offset < starts[starts.length - 1];
}

/** Findings of each server by themselves. */
function byServer(findings: readonly Diagnostic[], file: string, lines: ServerLines): Diagnostic[][] {
  const { starts } = lines;
  const inServers = isInServers(file, lines);
  const lists: Diagnostic[][] = lines.names.map(() => []);
  for (const finding of findings) {
    if (!inServers(finding.source)) continue;
    lists[firstWhere(starts, (start) => start > finding.source.offset) - 1].push(finding);
  }
  return lists;
}
