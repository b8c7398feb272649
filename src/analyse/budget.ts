/**
 * How much an exact question may cost. Coverage by a union is hard in the worst case; when a budget is spent the
 * answer is "not proven", never a guess.
 */
export class Budget {
  private pieces = 0;
  private steps = 0;

  /** @param piecesMax cubes that may be made. @param stepsMax cube comparisons that may be made. */
  constructor(
    private readonly piecesMax: number,
    private readonly stepsMax: number,
  ) {}

  /** Takes cubes from the budget; false once it is spent. */
  takePieces(count: number): boolean {
    this.pieces += count;
    return !this.isSpent;
  }

  /** Takes comparisons from the budget; false once it is spent. */
  takeSteps(count: number): boolean {
    this.steps += count;
    return !this.isSpent;
  }

  get isSpent(): boolean {
    return this.pieces > this.piecesMax || this.steps > this.stepsMax;
  }

  /** Comparisons taken so far. */
  get stepsTaken(): number {
    return this.steps;
  }
}

/** Most cubes one question may make. */
export const PIECES_MAX = 100_000;
/** Most comparisons one question may make: a fraction of a second. */
export const STEPS_MAX = 10_000_000;

/** A fresh budget for one question. */
export function ordinaryBudget(): Budget {
  return new Budget(PIECES_MAX, STEPS_MAX);
}
