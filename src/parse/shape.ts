/** Checks the tree of a document against the shape of a ruleset, and puts each problem at its place. */
import { ACTIONS, SYNONYMS } from './action-word';
import { type DocumentNode, isNothing, type MapNode, valueOf } from './document-node';
import { at, quote, refuse, type Sink } from './finding';
import { nearest } from './nearest';
import type { ShapeProblem } from './schema';
import { isUsualShape } from './usual-shape';

/** Loaded by the first file that needs it: zod costs every command 50 ms. */
function schema(): typeof import('./schema') {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import would load it with this file
  return require('./schema') as typeof import('./schema');
}

/** Keys that may stand without a value, as if they were not there: all their rows are commented out. */
const MAY_BE_EMPTY = new Set([
  'rules',
  'sets',
  'services',
  'expect',
  'inbound',
  'outbound',
  'guard',
  'keep-reachable',
  'servers',
]);

/** Keys whose values are words of the format; their case does not matter. */
const WORD_KEYS = new Set([
  'action',
  'verdict',
  'default',
  'direction',
  'mode',
  'icmp',
  'family',
  'enabled',
  'log',
  'udp',
  'ssh',
  'fragments',
  'logging',
]);

/**
 * Reports every key and value that the format does not have. Returns the offsets of values of the wrong
 * kind: a reader that meets one has nothing to add.
 */
export function checkShape(root: DocumentNode, sink: Sink): ReadonlySet<number> {
  const starts = new Set<number>();
  if (isUsualShape(root)) return starts;
  for (const problem of schema().findShapeProblems(toPlain(root, ''))) {
    if (problem.kind === 'type' || problem.kind === 'value') starts.add(follow(root, problem.path).start);
    report(root, problem, sink);
  }
  return starts;
}

/** Plain data for the schema. Maps have no prototype, so that no key is special. */
export function toPlain(node: DocumentNode, key: string): unknown {
  switch (node.kind) {
    case 'broken':
      return null;
    case 'list':
      return node.items.map((item) => toPlain(item, key));
    case 'text':
      if (node.style !== 'plain') return WORD_KEYS.has(key) ? node.text.toLowerCase() : node.text;
      if (isNothing(node)) return null;
      if (/^(true|false)$/i.test(node.text)) return node.text.toLowerCase() === 'true';
      if (/^-?[0-9]{1,15}$/.test(node.text)) return Number(node.text);
      return WORD_KEYS.has(key) || /^(anyone|rules)$/i.test(node.text) ? node.text.toLowerCase() : node.text;
    case 'map': {
      const plain = Object.create(null) as Record<string, unknown>;
      for (const entry of node.entries) {
        const name = entry.key.text;
        if (MAY_BE_EMPTY.has(name) && isNothing(entry.value)) continue;
        // A set whose lines are all commented out is an empty list.
        plain[name] = key === 'sets' && isNothing(entry.value) ? [] : toPlain(entry.value, name);
      }
      return plain;
    }
  }
}

