/** Places in YAML (or JSON) text, so that edits can leave everything else as it was written. */
import {
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  parseDocument,
  type Node,
  type Pair,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { lineStart, nextLine } from './section-lines';

/** A text and what its author's style is; offsets count UTF-16 units. */
export interface YamlText {
  readonly text: string;
  /** The outermost map; null where the text is something else. */
  readonly root: YAMLMap | null;
  /** Line end of the first line. */
  readonly lineEnd: '\n' | '\r\n';
  /** The text is JSON: no comments, no plain scalars, quoted keys. */
  readonly json: boolean;
  /** Set where the text is the file of one server, whose keys are those of the outermost map. */
  readonly server?: string;
}

/** Reads a text that parse has accepted already; `server`: whose own file it is. */
export function openYaml(text: string, server?: string): YamlText {
  const document = parseDocument(text, { keepSourceTokens: true, logLevel: 'silent', prettyErrors: false });
  const root = document.contents;
  return {
    text,
    root: isMap(root) ? root : null,
    lineEnd: /^[^\n]*\r\n/.test(text) ? '\r\n' : '\n',
    json: isJson(text),
    ...(server !== undefined && { server }),
  };
}

/** The pair of a key, undefined where the map has none. */
export function pairOf(map: YAMLMap, key: string): Pair<Node, Node | null> | undefined {
  return (map.items as Pair<Node, Node | null>[]).find((pair) => isScalar(pair.key) && writtenKey(pair.key) === key);
}

/** A key as it is written, as parse reads it: YAML takes `0x11` and `1e3` for numbers, and a server may have the name. */
function writtenKey({ value, source }: Scalar): string {
  return typeof value === 'string' ? value : (source ?? String(value));
}

/** Where a node's own text ends: without the comments, blank lines and line end after it. */
export function contentEnd(node: Node): number {
  if (isCollection(node) && !node.flow) {
    const ends = node.items.map((item) =>
      isPair(item) ? pairEnd(item as Pair<Node, Node | null>) : contentEnd(item as Node),
    );
    return Math.max(node.range![0], ...ends);
  }
  return node.range![1];
}

/** Where the text of a pair ends. */
export function pairEnd(pair: Pair<Node, Node | null>): number {
  return pair.value?.range ? Math.max(contentEnd(pair.value), pair.key.range![1]) : pair.key.range![1];
}

/** Whether nothing is written where the value belongs, or only `null` or `~`. */
export function isNothing(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.value === null);
}

/** Whether the node is written out here (no alias, no anchor, no tag), so that changing it changes nothing else. */
export function isOwnText(node: Node): boolean {
  return !isAlias(node) && !(node as { anchor?: string }).anchor && !node.tag?.startsWith('!');
}

/** A text as a scalar in this place: plain where that reads back as the same text, else in double quotes. */
export function scalarText(yaml: YamlText, value: string, place: 'block' | 'flow'): string {
  const quoted = JSON.stringify(value);
  if (yaml.json || /[\r\n\t]/.test(value)) return quoted;
  const trial = parseDocument(place === 'block' ? `- ${value}\n` : `[${value}]\n`, { logLevel: 'silent' });
  const back: unknown = trial.errors.length > 0 ? null : trial.toJS();
  const same = Array.isArray(back) && back.length === 1 && back[0] === value && !/ #/.test(value);
  return same ? value : quoted;
}

/** Sets a scalar of a map, adding the key where it is missing; `value` is the finished scalar text. */
export function setKey(
  yaml: YamlText,
  map: YAMLMap,
  key: string,
  value: string,
  where: 'first' | 'last' = 'last',
): string {
  const { text } = yaml;
  const pair = pairOf(map, key);
  if (pair) return setValue(text, pair, value);
  const name = yaml.json ? JSON.stringify(key) : key;
  const entries = map.items as Pair<Node, Node | null>[];
  if (map.flow) {
    if (entries.length === 0) return splice(text, map.range![0] + 1, map.range![0] + 1, `${name}: ${value}`);
    const [at, added] =
      where === 'first'
        ? [entries[0].key.range![0], `${name}: ${value}, `]
        : [pairEnd(entries.at(-1)!), `, ${name}: ${value}`];
    return splice(text, at, at, added);
  }
  const first = entries[0].key.range![0];
  const indent = ' '.repeat(first - lineStart(text, first));
  if (where === 'first') return splice(text, first, first, `${name}: ${value}${yaml.lineEnd}${indent}`);
  return insertLine(yaml, pairEnd(entries.at(-1)!), `${indent}${name}: ${value}`);
}

/** Removes a key of a map that keeps others; a comment behind it in its line goes with it. */
export function removeKey({ text }: YamlText, map: YAMLMap, key: string): string {
  const entries = map.items as Pair<Node, Node | null>[];
  const at = entries.findIndex((pair) => pair === pairOf(map, key));
  if (at < 0) return text;
  const start = entries[at].key.range![0];
  // The first one stands behind what opens the map.
  if (at === 0) return splice(text, start, entries[1].key.range![0], '');
  if (map.flow) return splice(text, pairEnd(entries[at - 1]), pairEnd(entries[at]), '');
  return splice(text, lineStart(text, start), nextLine(text, pairEnd(entries[at])), '');
}

/** Replaces the value of a pair, whatever it was. */
export function setValue(text: string, pair: Pair<Node, Node | null>, value: string): string {
  const range = pair.value?.range;
  if (range && range[1] > range[0]) return splice(text, range[0], range[1], value);
  const colon = text.indexOf(':', pair.key.range![1]);
  return splice(text, colon + 1, colon + 1, ` ${value}`);
}

/** Puts lines after the one in which `offset` (the end of some content) stands. */
export function insertLine(yaml: YamlText, offset: number, lines: string): string {
  const { text, lineEnd } = yaml;
  // The end of a block scalar is the start of the next line already.
  const at = offset > 0 && text[offset - 1] === '\n' ? offset : nextLine(text, offset);
  const before = at > 0 && text[at - 1] !== '\n' ? lineEnd : '';
  return splice(text, at, at, `${before}${lines}${lineEnd}`);
}

/** `text` with the part from `start` to `end` exchanged. */
export function splice(text: string, start: number, end: number, replacement: string): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text.replace(/^\ufeff/, ''));
    return true;
  } catch {
    return false;
  }
}
