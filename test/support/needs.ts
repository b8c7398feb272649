/**
 * The one way to leave a test out: a need that the running kernel does not fulfil, named in the title. Where its release
 * says that it could, the test fails instead. `npm test` lists what was left out, and counts a skip without a need as a
 * failure; eslint refuses every other way to write one.
 */
import { release } from 'node:os';
import { chooseEgressHook } from '../../src/kernel/features';

/** What a test asks of the kernel beyond what sluice does. */
export interface Need {
  /** As the list of skipped tests has it: `tcx`. */
  readonly what: string;
  /** First release that has it: `6.6`. */
  readonly since: string;
  /** First release that has it no more. */
  readonly before?: string;
  readonly isMet: () => boolean;
}

/** A hook for what goes out that links attach to. */
export const TCX: Need = { what: 'tcx', since: '6.6', isMet: () => chooseEgressHook() === 'tcx' };

/** What becomes of a test on a kernel: `broken`, where it lacks what its release should have. */
export function judgeNeed(need: Need, kernel: string = release()): 'run' | 'skip' | 'broken' {
  if (need.isMet()) return 'run';
  const isOld = compareReleases(kernel, need.since) < 0;
  const isNew = need.before !== undefined && compareReleases(kernel, need.before) >= 0;
  return isOld || isNew ? 'skip' : 'broken';
}

/** Defines a test that runs where the need is met. */
export function testWhere(need: Need, title: string, body: (() => void) | (() => Promise<void>)): void {
  const { what, since, before } = need;
  const range = before === undefined ? `since Linux ${since}` : `from Linux ${since} to before ${before}`;
  const name = `${title} (needs ${what}, ${range})`;
  switch (judgeNeed(need)) {
    case 'run':
      test(name, body);
      break;
    case 'skip':
      // eslint-disable-next-line no-restricted-syntax -- the only one
      test.skip(name, body);
      break;
    case 'broken':
      test(name, () => {
        throw new Error(`this is Linux ${release()}, which should have ${what}, and it was not found`);
      });
  }
}

/** Negative where the first is older. Looks at the first two numbers, the ones that features come with. */
export function compareReleases(one: string, other: string): number {
  const [a, b] = [one, other].map((text) => /^(\d+)\.(\d+)/.exec(text)!.slice(1).map(Number));
  return a[0] - b[0] || a[1] - b[1];
}
