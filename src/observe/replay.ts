/** A capture, judged packet by packet: by the datapath, by the scan, or by both, which must agree. */
import type { Decision } from '../model/evaluate';
import { evaluate } from '../model/evaluate';
import type { Ruleset } from '../model/ruleset';
import { type Twin, twinTakes } from './twin';

/** One line of `sluice replay`. */
export interface ReplayLine {
  /** Number of the frame in the capture, from 1. */
  readonly packet: number;
  readonly section: string;
  readonly verdict: Decision['verdict'];
  readonly tier: Decision['tier'];
  readonly reason: Decision['reason'];
  readonly rule: string | null;
}

/** The scan and the datapath disagree about a packet: a bug of sluice. */
export interface Disagreement {
  readonly packet: number;
  readonly model: Decision;
  readonly kernel: Decision;
}

const BATCH = 4096;

/** Judges frames in order; without a twin by the scan alone. */
export async function* replay(
  ruleset: Ruleset,
  frames: readonly Uint8Array[],
  twin: Twin | null,
  judge: { model: boolean },
): AsyncGenerator<{ line: ReplayLine; disagreement?: Disagreement }> {
  for (let start = 0; start < frames.length; start += BATCH) {
    const batch = frames.slice(start, start + BATCH);
    // A test run takes no frame shorter than an Ethernet header, nor one that segments were merged into beyond 64 KiB.
    const runnable = batch.filter(twinTakes);
    const answers = twin ? await twin.judge(runnable) : [];
    let next = 0;
    for (const [i, frame] of batch.entries()) {
      const packet = start + i + 1;
      const kernel = twin && twinTakes(frame) ? answers[next++].decision : null;
      const model = judge.model || kernel === null ? evaluate(ruleset, frame) : null;
      const decision = (kernel ?? model)!;
      const { section, verdict, tier, reason, rule } = decision;
      const line: ReplayLine = { packet, section, verdict, tier, reason, rule };
      if (kernel && model && !sameDecision(kernel, model)) yield { line, disagreement: { packet, model, kernel } };
      else yield { line };
    }
  }
}

/** Whether two decisions are the same in every part. */
export function sameDecision(a: Decision, b: Decision): boolean {
  return (
    a.section === b.section &&
    a.verdict === b.verdict &&
    a.tier === b.tier &&
    a.reason === b.reason &&
    a.rule === b.rule
  );
}
