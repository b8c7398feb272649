/** Rows that stand on lines of their own: what belongs to each, and how they change places. */
import { lineStart, nextLine } from './section-lines';
import { splice } from './yaml-text';

/** The lines of one row. */
export interface RowLines {
  /** Comment lines directly above, with their line ends. */
  readonly lead: string;
  /** From the start of its line to the end of its content, without a separating comma. */
  readonly body: string;
  /** The rest of its last line: a comment beside it, and the line end. */
  readonly tail: string;
}

/** Rows of a text, and the blank lines and lone comments between them, which stay where they are. */
export interface LineRows {
  /** `gaps[i]` stands before row `i`. */
  readonly gaps: readonly string[];
  readonly rows: readonly RowLines[];
  /** Lone comments that stood above a last row which was taken away. */
  readonly after: string;
  /** Region of the text they fill. */
  readonly start: number;
  readonly end: number;
  readonly lineEnd: string;
  /** Between two rows: `,` in a flow list. */
  readonly separator: '' | ',';
  /** Whether the last row has a separator too. */
  readonly trailing: boolean;
}

/**
 * Splits a region of whole lines. `contents` are the places of the rows, ascending; each must begin on a line of its
 * own. `start` is the start of the first line that can belong to a row.
 */
export function splitRows(
  text: string,
  start: number,
  contents: readonly { readonly start: number; readonly end: number }[],
  options: { readonly lineEnd: string; readonly separator: '' | ',' },
): LineRows {
  const gaps: string[] = [];
  const rows: RowLines[] = [];
  let at = start;
  let trailing = false;
  for (const content of contents) {
    const first = lineStart(text, content.start);
    const lead = startOfComments(text, at, first);
    const inner = text[content.end - 1] === '\n' ? content.end : nextLine(text, content.end);
    const rest = text.slice(content.end, inner);
    const comma = options.separator === '' ? null : /^\s*,/.exec(rest);
    trailing = comma !== null;
    gaps.push(text.slice(at, lead));
    rows.push({
      lead: text.slice(lead, first),
      body: text.slice(first, content.end),
      tail: withLineEnd(rest.slice(comma?.[0].length ?? 0), text[inner - 1], options.lineEnd),
    });
    at = inner;
  }
  return { gaps, rows, after: '', start, end: at, trailing, ...options };
}

/** The text with other rows and gaps in the region. */
export function joinRows(text: string, rows: LineRows): string {
  const last = rows.rows.length - 1;
  const joined = rows.rows
    .map(({ lead, body, tail }, i) => {
      const separator = i < last || rows.trailing ? rows.separator : '';
      return rows.gaps[i] + lead + body + separator + tail;
    })
    .concat(rows.after)
    .join('');
  const ended = rows.end > 0 && text[rows.end - 1] === '\n';
  return splice(text, rows.start, rows.end, ended ? joined : joined.replace(/\r?\n$/, ''));
}

/** Adds a row of one line so that it becomes row `index` (from 0). */
export function insertRow(rows: LineRows, index: number, body: string): LineRows {
  return {
    ...rows,
    gaps: index < rows.gaps.length ? rows.gaps.toSpliced(index + 1, 0, '') : [...rows.gaps, ''],
    rows: rows.rows.toSpliced(index, 0, { lead: '', body, tail: rows.lineEnd }),
  };
}

/** Takes a row away with its comments. */
export function removeRow(rows: LineRows, index: number): LineRows {
  const gaps = [...rows.gaps];
  // Blank lines on both sides of what goes would become a double gap.
  const [before, behind] = [gaps[index], gaps[index + 1] ?? ''];
  const merged = before !== '' && behind.trim() === '' ? before : before + behind;
  const isLast = index + 1 === gaps.length;
  gaps.splice(index, 2, ...(isLast ? [] : [merged]));
  const after = isLast && before.trim() !== '' ? before + rows.after : rows.after;
  return { ...rows, gaps, after, rows: rows.rows.toSpliced(index, 1) };
}

/** Takes row `from` to position `to` (its index afterwards), with its comments. */
export function moveRow(rows: LineRows, from: number, to: number): LineRows {
  const moved = rows.rows[from];
  return { ...rows, rows: rows.rows.toSpliced(from, 1).toSpliced(to, 0, moved) };
}

/** Where the unbroken comment lines directly above `first` begin, not before `bound`. */
function startOfComments(text: string, bound: number, first: number): number {
  let at = first;
  while (at > bound) {
    const above = lineStart(text, at - 1);
    if (above < bound || !/^[ \t]*#/.test(text.slice(above, at))) break;
    at = above;
  }
  return at;
}

/** Rows that can change places all end with a line end; a block scalar's content has it inside. */
function withLineEnd(rest: string, last: string, lineEnd: string): string {
  return last === '\n' ? rest : rest + lineEnd;
}
