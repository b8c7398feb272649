/** What a change takes out of keep-reachable, exactly: entries that nothing below could override, and that go. */
import type { Guard, Rule } from '../model/ruleset';
import { PIECES_MAX } from './budget';
import { type Region, subtractRegion } from './cube';
import { describePacket } from './packet-text';
import { Space } from './space';

/** An entry of which part is kept reachable no more. */
export interface NarrowedEntry {
  readonly rule: Rule;
  /** A packet it let in and no entry lets in any more; null where there was too much to compare. */
  readonly example: string | null;
}

/** The entries of `before` that `after` does not wholly keep, whichever of its entries do. */
export function findNarrowed(before: Guard, after: Guard): NarrowedEntry[] {
  const [old, now] = [before.keepReachable, after.keepReachable].map((rules) => rules.filter(({ enabled }) => enabled));
  const space = new Space([...old, ...now].map(({ match }) => match));
  const kept: Region = now.flatMap(({ match }) => space.regionOf(match));
  return old.flatMap((rule) => {
    const lost = subtractRegion(space.regionOf(rule.match), kept, PIECES_MAX);
    if (lost?.length === 0) return [];
    return [{ rule, example: lost ? describePacket(space.exampleOf(lost[0])) : null }];
  });
}
