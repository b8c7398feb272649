/** Compare-and-set: whether what is enforced is what a writer saw when he made his change (SPEC §6, per section). */
import { RefusedError } from '../kernel/errors';
import type { Enforcement } from './enforcement';
import type { History } from './history';
import { RecordLostError } from './record-lost';
import { describeRevision } from './render-history';
import { isDigest, rulesetDigest, shownDigest } from './section-digest';
import { requireSectionName, requireSeen } from './section-history';
import { judgingRuleset } from './trial-state';

/** What a writer saw. */
export interface Seen {
  /** The first digits of a digest, 7 at least: of all that is written in what is enforced, or of the section. */
  readonly digest: string;
  /** `inbound`, `outbound`, `guard`, `settings` or the name of a server; left out: the whole ruleset. */
  readonly section?: string;
}

/** What is enforced is not what the writer saw. */
export class RulesetChangedError extends RefusedError {
  constructor(given: string, now: string | null, history: Pick<History, 'revisions'>) {
    const found =
      now === null
        ? `nothing is enforced, not what you saw: "${given}"`
        : `what is enforced is not as you saw it: its digest is ${shownDigest(now)}, not "${given}"`;
    super('operate/ruleset', [found, ...history.revisions.slice(-1).map(describeRevision)].join('\n  '), {
      hint: `nothing was changed; ${now === null ? 'sluice status tells why' : `look at it (sluice history), then --if-digest ${shownDigest(now)}`}`,
    });
  }
}

/** Refuses where it is another by now. The caller holds the lock. */
export function requireAsSeen(
  enforcement: Pick<Enforcement, 'record' | 'trials'> | null,
  history: History,
  { digest, section }: Seen,
): void {
  const { record = null, trials = [] } = enforcement ?? {};
  if (enforcement && !record) throw new RecordLostError();
  const ruleset = record && judgingRuleset(record.ruleset, trials);
  if (ruleset && section !== undefined) {
    requireSectionName(history, ruleset, section);
    requireSeen(history, ruleset, section, digest);
    return;
  }
  const now = ruleset && rulesetDigest(ruleset);
  if (!isDigest(digest, now)) throw new RulesetChangedError(digest, now, history);
}
