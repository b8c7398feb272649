/** `servers: { dir }`: each file of a folder is one server, whose name is the file's. */
import { dirname, join } from 'node:path';
import type { Diagnostic } from '../diagnostics/diagnostic';
import type { Server } from '../model/ruleset';
import { isPartFolder, nameOfPart, type Part } from './bundle';
import { type Context, placeOf } from './context';
import { readDocument } from './document';
import { type DocumentNode, type MapEntry, type MapNode, type TextNode, valueOf } from './document-node';
import { at, nulIn, quote, refuse } from './finding';
import { SourceFile } from './locate';
import type { KnownPart, ParseMemory } from './parse-memory';
import { checkShape } from './shape';

/** The folder that `servers` names; undefined where the servers stand in the ruleset file. */
export function folderKey(servers: DocumentNode | undefined): TextNode | undefined {
  const dir = servers?.kind === 'map' ? valueOf(servers, 'dir') : undefined;
  return dir?.kind === 'text' ? dir : undefined;
}

/** The folder that a ruleset file names under `servers: { dir }`, where it may be read; else null, and reading the ruleset says why. */
export function folderNamed(main: string): string | null {
  // Of the long files that name none this is all that is looked at; an odd spelling of the key is refused when it is read.
  if (!/["'\s{]dir["']?\s*:/.test(main)) return null;
  const root = readDocument(new SourceFile('', main), () => undefined);
  const dir = root?.kind === 'map' ? folderKey(valueOf(root, 'servers')) : undefined;
  return dir && isPartFolder(dir.text) ? dir.text : null;
}

/** A server as it is written, with the place where its findings belong: in the ruleset file, or in one of its own. */
export type FolderEntry = { readonly context: Context } & (
  | { readonly known: KnownPart }
  /** `keep`: takes the server that became of it. */
  | { readonly entry: MapEntry; readonly keep?: (server: Server) => void }
);

/** The servers in the folder's files, by path. What is known of one is not read again. */
export function readFolder(dir: TextNode, context: Context, memory: ParseMemory | undefined): FolderEntry[] {
  if (!isPartFolder(dir.text)) {
    const hint = 'such as servers.d: names of letters, digits and . _ - with / between them';
    const message = `${quote(dir.text)} is no folder below that of the ruleset file`;
    context.sink(at(placeOf(context, dir), refuse('parse/server-files', message, hint)));
    return [];
  }
  if (context.folder?.dir !== dir.text) {
    const message = `the servers in ${quote(dir.text)} were not read: this text came without its folder`;
    const hint = 'name the ruleset file itself: what is read from standard input is one file';
    context.sink(at(placeOf(context, dir), refuse('parse/server-files', message, hint)));
    return [];
  }
  const first = new Map<string, Part>();
  memory?.keepParts(new Set(context.folder.parts.map(({ path }) => path)));
  return context.folder.parts.flatMap((part): FolderEntry[] => {
    const twin = first.get(nameOfPart(part));
    first.set(nameOfPart(part), twin ?? part);
    const known = twin ? undefined : memory?.part(part.path, part.text);
    if (known) {
      known.findings[0].forEach(context.report);
      return [{ known, context }];
    }
    const told: Diagnostic[] = [];
    const own = contextOf(part, context, told);
    if (twin) {
      const message = `there are two files of server ${quote(nameOfPart(part))}: this one and ${quote(twin.path)}`;
      own.sink(at({ start: 0, length: 1 }, refuse('parse/server-files', message, 'take one of them away')));
      return [];
    }
    const entry = readPart(part, own);
    if (!entry) return [];
    const shape = [...told];
    const keep = (server: Server): void => {
      if (told.some(({ severity }) => severity === 'error')) return;
      memory?.keepPart(part.path, { text: part.text, server, findings: [shape, told.slice(shape.length)] });
    };
    return [{ ...entry, keep }];
  });
}

/** `told`: takes what is found in the file as well. */
function contextOf({ path, text }: Part, context: Context, told: Diagnostic[]): Context {
  const file = new SourceFile(join(dirname(context.file.name), path), text);
  const report = (finding: Diagnostic): void => {
    told.push(finding);
    context.report(finding);
  };
  return { ...context, file, report, sink: (finding) => report(file.diagnose(finding)) };
}

function readPart(part: Part, context: Context): { readonly entry: MapEntry; readonly context: Context } | null {
  const name = nameOfPart(part);
  const nul = nulIn(part.text);
  if (nul) context.sink(nul);
  const root = nul ? null : readDocument(context.file, context.sink);
  if (!root || root.kind === 'broken') return null;
  if (root.kind !== 'map' || root.entries.length === 0) {
    const found = root.kind === 'map' ? 'empty' : `a ${root.kind}`;
    const problem = refuse(
      'parse/server-files',
      `the file of server ${quote(name)} is ${found}, expected a map`,
      SHAPE,
    );
    context.sink(at({ start: 0, length: 1 }, problem));
    return null;
  }
  const inner = innerMap(root, name);
  if (inner) {
    const message = `${quote(inner.text)} stands above the keys of the server, whose name is that of its file`;
    context.sink(at(placeOf(context, inner), refuse('parse/server-files', message, SHAPE)));
    return null;
  }
  const key = nameNode(root, name);
  const misshapen = checkShape(asRuleset(key, root), context.sink);
  const own: Context = { ...context, sink: (finding) => misshapen.has(finding.start) || context.sink(finding) };
  return { entry: { key, value: root }, context: own };
}

const SHAPE = 'write its keys at the left margin: address: 198.51.100.7';

/** A key that is written as in the ruleset file: the name, or `servers`, with everything below it. */
function innerMap({ entries }: MapNode, name: string): TextNode | undefined {
  return entries.find(({ key, value }) => value.kind === 'map' && (key.text === name || key.text === 'servers'))?.key;
}

/** The name, for findings about the whole server: at the first key of its file. */
function nameNode({ entries: [{ key }] }: MapNode, name: string): TextNode {
  return { kind: 'text', text: name, style: 'plain', start: key.start, end: key.end };
}

/** The server in a ruleset that is otherwise in order, so that one schema says what is wrong with it. */
function asRuleset(key: TextNode, value: MapNode): MapNode {
  const at = { start: key.start, end: key.end } as const;
  const word = (text: string): TextNode => ({ kind: 'text', text, style: 'plain', ...at });
  const servers: MapNode = { kind: 'map', entries: [{ key, value }], ...at };
  return {
    kind: 'map',
    entries: [
      { key: word('version'), value: word('1') },
      { key: word('servers'), value: servers },
    ],
    ...at,
  };
}
