/**
 * The text of one section, or of one key in it: taken out of the text of a ruleset, and put into another one, so that
 * comments and layout of everything else stay as they are. Whoever puts one in parses the result: layouts that depend on
 * what stands elsewhere (anchors) come out as text with errors.
 */
import { isMap, parseDocument, type Node, type Pair, type YAMLMap } from 'yaml';
import { blockEnd, dedented, lineStart, nextLine, type TextPath } from './section-lines';
import {
  joinBundle,
  joinPart,
  nameOfPart,
  type Part,
  partOf,
  splitBundle,
  splitPart,
  withPart,
} from '../../parse/bundle';
import {
  contentEnd,
  isNothing,
  isOwnText,
  openYaml,
  pairEnd,
  pairOf,
  removeKey,
  setKey,
  splice,
  type YamlText,
} from './yaml-text';

const SERVERS = 'servers';

/** Where the text of a key with its value is. */
interface Place {
  readonly map: YAMLMap;
  readonly pair: Pair<Node, Node | null>;
  readonly start: number;
  readonly end: number;
  /** Spaces before the key; null where it shares its line with something else. */
  readonly indent: string | null;
}

/**
 * The key with its value as it is written, from the left margin: whole lines where it has lines of its own. Null where
 * there is none; undefined where it, or what it stands in, is written elsewhere (an alias).
 */
export function takeText(text: string, path: TextPath): string | null | undefined {
  const own = ownFile(text, path);
  if (own) return own.path.length === 0 ? joinPart(own.part) : takeFrom(own.part.text, own.path);
  const { main, dir } = splitBundle(text);
  return dir !== null && path[0] === SERVERS && path.length > 1 ? null : takeFrom(main, path);
}

function takeFrom(text: string, path: TextPath): string | null | undefined {
  const found = find(openYaml(text), path);
  if (!found) return undefined;
  if (!('pair' in found)) return null;
  return found.pair.value === null || isOwnText(found.pair.value) ? textAt(text, found) : undefined;
}

/**
 * The text with the key, as `takeText` or `takeLines` (`section-lines.ts`) gave it, in the place of the one that stands there (null: with
 * none). Null where that is a layout that only its author can change.
 */
export function putText(text: string, path: TextPath, part: string | null): string | null {
  const bundle = splitBundle(text);
  if (bundle.dir === null) return putInto(text, path, part === null ? null : asKey(part));
  if (path[0] !== SERVERS || path.length === 1) {
    const main = putInto(bundle.main, path, part);
    return main === null ? null : joinBundle({ ...bundle, main });
  }
  const own = ownFile(text, path);
  if (path.length === 2) {
    const file = part === null ? null : asFile(part, path[1]);
    if (file === undefined) return null;
    return joinBundle(withPart(bundle, own?.part.path ?? `${bundle.dir}/${path[1]}.yaml`, file));
  }
  const changed = own && putInto(own.part.text, own.path, part);
  return changed == null ? null : joinBundle(withPart(bundle, own!.part.path, changed));
}

/** The file of the server that a path leads into, and the rest of the path; undefined where it has none of its own. */
function ownFile(text: string, path: TextPath): { readonly part: Part; readonly path: TextPath } | undefined {
  const lone = splitPart(text);
  if (lone) return nameOfPart(lone) === path[0] ? { part: lone, path: path.slice(1) } : undefined;
  if (path[0] !== SERVERS || path.length < 2) return undefined;
  const part = partOf(splitBundle(text), path[1]);
  return part && { part, path: path.slice(2) };
}

/** What stands in a server's file as a key of its name, for a ruleset in one file. */
function asKey(part: string): string {
  const lone = splitPart(part);
  if (!lone) return part;
  const lines = lone.text.replace(/^\ufeff/, '').replace(/\n?$/, '\n');
  return `${nameOfPart(lone)}:\n${indented(lines, '  ')}`;
}

/** The other way round; undefined where it is not a key with its value in lines of its own or in braces. */
function asFile(part: string, server: string): string | undefined {
  const lone = splitPart(part);
  if (lone) return lone.text;
  const pair = pairOf(openYaml(part).root!, server);
  if (!pair?.value || !isMap(pair.value) || !isOwnText(pair.value)) return undefined;
  const [start] = pair.value.range!;
  if (pair.value.flow) return part.slice(part.indexOf(':', pair.key.range![1]) + 1).trimStart();
  const lines = part.slice(nextLine(part, pair.key.range![1]));
  const indent = part.slice(lineStart(part, start), start);
  return dedented(lines, indent);
}

function putInto(text: string, path: TextPath, part: string | null): string | null {
  const yaml = openYaml(text);
  const found = find(yaml, path);
  if (!found) return null;
  if (!('pair' in found)) return part === null ? text : insert(yaml, found, path, part);
  if (part === null) return remove(yaml, found, path);
  const { start, end, indent } = found;
  if (indent !== null) return splice(text, start, end, indented(asLines(part, yaml), indent));
  const flow = inFlow(part, yaml);
  return flow === null ? null : splice(text, start, end, flow);
}

/** The key, or the map it would stand in with the keys that are missing; null where that is not written out here. */
function find(yaml: YamlText, path: TextPath): Place | { readonly map: YAMLMap; readonly depth: number } | null {
  let map = yaml.root;
  for (const [depth, key] of path.entries()) {
    if (!map || !isOwnText(map)) return null;
    const pair = pairOf(map, key);
    if (!pair || (depth < path.length - 1 && isEmpty(pair.value))) return { map, depth };
    if (depth === path.length - 1) return placeOf(yaml.text, map, pair);
    map = isMap(pair.value) ? pair.value : null;
  }
  return null;
}

