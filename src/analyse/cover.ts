/**
 * Is a region wholly inside a union of cubes? Exact; where the budget is spent, the third answer.
 *
 * The search keeps disjoint pieces that are not yet known to be covered. A candidate that leaves at most one piece
 * over is applied at once (that never branches); only when none is left does the search split a piece by the
 * candidate with the fewest remainders. A piece that meets no candidate is a packet that nothing covers.
 */
import type { Budget } from './budget';
import { type Cube, cubesAreDisjoint, DIMENSIONS, type Region, subtractCube, weightOf, withSet } from './cube';
import type { OwnedCube } from './cube-table';
import { isSubset, subtractSets } from './interval-set';

export type Cover =
  | { readonly answer: 'covered' }
  | { readonly answer: 'open'; readonly witness: Cube }
  | { readonly answer: 'not-proven' };

/** Whether the candidates together cover the region; `witness` is a part of it that none of them touches. */
export function findCover(region: Region, candidates: readonly OwnedCube[], budget: Budget): Cover {
  const stack = region.map((piece) => ({ piece, candidates }));
  for (let next = stack.pop(); next; next = stack.pop()) {
    const narrowed = narrow(next.piece, next.candidates, budget);
    if (budget.isSpent) return { answer: 'not-proven' };
    if (narrowed === null) continue;
    const { piece, left, best } = narrowed;
    if (!best) return { answer: 'open', witness: piece };
    const pieces = subtractCube(piece, best.cube);
    const rest = left.filter((candidate) => candidate !== best);
    if (!budget.takePieces(pieces.length)) return { answer: 'not-proven' };
    for (const smaller of pieces) stack.push({ piece: smaller, candidates: rest });
  }
  return { answer: 'covered' };
}

interface Narrowed {
  readonly piece: Cube;
  /** Candidates that meet the piece; each leaves two or more pieces over. */
  readonly left: readonly OwnedCube[];
  /** The one of them that leaves the fewest; absent where none is left. */
  readonly best?: OwnedCube;
}

/** Shrinks a piece by every candidate that does not split it; null where nothing of it remains. */
function narrow(start: Cube, candidates: readonly OwnedCube[], budget: Budget): Narrowed | null {
  let piece = start;
  let left = candidates;
  for (;;) {
    const before = piece;
    const kept: OwnedCube[] = [];
    let best: OwnedCube | undefined;
    let fewest = Infinity;
    if (!budget.takeSteps(left.length * weightOf(piece))) return null;
    for (const candidate of left) {
      if (cubesAreDisjoint(piece, candidate.cube)) continue;
      const outside = dimensionsOutside(piece, candidate.cube);
      if (outside.length === 0) return null;
      if (outside.length === 1) {
        const [d] = outside;
        piece = withSet(piece, d, subtractSets(piece.sets[d], candidate.cube.sets[d]));
        continue;
      }
      kept.push(candidate);
      if (outside.length < fewest) [best, fewest] = [candidate, outside.length];
    }
    left = kept;
    // A piece that became smaller may now lie inside a candidate that was kept.
    if (piece === before) return { piece, left, ...(best && { best }) };
  }
}

/** The dimensions in which the piece reaches beyond the cube. */
function dimensionsOutside(piece: Cube, cube: Cube): number[] {
  const outside: number[] = [];
  for (let d = 0; d < DIMENSIONS; d++) if (!isSubset(piece.sets[d], cube.sets[d])) outside.push(d);
  return outside;
}
