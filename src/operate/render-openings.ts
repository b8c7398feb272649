/** What was under ALLOW ALL as people read it. */
import type { Opening, SparedRow } from './opening-file';
import { authorWords, whenWords } from './render-history';

/** `gpu-17`; `the whole edge`. */
export function openedWords({ section }: Pick<Opening, 'section'>): string {
  return section ?? 'the whole edge';
}

/** What became of it. */
export function openingEndWords({ ended, until }: Opening): string {
  if (!ended) return `until ${whenWords(until)}`;
  if (ended.how === 'in-time') return `ended by itself ${whenWords(ended.at)}`;
  if (ended.how === 'off') return `ended by ${ended.by ? authorWords(ended.by) : 'hand'} ${whenWords(ended.at)}`;
  return `ended with enforcement, or a boot, before ${whenWords(ended.at)}`;
}

/** Rows that a line names. */
const NAMED_ROWS = 3;

/** One line: that it is over, and what would have been refused. */
export function describeEnded(opening: Opening): string {
  return `ALLOW ALL of ${openedWords(opening)} is over (${openingEndWords(opening)} UTC): ${sparedWords(opening)}`;
}

/** What would have been refused, in one line. */
export function sparedWords({ packets, rows }: Pick<Opening, 'packets' | 'rows'>): string {
  if (packets === '0') return 'no packet passed by it that would have been refused';
  const named = rows.slice(0, NAMED_ROWS).map(rowWords);
  const more = rows.length > NAMED_ROWS ? [`and by ${rows.length - NAMED_ROWS} other rows`] : [];
  return `${packets} packets passed by it that would have been refused: ${[...named, ...more].join('; ')}`;
}

/** `12 by gpu-17/shut (deny 14511), the last from 203.0.113.9`. */
function rowWords({ section, rule, text, packets, source }: SparedRow): string {
  return `${packets} by ${section}/${rule} (${text}), the last from ${source}`;
}

/** The whole report, a line a row. */
export function reportLines({ packets, unlisted, rows }: Pick<Opening, 'packets' | 'unlisted' | 'rows'>): string[] {
  if (packets === '0') return ['  no packet passed by it that would have been refused'];
  return [
    `  ${packets} packets passed by it that would have been refused:`,
    ...rows.map((row) => `    ${rowWords(row)}`),
    ...(unlisted === '0' ? [] : [`    ${unlisted} by rows beyond the first 16`]),
  ];
}
