/** Which lines of a server's block are read in advance: the window in which most children of the root node stand. */
import fc from 'fast-check';
import { SLC_LIMITS } from '../../../src/abi/layout.gen';
import { type LineSpan, nearOf, NOTHING_NEAR } from '../../../src/compile/near';

const LINES = { 4: SLC_LIMITS.NEAR_LINES4, 6: SLC_LIMITS.NEAR_LINES6 };

/** How many children stand wholly within the window that the datapath reads for them. */
function found(children: readonly (LineSpan | null)[], first: number, step: number, lines: number): number {
  return children.filter((span, child) => {
    const from = first + ((child * step) >> SLC_LIMITS.NEAR_SHIFT);
    return span !== null && span.first >= from && span.last < from + lines;
  }).length;
}

const CHILDREN = fc.array(
  fc.option(
    fc
      .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 2 }))
      .map(([first, more]) => ({ first, last: first + more })),
  ),
  { minLength: 1, maxLength: 64 },
);

test.each([4, 6] as const)('of IPv%i no window that stands still finds more children', (family) => {
  fc.assert(
    fc.property(CHILDREN, (children) => {
      const { first, step } = nearOf(family, children);
      const best = Math.max(...Array.from({ length: 62 }, (_, i) => found(children, i + 1, 0, LINES[family])));
      const spans = children.filter(Boolean).length;
      if (first === 0) expect(best * 8).toBeLessThan(Math.max(1, spans));
      else expect(found(children, first, step, LINES[family])).toBeGreaterThanOrEqual(best);
    }),
  );
});

test.each([4, 6] as const)(
  'of IPv%i a window moves with the child where leaves stand one after the other',
  (family) => {
    const children = Array.from({ length: 32 }, (_, child) => {
      const line = 6 + Math.floor((child * 25) / 32);
      return { first: line, last: line };
    });
    const { first, step } = nearOf(family, children);
    expect(step).toBeGreaterThan(0);
    expect(found(children, first, step, LINES[family])).toBe(32);
  },
);

test('nothing is read where nothing stands, nor where hardly a packet would find its leaf', () => {
  expect(nearOf(4, [null, null])).toEqual(NOTHING_NEAR);
  const scattered = Array.from({ length: 64 }, (_, child) => {
    const line = 1 + ((child * 37) % 64) * 20;
    return { first: line, last: line };
  });
  expect(nearOf(4, scattered)).toEqual(NOTHING_NEAR);
});
