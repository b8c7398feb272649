import type { Term } from './finding';

/** What only a limit row says. */
export interface LimitClauses {
  /** `6/30s`. */
  rate?: Term;
  /** What becomes of the attempts that are too many. */
  limitVerdict?: Term;
  /** Prefix lengths that make one source. */
  per?: readonly Term[];
}

/**
 * What a row says, before its words mean anything: the common form of one-line rows and objects.
 * A clause nobody wrote is undefined, an empty list is an empty list.
 */
export interface Clauses extends LimitClauses {
  family?: Term;
  proto?: readonly Term[];
  from?: readonly Term[];
  to?: readonly Term[];
  fromPort?: readonly Term[];
  port?: readonly Term[];
  icmpType?: readonly Term[];
  /** Address directly behind the action, as dashboards print rows. */
  dashboardRow: boolean;
  /** The whole row, for findings about all of it. */
  whole: Term;
}
