/** Text → ruleset: never guesses, never stops at the first error, never throws for what a user wrote. */
import { dirname, resolve } from 'node:path';
import { isUtf8 } from 'node:buffer';
import type { Diagnostic } from '../diagnostics/diagnostic';
import { countRows } from '../model/moved';
import type { Ruleset } from '../model/ruleset';
import { splitBundle } from './bundle';
import type { Context } from './context';
import { readDocument } from './document';
import { type DocumentNode, valueOf } from './document-node';
import { readExpectations } from './expectations';
import { at, type Finding, nulIn, refuse } from './finding';
import { SourceFile } from './locate';
import { makeNames, type Names } from './names';
import type { KnownEdit, ParseMemory } from './parse-memory';
import { readPlainDocument } from './plain-document';
import { MAX_FILE_BYTES, readRegularFile } from './read-file';
import { MAX_RULES, readGuard, readInbound, readOutbound } from './section';
import { linesOfServers } from './server-lines';
import { MAX_SERVERS, readServers } from './servers';
import { readServices } from './service-table';
import {
  readEchoRates,
  readEthertypes,
  readFragmentMode,
  readIcmpMode,
  readInterfaces,
  readBootOpen,
  readLogging,
  readMaxFlows,
  readMode,
} from './settings';
import { readSets } from './sets';
import { checkShape } from './shape';

/** How a text is read. */
export interface ParseOptions {
  /** Path of the ruleset: it names the file in findings, and paths of sets are relative to its folder. */
  readonly file: string;
  /**
   * Reads a file named in the ruleset, by absolute path; throws an Error when it cannot. Left out: regular
   * files of at most 64 MiB.
   */
  readonly readFile?: (path: string) => Uint8Array;
  /** Warnings are errors. */
  readonly strict?: boolean;
  /** What was read before in this process: servers whose text is the same are not read again. */
  readonly memory?: ParseMemory;
}

