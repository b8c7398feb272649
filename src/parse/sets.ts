import { dirname, isAbsolute, join } from 'node:path';
import type { AddressSet } from '../model/ruleset';
import type { Prefix } from '../model/prefix';
import { parseAddressText } from './address';
import { type Context, placeOf, termOf, textsOf } from './context';
import { type DocumentNode, isNothing, valueOf } from './document-node';
import { at, quote, refuse, splitTerm, warn } from './finding';
import { nameProblem } from './names';
import { parsePrefixList } from './prefix-list';
import { explainReadError } from './read-file';

/** Most prefixes in all sets of a ruleset. */
export const MAX_SET_PREFIXES = 1_000_000;

/** Reads `sets:`. Sets with errors are kept with what was understood, so that rows naming them say nothing more. */
export function readSets(node: DocumentNode | undefined, context: Context): AddressSet[] {
  if (node?.kind !== 'map') return [];
  let room = MAX_SET_PREFIXES;
  return node.entries.map(({ key, value }) => {
    const name = key.text;
    const problem = nameProblem(name);
    if (problem !== undefined) {
      context.sink(at(placeOf(context, key), refuse('parse/name', `${quote(name)} cannot name a set: ${problem}`)));
    }
    const addresses = readSet(name, value, context, room);
    room -= addresses.length;
    return { name, addresses, source: context.file.range(key.start, key.end) };
  });
}

function readSet(name: string, node: DocumentNode, context: Context, room: number): readonly Prefix[] {
  if (node.kind === 'broken') return [];
  if (node.kind === 'map') return readSetFile(name, node, context, room);
  const prefixes: Prefix[] = [];
  // Members that are no text have their own finding; what is left says nothing about how long the list was meant to be.
  let failed = node.kind === 'list' && node.items.some((item) => item.kind !== 'text');
  for (const term of textsOf(node)
    .filter((item) => !isNothing(item))
    .map(termOf)
    .flatMap(splitTerm)) {
    const reading = parseAddressText(term.text);
    if (reading.kind === 'refused') {
      failed = true;
      const hint = reading.problem.hint ?? 'a set holds addresses and prefixes';
      context.sink(at(term, { ...reading.problem, hint }));
      continue;
    }
    if (reading.warning) context.sink(at(term, reading.warning));
    if (prefixes.length < room) prefixes.push(reading.prefix);
    else if (!failed) {
      failed = true;
      context.sink(at(term, tooManyPrefixes(name)));
    }
  }
  if (prefixes.length === 0 && !failed && (node.kind === 'list' || isNothing(node))) warnEmpty(name, node, context);
  return prefixes;
}

function readSetFile(
  name: string,
  node: Extract<DocumentNode, { kind: 'map' }>,
  context: Context,
  room: number,
): readonly Prefix[] {
  const path = valueOf(node, 'file');
  if (path?.kind !== 'text' || isNothing(path)) return [];
  let bytes: Uint8Array;
  try {
    if (path.text.includes('\0')) throw new Error('a path has no NUL');
    bytes = context.readFile(path.text);
  } catch (error) {
    const { why, hint } = explainReadError(error);
    const message = `the file ${quote(path.text)} of set ${quote(name)} cannot be read: ${why}`;
    context.sink(
      at(placeOf(context, path), refuse('parse/set-file', message, hint ?? 'the path is relative to the ruleset file')),
    );
    return [];
  }
  const list = parsePrefixList(bytes, besideFile(context.file.name, path.text), room);
  list.diagnostics.forEach(context.report);
  if (list.overflow) context.sink(at(placeOf(context, path), tooManyPrefixes(name)));
  const failed = list.overflow || list.diagnostics.some((diagnostic) => diagnostic.severity === 'error');
  if (list.prefixes.length === 0 && !failed) warnEmpty(name, path, context);
  return list.prefixes;
}

function tooManyPrefixes(name: string): ReturnType<typeof refuse> {
  const message = `with set ${quote(name)} the sets hold more than ${MAX_SET_PREFIXES} prefixes, the most there can be`;
  return refuse('parse/too-many-prefixes', message, 'join neighbouring prefixes into wider ones, or take a set out');
}

function warnEmpty(name: string, node: DocumentNode, context: Context): void {
  const message = `set ${quote(name)} is empty: a rule that names it alone matches nothing`;
  context.sink(at(placeOf(context, node), warn('parse/empty-set', message)));
}

/** How the file is named in findings: as the ruleset is, so that it can be opened from the same folder. */
function besideFile(rulesetFile: string, path: string): string {
  return isAbsolute(path) ? path : join(dirname(rulesetFile), path);
}
