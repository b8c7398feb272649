/** Rulesets as tests write them: one interface, default deny, and the rows that matter. */

/** A ruleset for `eth0` that denies what none of these rows of `inbound` lets in. */
export function inboundRules(...rows: readonly string[]): string {
  return `version: 1\ninterfaces: [eth0]\ninbound:\n  default: deny\n  rules:\n${rows.map((row) => `    - ${row}\n`).join('')}`;
}

/** One row, with a comment that verbs must keep. */
export const DOOR = inboundRules('allow 22/tcp').replace('    - allow', '    # the door\n    - allow');
