/** A readable difference of two texts, line by line (Myers, "An O(ND) Difference Algorithm", 1986). */

/** One line of a difference; numbers count from 1 and are null on the side where the line is missing. */
export interface DiffLine {
  readonly kind: 'same' | 'removed' | 'added';
  readonly text: string;
  readonly oldLine: number | null;
  readonly newLine: number | null;
}

/** Beyond this many differing lines the middle is shown as removed and added whole: time and memory stay bounded. */
const MAX_EDITS = 500;

/** All lines of both texts in order. Line ends (LF or CRLF) do not count, a missing last one neither. */
export function diffLines(oldText: string, newText: string): DiffLine[] {
  const before = splitLines(oldText);
  const after = splitLines(newText);
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  const shorter = Math.min(before.length, after.length) - head;
  while (tail < shorter && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;

  const middle = longestCommon(before.slice(head, before.length - tail), after.slice(head, after.length - tail));
  const pairs: (readonly [number, number])[] = [
    ...Array.from({ length: head }, (_, i) => [i, i] as const),
    ...middle.map(([i, j]) => [i + head, j + head] as const),
    ...Array.from({ length: tail }, (_, i) => [before.length - tail + i, after.length - tail + i] as const),
  ];
  return interleave(before, after, pairs);
}

/** Unified-like text: `-` removed, `+` added, `context` unchanged lines around; empty where nothing differs. */
export function renderDiff(lines: readonly DiffLine[], context = 3): string {
  const shown = lines.map(() => false);
  lines.forEach((line, i) => {
    if (line.kind !== 'same') shown.fill(true, Math.max(0, i - context), i + context + 1);
  });
  const out: string[] = [];
  lines.forEach((line, i) => {
    if (!shown[i]) return;
    if (!shown[i - 1]) out.push(hunkHeader(lines, shown, i));
    out.push(`${line.kind === 'same' ? ' ' : line.kind === 'added' ? '+' : '-'} ${line.text}`.trimEnd());
  });
  return out.length === 0 ? '' : `${out.join('\n')}\n`;
}

function hunkHeader(lines: readonly DiffLine[], shown: readonly boolean[], start: number): string {
  let end = start;
  while (end < lines.length && shown[end]) end++;
  const hunk = lines.slice(start, end);
  const side = (number: 'oldLine' | 'newLine'): string => {
    const numbers = hunk.map((line) => line[number]).filter((value) => value !== null);
    return numbers.length === 0 ? '0,0' : `${numbers[0]},${numbers.length}`;
  };
  return `@@ -${side('oldLine')} +${side('newLine')} @@`;
}

function splitLines(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Index pairs of a longest common subsequence, ascending on both sides. */
function longestCommon(before: readonly string[], after: readonly string[]): (readonly [number, number])[] {
  const max = Math.min(before.length + after.length, MAX_EDITS);
  // frontier[k] is the furthest old index reached on diagonal k = old - new; one copy a step is kept to walk back.
  let frontier = new Map<number, number>([[1, 0]]);
  const history: Map<number, number>[] = [];
  for (let edits = 0; edits <= max; edits++) {
    history.push(frontier);
    const next = new Map(frontier);
    for (let k = -edits; k <= edits; k += 2) {
      let x = step(next, k, edits);
      while (x < before.length && x - k < after.length && before[x] === after[x - k]) x++;
      next.set(k, x);
      if (x >= before.length && x - k >= after.length) return walkBack(history, before.length, after.length);
    }
    frontier = next;
  }
  return [];
}

/** Where diagonal `k` starts in this step: from above (an added line) or from the left (a removed one). */
function step(frontier: ReadonlyMap<number, number>, k: number, edits: number): number {
  const left = frontier.get(k - 1) ?? -1;
  const above = frontier.get(k + 1) ?? -1;
  return k === -edits || (k !== edits && left < above) ? above : left + 1;
}

function walkBack(
  history: readonly ReadonlyMap<number, number>[],
  oldLength: number,
  newLength: number,
): (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = [];
  let [x, y] = [oldLength, newLength];
  for (let edits = history.length - 1; edits >= 0; edits--) {
    const k = x - y;
    const frontier = history[edits];
    const left = frontier.get(k - 1) ?? -1;
    const above = frontier.get(k + 1) ?? -1;
    const previous = k === -edits || (k !== edits && left < above) ? k + 1 : k - 1;
    const fromX = edits === 0 ? 0 : frontier.get(previous)!;
    const fromY = edits === 0 ? 0 : fromX - previous;
    const startX = edits === 0 ? 0 : previous === k + 1 ? fromX : fromX + 1;
    while (x > startX) pairs.push([--x, --y]);
    [x, y] = [fromX, fromY];
  }
  return pairs.reverse();
}

function interleave(
  before: readonly string[],
  after: readonly string[],
  pairs: readonly (readonly [number, number])[],
): DiffLine[] {
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  for (const [nextI, nextJ] of [...pairs, [before.length, after.length] as const]) {
    for (; i < nextI; i++) lines.push({ kind: 'removed', text: before[i], oldLine: i + 1, newLine: null });
    for (; j < nextJ; j++) lines.push({ kind: 'added', text: after[j], oldLine: null, newLine: j + 1 });
    if (i < before.length && j < after.length)
      lines.push({ kind: 'same', text: before[i], oldLine: ++i, newLine: ++j });
  }
  return lines;
}