/** A ruleset, or why there is none. */
export interface ParseResult {
  /** Null if and only if a finding is an error. */
  readonly ruleset: Ruleset | null;
  /** All findings: those in the ruleset file first, each file from top to bottom. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads a ruleset from YAML or JSON text, or from the bytes of such a file (UTF-8). One whose servers are files of a folder
 * (`servers: { dir }`) is read from the text that `readRulesetText` makes of them all.
 */
export function parseRuleset(text: string | Uint8Array, options: ParseOptions): ParseResult {
  const decoded = decodeText(text);
  const { main, dir, parts } = splitBundle(decoded.text);
  const readFile = options.readFile ?? readRegularFile;
  const own = dirname(resolve(options.file));
  const place: Place = {
    readFile: (path) => readFile(resolve(own, path)),
    folder: dir === null ? null : { dir, parts },
    memory: decoded.problem ? undefined : options.memory,
  };
  place.memory?.begin(options.file);
  const edit = dir === null ? place.memory?.editIn(main) : undefined;
  const { ruleset, diagnostics } =
    (edit && readEdit(edit, place)) ?? readWhole(new SourceFile(options.file, main), decoded.problem, place);
  const findings = options.strict ? diagnostics.map(raise) : diagnostics;
  const failed = findings.some(isError);
  return { ruleset: failed ? null : ruleset, diagnostics: sortByPlace(findings, options.file) };
}

function isError({ severity }: Diagnostic): boolean {
  return severity === 'error';
}

/** What comes with the text of a ruleset file. */
type Place = Pick<Context, 'readFile' | 'folder'> & { readonly memory: ParseMemory | undefined };

/** What a text says, before anybody asks whether that is a ruleset. */
type Reading = Pick<ParseResult, 'ruleset' | 'diagnostics'>;

function contextOf(file: SourceFile, { readFile, folder }: Place, diagnostics: Diagnostic[]): Context {
  return {
    ...{ file, readFile, folder },
    sink: (finding) => diagnostics.push(file.diagnose(finding)),
    report: (diagnostic) => diagnostics.push(diagnostic),
  };
}

function readWhole(file: SourceFile, undecoded: Finding | undefined, place: Place): Reading {
  const { memory } = place;
  const diagnostics: Diagnostic[] = [];
  const context = contextOf(file, place, diagnostics);
  const problem = undecoded ?? nulIn(file.text);
  if (problem) context.sink(problem);
  // Of what the library reads nobody knows which lines are whose.
  const plain = memory && !problem ? readPlainDocument(file) : null;
  const root = plain ?? (problem ? null : readDocument(file, context.sink));
  const ruleset = root && readRuleset(root, context, memory);
  if (memory && plain && ruleset && place.folder === null && !diagnostics.some(isError))
    memory.keepText(file.text, linesOfServers(file, plain), ruleset, diagnostics);
  return { ruleset, diagnostics };
}

/** Reads the one server that was edited, and all that is no server; null where the whole text must be read. */
function readEdit(edit: KnownEdit, place: Place): Reading | null {
  const memory = place.memory!;
  const { excerpt } = edit;
  const root = nulIn(excerpt.text) ? null : readPlainDocument(excerpt);
  const servers = root && valueOf(root, 'servers');
  if (servers?.kind !== 'map' || servers.entries.map(({ key }) => key.text).join() !== excerpt.names.join())
    return null;
  const found: Diagnostic[] = [];
  const ruleset = readRuleset(root!, contextOf(excerpt, place, found), memory);
  if (!ruleset || found.some(isError)) return null;
  const whole = memory.finish(edit, ruleset.servers ?? [], found);
  if (!whole || whole.servers.length > MAX_SERVERS) return null;
  const { guard, inbound, outbound } = ruleset;
  const others = [inbound, outbound, { rules: guard.keepReachable }, guard];
  if (others.reduce((sum, { rules }) => sum + rules.length, countRows(whole.servers)) > MAX_RULES) return null;
  return { ruleset: { ...ruleset, servers: whole.servers }, diagnostics: whole.findings };
}

/** Its size as UTF-8; of a text that is surely within bounds no less than that: a character has three bytes at most. */
function mostBytes(text: string): number {
  return 3 * text.length <= MAX_FILE_BYTES ? 3 * text.length : Buffer.byteLength(text);
}

function decodeText(input: string | Uint8Array): { text: string; problem?: ReturnType<typeof at> } {
  const size = typeof input === 'string' ? mostBytes(input) : input.length;
  if (size > MAX_FILE_BYTES) {
    const problem = refuse('parse/too-large', `the ruleset has ${size} bytes, at most ${MAX_FILE_BYTES} are read`);
    return { text: '', problem: at({ start: 0, length: 0 }, problem) };
  }
  if (typeof input !== 'string' && !isUtf8(input)) {
    const utf16 = (input[0] === 0xff && input[1] === 0xfe) || (input[0] === 0xfe && input[1] === 0xff);
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(input);
    const message = utf16 ? 'the file is UTF-16, expected UTF-8' : 'the file is not UTF-8 text';
    const start = Math.max(0, text.indexOf('\ufffd'));
    return { text, problem: at({ start, length: 1 }, refuse('parse/encoding', message, 'save it as UTF-8')) };
  }
  return { text: typeof input === 'string' ? input : new TextDecoder('utf-8', { ignoreBOM: true }).decode(input) };
}

function readRuleset(root: DocumentNode, outer: Context, memory: ParseMemory | undefined): Ruleset | null {
  const misshapen = checkShape(root, outer.sink);
  const context: Context = { ...outer, sink: (finding) => misshapen.has(finding.start) || outer.sink(finding) };
  if (root.kind !== 'map') return null;
  const written = {
    services: readServices(valueOf(root, 'services'), context),
    sets: readSets(valueOf(root, 'sets'), context),
  };
  const named = memory?.surroundings(written.sets, written.services);
  const { services, sets } = named ?? written;
  const byName = new Map(sets.map((set) => [set.name, set.addresses]));
  const { joined, addresses } = named ?? makeNames();
  const shared: Pick<Names, 'joined' | 'addresses'> = { joined, addresses };
  const makeSectionNames = (sshPorts: readonly number[] | undefined): Names => ({
    ...makeNames({ sets: byName, services, ...(sshPorts && { sshPorts }) }),
    ...shared,
  });
  const { section: inbound, names } = readInbound(valueOf(root, 'inbound'), context, makeSectionNames);
  const guard = readGuard(valueOf(root, 'guard'), names, context);
  // Outside, SSH is where everybody has it, wherever this machine's own is.
  const outbound = readOutbound(valueOf(root, 'outbound'), makeSectionNames(undefined), context);
  const others = [inbound.rules, outbound.rules, guard.keepReachable, guard.rules];
  const servers = readServers(valueOf(root, 'servers'), context, {
    makeNames: makeSectionNames,
    rules: others.reduce((sum, { length }) => sum + length, 0),
    memory,
  });
  const maxFlows = readMaxFlows(valueOf(root, 'flows'));
  return {
    version: 1,
    interfaces: readInterfaces(valueOf(root, 'interfaces'), context),
    mode: readMode(valueOf(root, 'mode')),
    icmp: readIcmpMode(valueOf(root, 'icmp')),
    echo: readEchoRates(valueOf(root, 'icmp'), context),
    fragments: readFragmentMode(valueOf(root, 'fragments')),
    ...(maxFlows !== undefined && { maxFlows }),
    logging: readLogging(valueOf(root, 'logging')),
    ...(readBootOpen(valueOf(root, 'boot')) && { boot: 'open' as const }),
    ethertypes: readEthertypes(valueOf(root, 'ethertypes'), context),
    sets,
    guard,
    inbound,
    outbound,
    ...(servers.length > 0 && { servers }),
    expect: readExpectations(valueOf(root, 'expect'), names, context),
  };
}

function raise(diagnostic: Diagnostic): Diagnostic {
  return diagnostic.severity === 'warning' ? { ...diagnostic, severity: 'error' } : diagnostic;
}

function sortByPlace(diagnostics: readonly Diagnostic[], mainFile: string): readonly Diagnostic[] {
  const files = new Map([[mainFile, 0]]);
  for (const { source } of diagnostics) if (!files.has(source.file)) files.set(source.file, files.size);
  const order = (a: Diagnostic, b: Diagnostic): number =>
    files.get(a.source.file)! - files.get(b.source.file)! || a.source.offset - b.source.offset;
  return [...diagnostics].sort(order);
}
