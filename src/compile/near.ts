/**
 * Which cache lines of a server's block a packet reads before it knows what it needs, see `struct slc_near`: those in
 * which most packets find their leaf. Leaves stand in the order of the root node's children, about evenly, so where one
 * is can be told from the child's number.
 */
import { SLC_LIMITS } from '../abi/layout.gen';
import type { Family } from '../model/prefix';

/** `struct slc_near`. */
export interface Near {
  readonly first: number;
  readonly step: number;
}

/** Cache lines of a block, counted from its root block; both included. */
export interface LineSpan {
  readonly first: number;
  readonly last: number;
}

export const NOTHING_NEAR: Near = { first: 0, step: 0 };

/** Lines that are read at once. */
const LINES: Readonly<Record<Family, number>> = { 4: SLC_LIMITS.NEAR_LINES4, 6: SLC_LIMITS.NEAR_LINES6 };
/** Reading costs as much as waiting for a line does in one of so many packets. */
const WORTH = 8;
/** The fields of `struct slc_near` hold no more. */
const MOST = 0xffff;

/** `children`: where the parts below the root node stand, by the child's number; null of one that is a terminal. */
export function nearOf(family: Family, children: readonly (LineSpan | null)[]): Near {
  const spans = children.flatMap((span) => span ?? []);
  if (spans.length === 0) return NOTHING_NEAR;
  const base = spans.reduce((least, { first }) => Math.min(least, first), Infinity);
  const end = spans.reduce((most, { last }) => Math.max(most, last + 1), 0);
  const step = Math.floor(((end - base) << SLC_LIMITS.NEAR_SHIFT) / children.length);
  const [still, moving] = [0, step].map((each) => bestWindow(children, each, LINES[family]));
  const { first, found } = moving.found > still.found ? moving : still;
  if (found * WORTH < spans.length || first > MOST || step > MOST) return NOTHING_NEAR;
  return { first, step: moving.found > still.found ? step : 0 };
}

/** Where a window of so many lines, which moves by `step`, is to begin so that most children are within it. */
function bestWindow(
  children: readonly (LineSpan | null)[],
  step: number,
  lines: number,
): { readonly first: number; readonly found: number } {
  // Of how many children more than before the window holds what is below them, by where it begins.
  const gains = new Map<number, number>();
  children.forEach((span, child) => {
    if (!span) return;
    const moved = (child * step) >> SLC_LIMITS.NEAR_SHIFT;
    const from = Math.max(1, span.last - moved - lines + 1);
    const to = span.first - moved;
    if (to < from) return;
    gains.set(from, (gains.get(from) ?? 0) + 1);
    gains.set(to + 1, (gains.get(to + 1) ?? 0) - 1);
  });
  let best = { first: 0, found: 0 };
  let found = 0;
  for (const [first, gain] of [...gains].sort(([a], [b]) => a - b)) {
    found += gain;
    if (found > best.found) best = { first, found };
  }
  return best;
}
