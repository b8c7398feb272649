/** A capture, judged packet by packet: by the datapath, by the scan, or by both, which must agree. */
import { decode } from '../model/decode';
import type { Decision } from '../model/evaluate';
import { evaluate } from '../model/evaluate';
import { evaluateOutgoing } from '../model/outbound';
import { type Prefix, prefixContains } from '../model/prefix';
import type { Direction, Ruleset } from '../model/ruleset';
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

/** What judges. Without twins the scan alone does; with them it is asked too where `byModel` says so. */
export interface ReplayJudges {
  readonly ruleset: Ruleset;
  readonly twins: Readonly<Record<Direction, Twin>> | null;
  readonly byModel: boolean;
}

const BATCH = 4096;

/**
 * Judges frames in order, each by itself: there are no flows and no limits yet. What comes from an address of `local` is
 * judged as what goes out, everything else as what comes in.
 */
export async function* replay(
  { ruleset, twins, byModel }: ReplayJudges,
  frames: readonly Uint8Array[],
  local: readonly Prefix[] = [],
): AsyncGenerator<{ line: ReplayLine; disagreement?: Disagreement }, void> {
  for (let start = 0; start < frames.length; start += BATCH) {
    const batch = frames.slice(start, start + BATCH).map((frame) => ({ frame, direction: directionIn(frame, local) }));
    const answers = { in: [] as Decision[], out: [] as Decision[] };
    for (const direction of ['in', 'out'] as const) {
      // A test run takes no frame shorter than an Ethernet header, nor one that segments were merged into beyond 64 KiB.
      const runnable = batch.filter((one) => one.direction === direction && twinTakes(one.frame));
      if (!twins || runnable.length === 0) continue;
      const given = await twins[direction].judge(runnable.map(({ frame }) => frame));
      answers[direction] = given.map(({ decision }) => decision).reverse();
    }
    for (const [i, { frame, direction }] of batch.entries()) {
      const packet = start + i + 1;
      const kernel = twins && twinTakes(frame) ? answers[direction].pop()! : null;
      const model = byModel || kernel === null ? MODELS[direction](ruleset, frame) : null;
      const decision = (kernel ?? model)!;
      const { section, verdict, tier, reason, rule } = decision;
      const line: ReplayLine = { packet, section, verdict, tier, reason, rule };
      if (kernel && model && !sameDecision(kernel, model)) yield { line, disagreement: { packet, model, kernel } };
      else yield { line };
    }
  }
}

const MODELS = { in: evaluate, out: evaluateOutgoing } as const;

function directionIn(frame: Uint8Array, local: readonly Prefix[]): Direction {
  if (local.length === 0) return 'in';
  const decoded = decode(frame);
  if (decoded.kind !== 'ip') return 'in';
  const { family, source } = decoded.packet;
  return local.some((prefix) => prefix.family === family && prefixContains(prefix, source)) ? 'out' : 'in';
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