/** A value that holds no key: what is put there takes its place. */
function isEmpty(value: Node | null): boolean {
  return isNothing(value) || (isMap(value) && value.items.length === 0);
}

function placeOf(text: string, map: YAMLMap, pair: Pair<Node, Node | null>): Place {
  const start = pair.key.range![0];
  const line = lineStart(text, start);
  const before = text.slice(line, start);
  if (map.flow || !/^ *$/.test(before)) return { map, pair, start, end: pairEnd(pair), indent: null };
  const end =
    isMap(pair.value) && pair.value.flow ? nextLine(text, pairEnd(pair)) : blockEnd(text, line, before.length);
  return { map, pair, start: line, end, indent: before };
}

function textAt(text: string, { pair, start, end, indent }: Place): string {
  if (indent !== null) return dedented(text.slice(start, end), indent);
  // In braces nothing need stand behind the colon of a key in quotes; elsewhere a space must.
  const [key, value] = [text.slice(start, pair.key.range![1]), text.slice(pair.key.range![1], end)];
  return `${key}${value.replace(/^(\s*:)(?=\S)/, '$1 ')}`;
}

function indented(lines: string, indent: string): string {
  return indent === '' ? lines : lines.replace(/^(?=[^\r\n])/gm, indent);
}

/** With the line ends of the text it goes into, and one at its end. */
function asLines(part: string, { lineEnd }: YamlText): string {
  return `${part.replace(/\r?\n$/, '')}\n`.replace(/\r?\n/g, lineEnd);
}

/** For a place inside braces; null where it cannot be written so. Comments do not fit there. */
function inFlow(part: string, { json }: YamlText): string | null {
  if (!json && !part.endsWith('\n')) return part;
  const document = parseDocument(part, { keepSourceTokens: false, logLevel: 'silent' });
  if (document.errors.length > 0 || !isMap(document.contents)) return null;
  document.contents.flow = true;
  const text = json
    ? JSON.stringify(document.toJS())
    : bare(document).toString({ collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: true });
  return text.trim().replace(/^\{\s*|\s*\}$/g, '');
}

function bare(document: ReturnType<typeof parseDocument>): ReturnType<typeof parseDocument> {
  const strip = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const one = node as { comment?: unknown; commentBefore?: unknown; spaceBefore?: unknown; items?: unknown[] };
    delete one.comment;
    delete one.commentBefore;
    delete one.spaceBefore;
    const { key, value } = node as { key?: unknown; value?: unknown };
    for (const child of [...(one.items ?? []), key, value]) strip(child);
  };
  strip(document);
  strip(document.contents);
  return document;
}

function insert(
  yaml: YamlText,
  { map, depth }: { readonly map: YAMLMap; readonly depth: number },
  path: TextPath,
  part: string,
): string | null {
  const { text, lineEnd } = yaml;
  const missing = path.slice(depth, -1);
  const pair = pairOf(map, path[depth]);
  if (map.flow || isInLine(text, map)) {
    const flow = inFlow(part, yaml);
    if (flow === null) return null;
    if (missing.length === 0) return withFlowEntry(yaml, map, flow);
    return setKey(yaml, map, missing[0], `{ ${flow} }`);
  }
  const first = (map.items[0] as Pair<Node, Node | null>).key.range![0];
  const indent = text.slice(lineStart(text, first), first);
  const lines = asLines(part, yaml);
  if (missing.length === 0) return addLines(yaml, map, indented(lines, indent));
  const deeper = indented(lines, `${indent}  `);
  if (!pair) return addLines(yaml, map, `${indent}${missing[0]}:${lineEnd}${deeper}`);
  // Its key is there, with nothing behind it.
  const colon = text.indexOf(':', pair.key.range![1]);
  const end = pair.value?.range && pair.value.range[1] > colon ? pair.value.range[1] : colon + 1;
  return splice(text, colon + 1, end, `${lineEnd}${deeper.replace(/\r?\n$/, '')}`);
}

/** Whether the map begins in a line in which something else stands. */
function isInLine(text: string, map: YAMLMap): boolean {
  const first = (map.items[0] as Pair<Node, Node | null> | undefined)?.key.range?.[0];
  return first === undefined || !/^ *$/.test(text.slice(lineStart(text, first), first));
}

function withFlowEntry({ text }: YamlText, map: YAMLMap, entry: string): string {
  const last = map.items.at(-1) as Pair<Node, Node | null> | undefined;
  if (!last) return splice(text, map.range![0] + 1, map.range![0] + 1, entry);
  return splice(text, pairEnd(last), pairEnd(last), `, ${entry}`);
}

/** Behind the last key of a map, with what belongs to it. */
function addLines({ text, lineEnd }: YamlText, map: YAMLMap, lines: string): string {
  const last = map.items.at(-1) as Pair<Node, Node | null>;
  const { end } = placeOf(text, map, last);
  const at = end > 0 && text[end - 1] === '\n' ? end : nextLine(text, contentEnd(map));
  return splice(text, at, at, `${at > 0 && text[at - 1] !== '\n' ? lineEnd : ''}${lines}`);
}

function remove(yaml: YamlText, { map, start, end, indent }: Place, path: TextPath): string | null {
  if (map.items.length === 1) return path.length < 2 ? null : putInto(yaml.text, path.slice(0, -1), null);
  return indent === null ? removeKey(yaml, map, path.at(-1)!) : splice(yaml.text, start, end, '');
}
