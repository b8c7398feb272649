/** Which rows of a section are reached at all, and which of them by less than they name. */
import type { Diagnostic } from '../diagnostics/diagnostic';
import type { SectionRegions } from './decisions';
import { lintOverlaps } from './overlap-lint';
import { findShadowed } from './shadow';
import { lintShadowed } from './shadow-lint';

/** `lint/shadowed`, `lint/redundant` and `lint/overlap` of a section. */
export function lintReached(regions: SectionRegions): Diagnostic[] {
  const found = findShadowed(regions);
  const unreached = new Set(found.shadowed.map(({ row }) => row));
  return [...lintShadowed(regions, found), ...lintOverlaps(regions, unreached)];
}
