/**
 * What earlier packets left behind, as far as a later one is judged by it. The scan keeps no state of its own: who
 * asks it says what lives, and gets the same answer every time.
 */
import { type Flows, NO_FLOWS } from './flow';
import type { LimitState } from './limit';

export interface GivenState {
  /** Flows that live. */
  readonly flows: Flows;
  /** What limit rules have seen; left out: nothing. */
  readonly limits?: LimitState;
}

/** Nothing was seen before. */
export const NO_STATE: GivenState = { flows: NO_FLOWS };
