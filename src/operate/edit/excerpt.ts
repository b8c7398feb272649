/**
 * A ruleset's text with one of its servers alone: a verb about that one reads and writes an excerpt of a page, where the
 * text of two thousand servers has megabytes. What stands elsewhere stays as it is, byte for byte.
 */
import { type Bundle, joinBundle, partOf, splitBundle, withPart } from '../../parse/bundle';
import { spliced } from '../../parse/common-text';
import type { Ruleset, Server } from '../../model/ruleset';
import type { GenerationRecord } from '../generation-record';
import type { RulesetText } from '../ruleset-file';
import type { EditOutcome } from './outcome';
import { blockEnd, lineStart } from './section-lines';

/** The text of one server with all that is no server, and the way back. */
export interface Excerpt {
  readonly text: string;
  /** The whole text with what became of the excerpt; null where more of that changed than the server. */
  readonly restore: (edited: string) => string | null;
}

/** `ruleset`: what exactly this text says. Null where its layout cannot be taken apart by lines. */
export function excerptOf(
  { file, text }: { readonly file: string; readonly text: string },
  { servers = [] }: Pick<Ruleset, 'servers'>,
  name: string,
): Excerpt | null {
  const bundle = splitBundle(text);
  if (bundle.dir !== null) return excerptOfFiles(bundle, name);
  // What is written once for several places is not in the excerpt.
  if (servers.length < 2 || text.includes('&') || text.includes('*')) return null;
  const ordered = [...servers].sort((a, b) => a.source.offset - b.source.offset);
  const at = ordered.findIndex((server) => server.name === name);
  const first = ordered[0].source.offset;
  const indent = text.slice(lineStart(text, first), first);
  if (at < 0 || !/^ +$/.test(indent)) return null;
  // Rows that came back after a trial have the places of another text.
  if (ordered.some((server) => server.source.file !== file || !standsThere(text, server, indent))) return null;
  const depth = indent.length;
  const startOf = (index: number): number => ordered[index].source.offset - depth;
  const serversEnd = blockEnd(text, startOf(ordered.length - 1), depth);
  const [start, end] = [startOf(at), at < ordered.length - 1 ? startOf(at + 1) : serversEnd];
  const [head, tail] = [text.slice(0, startOf(0)), text.slice(serversEnd)];
  // In braces a server alone is not written as it is among others: a comma is left, and JSON is none any more.
  if (!SERVERS_KEY.test(lastContent(head))) return null;
  return {
    text: head + text.slice(start, end) + tail,
    restore: (edited) => {
      if (edited.length < head.length + tail.length || !edited.startsWith(head) || !edited.endsWith(tail)) return null;
      const block = edited.slice(head.length, edited.length - tail.length);
      if (end < text.length && !block.endsWith('\n')) return null;
      return spliced(text, start, end, block);
    },
  };
}

const SERVERS_KEY = /^(?:servers|"servers"|'servers'):\s*(?:#.*)?$/;

/** The last line that is more than blanks and a comment. */
function lastContent(text: string): string {
  for (let end = text.length; end > 0;) {
    const start = end > 1 ? lineStart(text, end - 1) : 0;
    const line = text.slice(start, end).trimEnd();
    if (!/^\s*(?:#|$)/.test(line)) return line;
    end = start;
  }
  return '';
}

/** Whether the key of the server begins a line at its place, behind the indent. */
function standsThere(text: string, { name, source: { offset } }: Server, indent: string): boolean {
  const begin = offset - indent.length;
  if (text[begin - 1] !== '\n' || !text.startsWith(indent, begin)) return false;
  const mark = text[offset];
  const key = mark === '"' || mark === "'" ? `${mark}${name}${mark}:` : `${name}:`;
  return text.startsWith(key, offset);
}

/** The ruleset file with that of one server. */
function excerptOfFiles(bundle: Bundle, name: string): Excerpt | null {
  const own = partOf(bundle, name);
  if (!own) return null;
  return {
    text: joinBundle({ ...bundle, parts: [own] }),
    restore: (edited) => {
      const { main, dir, parts } = splitBundle(edited);
      if (main !== bundle.main || dir !== bundle.dir || parts.length !== 1 || parts[0].path !== own.path) return null;
      return joinBundle(withPart(bundle, own.path, parts[0].text));
    },
  };
}

/**
 * Edits the text of one server, where that can be taken out; else, and where it was refused, whose reasons have places,
 * the whole text. `known`: what enforces, where that is this text.
 */
export function editServer<D extends RulesetText>(
  document: D,
  known: Pick<GenerationRecord, 'ruleset' | 'source'> | null,
  server: string | undefined,
  edit: (document: D) => EditOutcome,
): EditOutcome {
  const isOfText = known?.source.textDigest === document.digest && known.source.file === document.path;
  const excerpt =
    isOfText && server !== undefined
      ? excerptOf({ file: document.path, text: document.text }, known.ruleset, server)
      : null;
  const outcome = excerpt ? edit({ ...document, text: excerpt.text }) : null;
  if (outcome?.kind === 'unchanged') return { ...outcome, text: document.text };
  const text = outcome?.kind === 'changed' ? excerpt!.restore(outcome.text) : null;
  if (outcome?.kind !== 'changed' || text === null) return edit(document);
  // Of their places none is one of the whole text: what is to be said about that, its check says.
  return { ...outcome, text, diagnostics: [] };
}