function report(root: DocumentNode, problem: ShapeProblem, sink: Sink): void {
  const node = follow(root, problem.path);
  if (node.kind === 'broken') return;
  switch (problem.kind) {
    case 'unknown-key': {
      const { key, value } = (node as MapNode).entries.find((entry) => entry.key.text === problem.key)!;
      if (isRow(problem.path) && isAction(problem.key)) {
        const rest = value.kind === 'text' ? ` ${value.text}` : ' …';
        const message = `YAML reads the colon in this row as a key: ${quote(`${problem.key}:${rest}`)}`;
        const place = { start: key.start, length: key.end - key.start };
        sink(at(place, refuse('parse/yaml-colon', message, `write - ${problem.key}${rest}`)));
        return;
      }
      const guess = nearest(problem.key, problem.known);
      const hint =
        problem.path.length === 0 && OF_SECTIONS.has(problem.key)
          ? `write it under inbound:`
          : problem.path.join() === 'servers'
            ? `each server is a file of that folder, ${problem.key}.yaml; or take dir away`
            : guess === undefined
              ? `known here: ${problem.known.filter((k) => k !== '$schema').join(', ')}`
              : `did you mean ${guess}?`;
      const place = { start: key.start, length: key.end - key.start };
      sink(
        at(place, refuse('parse/unknown-key', `${quote(problem.key)} is not a key of ${nameOf(problem.path)}`, hint)),
      );
      return;
    }
    case 'missing-key': {
      // `- allow: 22`, which is said where the word stands.
      if (isRow(problem.path) && node.kind === 'map' && node.entries.some((entry) => isAction(entry.key.text))) return;
      const message = `the key ${quote(problem.key)} is missing in ${nameOf(problem.path)}, expected ${problem.expected}`;
      const code = problem.key === 'version' ? 'parse/version' : 'parse/missing-key';
      const hint = problem.key === 'version' ? 'write version: 1 in the first line' : `write ${problem.key}: …`;
      const first = node.kind === 'map' ? node.entries[0]?.key : undefined;
      const place = first ? { start: first.start, length: first.end - first.start } : { start: node.start, length: 1 };
      sink(at(place, refuse(code, message, hint)));
      return;
    }
    default: {
      const found = describe(node);
      const version = problem.path.length === 1 && problem.path[0] === 'version';
      const code = version ? 'parse/version' : problem.kind === 'value' ? 'parse/bad-value' : 'parse/wrong-type';
      const message = version
        ? `version ${found} of the ruleset format is not known here, expected 1`
        : `${nameOf(problem.path)} is ${found}, expected ${problem.expected}`;
      const guess = node.kind === 'text' ? valueMeant(node.text, problem.values) : undefined;
      const hint = guess === undefined ? splitRowHint(node, problem.path) : `did you mean ${guess}?`;
      const length = node.kind === 'text' ? Math.max(1, node.end - node.start) : 1;
      sink(at({ start: node.start, length }, refuse(code, message, hint)));
    }
  }
}

/** Keys of a section that are looked for at the top. */
const OF_SECTIONS: ReadonlySet<string> = new Set(['rules', 'default', 'udp', 'ssh']);

function isRow(path: readonly (string | number)[]): boolean {
  return path.at(-2) === 'rules' && typeof path.at(-1) === 'number';
}

function isAction(word: string): boolean {
  return (ACTIONS as readonly string[]).includes(word.toLowerCase());
}

/** `drop` for `deny`, else the nearest value. */
function valueMeant(text: string, values: readonly string[]): string | undefined {
  const word = text.toLowerCase();
  const meant = Object.hasOwn(SYNONYMS, word) ? SYNONYMS[word] : undefined;
  return meant !== undefined && values.includes(meant) ? meant : nearest(text, values);
}

/** `[allow 80,443]` is two items to YAML; the second is a bare number. */
function splitRowHint(node: DocumentNode, path: readonly (string | number)[]): string | undefined {
  const inRows = path.includes('rules') && typeof path[path.length - 1] === 'number';
  if (!inRows || node.kind !== 'text' || !/^[0-9:]+/.test(node.text)) return undefined;
  return 'inside [ ] a comma ends the row: put the row before in quotes, or write a dash and a row a line';
}

function follow(root: DocumentNode, path: readonly (string | number)[]): DocumentNode {
  let node = root;
  for (const step of path) {
    const next: DocumentNode | undefined =
      node.kind === 'list' ? node.items[step as number] : node.kind === 'map' ? valueOf(node, String(step)) : undefined;
    if (!next) return node;
    node = next;
  }
  return node;
}

function nameOf(path: readonly (string | number)[]): string {
  if (path.length === 0) return 'the ruleset';
  const last = path[path.length - 1];
  if (typeof last === 'string') return quote(last);
  return path[path.length - 2] === 'rules'
    ? `rule ${last + 1}${path[0] === 'inbound' ? '' : ` of ${quote(String(path[0] === 'servers' ? path[1] : path[0]))}`}`
    : `item ${last + 1} of ${quote(String(path[path.length - 2]))}`;
}

function describe(node: DocumentNode): string {
  if (node.kind === 'list') return 'a list';
  if (node.kind === 'map') return 'a map';
  if (node.kind === 'broken' || isNothing(node)) return 'empty';
  return quote(node.text);
}
