/**
 * How much an exact question may cost. Coverage by a union is hard in the worst case; when a budget is spent the
 * answer is "not proven", never a guess.
 */
export class Budget {
  private pieces = 0;
  private steps = 0;

  /**
   * @param piecesMax cubes that may be made.
   * @param stepsMax comparisons of short cubes that may be made; long ones count several times.
   * @param parent a budget that the steps are taken from as well.
   */
  constructor(
    private readonly piecesMax: number,
    private readonly stepsMax: number,
    private readonly parent?: Budget,
  ) {}

  /** Takes cubes from the budget; false once it is spent. */
  takePieces(count: number): boolean {
    this.pieces += count;
    return !this.isSpent;
  }

  /** Takes comparisons from the budget; false once it is spent. */
  takeSteps(count: number): boolean {
    this.steps += count;
    this.parent?.takeSteps(count);
    return !this.isSpent;
  }

  get isSpent(): boolean {
    return this.pieces > this.piecesMax || this.steps > this.stepsMax || (this.parent?.isSpent ?? false);
  }
}

/** Most cubes one question may make. */
export const PIECES_MAX = 100_000;
/** Most comparisons one question may make: a fraction of a second. */
const STEPS_MAX = 5_000_000;
/** Most comparisons that the hard cases of one lint may make together in a section. */
const SECTION_STEPS_MAX = 20_000_000;

/** A budget for all questions of one lint about a section. */
export function sectionBudget(): Budget {
  return new Budget(Infinity, SECTION_STEPS_MAX);
}

/** A fresh budget for one question. */
export function ordinaryBudget(parent?: Budget): Budget {
  return new Budget(PIECES_MAX, STEPS_MAX, parent);
}
