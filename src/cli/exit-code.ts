/** Exit codes: part of the interface. */
export const EXIT = {
  /** Done; also "no changes". */
  DONE: 0,
  /** A system error. */
  SYSTEM: 1,
  /** Wrong usage. */
  USAGE: 2,
  /** The ruleset has errors, or an expectation failed. */
  RULESET: 3,
  /** A difference was found; only with `--exit-code`. */
  DIFFERENCE: 4,
  /** Refused for safety. */
  REFUSED: 5,
  /** A privilege, or a feature of kernel or driver, is missing. */
  UNSUPPORTED: 6,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What each code means, for `--help` and README. */
export const EXIT_WORDS: Readonly<Record<ExitCode, string>> = {
  0: 'done, also when there was nothing to change',
  1: 'a system error; what enforced before goes on, unless it says that the new ruleset does',
  2: 'wrong usage',
  3: 'the ruleset has errors, or an expectation failed',
  4: 'a difference was found (only with --exit-code)',
  5: 'refused for safety; --force overrides',
  6: 'a privilege, or a feature of kernel or driver, is missing',
};
