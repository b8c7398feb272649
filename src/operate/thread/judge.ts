/** What is to be said about a ruleset text, by a thread that another one does not wait for before it compiles. */
import { type CheckOptions, judgeText, type Judged } from '../check';
import { contentDigest } from '../digest';
import { readSetFile } from '../ruleset-file';
import { ownedDigests } from '../section-digest';

/** Options that can be sent. */
export type JudgeOptions = Pick<CheckOptions, 'strict' | 'nowMs' | 'daemon'>;

/** Findings without the ruleset, which whoever asks has read himself. */
export interface JudgedBeside extends Omit<Judged, 'ruleset'> {
  /** Digest of each file of addresses as it was read here. */
  readonly sets: ReadonlyMap<string, string>;
  /** `ownedDigests`; none where the ruleset is refused. */
  readonly digests: ReadonlyMap<string, string>;
}

/** Reads and analyses the text, and makes the digests for which whoever applies it would wait. */
export function judge(file: string, text: string, options: JudgeOptions): JudgedBeside {
  const sets = new Map<string, string>();
  const { diagnostics, expectations, ruleset } = judgeText(file, text, { ...options, readFile: readInto(sets) });
  return { diagnostics, expectations, sets, digests: ruleset ? ownedDigests(ruleset) : new Map() };
}

/** Reads files of addresses, and remembers what was in them. */
export function readInto(sets: Map<string, string>): (path: string) => Uint8Array {
  return (path) => {
    const bytes = readSetFile(path);
    sets.set(path, contentDigest(bytes));
    return bytes;
  };
}
