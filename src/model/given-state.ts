/**
 * What earlier packets left behind, as far as a later one is judged by it. The scan keeps no state of its own: who
 * asks it says what lives, and gets the same answer every time.
 */
import type { OpenSections } from './allow-all';
import { type Bans, NO_BANS } from './ban';
import type { EchoState } from './echo';
import { type Flows, NO_FLOWS } from './flow';
import { type FirstFragments, NO_FRAGMENTS } from './fragment';
import type { LimitState } from './limit';
import type { OwnAnswers } from './told';

/** What earlier packets left behind, and bans: the part of a verdict that is not in the ruleset. */
export interface GivenState {
  /** Flows that live. */
  readonly flows: Flows;
  /**
   * Those of them that an earlier ruleset let out, and this one has not judged yet or has refused: what goes out by one
   * of these is judged anew, and what comes in by it passes for a minute (`DOUBTED_SECONDS`), then no more.
   */
  readonly doubted: Flows;
  /** Packets whose first fragment passed. */
  readonly fragments: FirstFragments;
  /** Bans that hold. */
  readonly bans: Bans;
  /** What limit rules have seen; left out: nothing. */
  readonly limits?: LimitState;
  /** Echo-requests of this second; left out: none. */
  readonly echoes?: EchoState;
  /** Sections that waited to be confirmed, by name, and were not: what was before judges (`trial.ts`); left out: none. */
  readonly returned?: ReadonlySet<string>;
  /** What is under ALLOW ALL; left out: nothing. */
  readonly open?: OpenSections;
  /** Answers to what was rejected on its way out; left out: none. */
  readonly told?: OwnAnswers;
}

/** Nothing was seen before. */
export const NO_STATE: GivenState = { flows: NO_FLOWS, doubted: NO_FLOWS, fragments: NO_FRAGMENTS, bans: NO_BANS };
