/**
 * A ruleset's text with one of its servers alone: a verb about that one reads and writes an excerpt of a page, where the
 * text of two thousand servers has megabytes. What stands elsewhere stays as it is, byte for byte.
 */
import type { Ruleset } from '../../model/ruleset';
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
  // What is written once for several places is not in the excerpt.
  if (servers.length < 2 || text.includes('&') || text.includes('*')) return null;
  const places = servers.map(({ source }) => source).sort((a, b) => a.offset - b.offset);
  const own = servers.find((server) => server.name === name)?.source;
  if (!own || places.some((place) => place.file !== file)) return null;
  const at = places.indexOf(own);
  const [first, last] = [places[0], places[places.length - 1]];
  const starts = [first, own, last, ...places.slice(at + 1, at + 2)].map(({ offset }) => lineStart(text, offset));
  const indents = [first, own, last].map(({ offset }, i) => text.slice(starts[i], offset));
  if (!/^ +$/.test(indents[0]) || indents.some((indent) => indent !== indents[0])) return null;
  const depth = indents[0].length;
  const serversEnd = blockEnd(text, starts[2], depth);
  const [start, end] = [starts[1], at < places.length - 1 ? starts[3] : serversEnd];
  const [head, tail] = [text.slice(0, starts[0]), text.slice(serversEnd)];
  return {
    text: head + text.slice(start, end) + tail,
    restore: (edited) => {
      if (edited.length < head.length + tail.length || !edited.startsWith(head) || !edited.endsWith(tail)) return null;
      const block = edited.slice(head.length, edited.length - tail.length);
      if (end < text.length && !block.endsWith('\n')) return null;
      return text.slice(0, start) + block + text.slice(end);
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
