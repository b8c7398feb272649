/** Why a packet gets its verdict: by the scan and by the datapath program on the same image, which must agree. */
import { explainByModel, type Explanation } from '../analyse/explain';
import { decode } from '../model/decode';
import type { Decision } from '../model/evaluate';
import type { FlowKey } from '../model/packet';
import type { Direction } from '../model/ruleset';
import { buildProbeFrame } from '../observe/probe-frame';
import { sameDecision } from '../observe/replay';
import { Twin } from '../observe/twin';
import { SluiceError } from '../kernel/errors';
import type { Candidate } from './apply';
import type { Context } from './context';
import { type Enforcement, openEnforcedImage } from './enforcement';
import { type GenerationRecord, rankEntriesOf } from './generation-record';

/** An explanation, with the word of the datapath beside that of the model. */
export interface FullExplanation extends Explanation {
  /** What the datapath program said; null where it was not asked. */
  readonly kernel: Decision | null;
}

/** Explains by a ruleset that need not be enforced; without a context by the scan alone. */
export async function explainCandidate(
  candidate: Pick<Candidate, 'ruleset' | 'image'>,
  key: FlowKey,
  context: Context | null,
  direction: Direction = 'in',
): Promise<FullExplanation> {
  const { ruleset, image } = candidate;
  const byModel = explainFrame(key, (packet) => explainByModel(ruleset, packet, direction));
  if (!context) return { ...byModel, kernel: null };
  const twin = await Twin.load(context.kernel, image, image, direction);
  return compare(byModel, twin, key);
}

/** Explains by the generation that enforces: the model of its record, and a twin on the very map that enforces. */
export async function explainEnforced(
  context: Context,
  enforcement: Enforcement & { record: GenerationRecord },
  key: FlowKey,
  direction: Direction = 'in',
): Promise<FullExplanation> {
  const { record } = enforcement;
  const byModel = explainFrame(key, (packet) => explainByModel(record.ruleset, packet, direction));
  const map = openEnforcedImage(context, enforcement);
  try {
    const { counterSlots, features, sections } = record;
    const image = {
      bytes: { length: record.imageBytes },
      counterSlots,
      features,
      sections,
      ranks: rankEntriesOf(record),
    };
    return await compare(byModel, await Twin.load(context.kernel, image, { map }, direction), key);
  } finally {
    map.close();
  }
}

/** The model judges what the frame decodes to, so that both sides judge the same bytes. */
function explainFrame(
  key: FlowKey,
  explain: (packet: Extract<ReturnType<typeof decode>, { kind: 'ip' }>['packet']) => Explanation,
): Explanation {
  const decoded = decode(buildProbeFrame(key));
  if (decoded.kind !== 'ip') throw new RangeError('a probe is an IP packet');
  return explain(decoded.packet);
}

async function compare(byModel: Explanation, twin: Twin, key: FlowKey): Promise<FullExplanation> {
  try {
    const [{ decision }] = await twin.judge([buildProbeFrame(key)]);
    if (!sameDecision(decision, byModel.decision)) {
      throw new SluiceError(
        'operate/disagree',
        `the model says ${JSON.stringify(byModel.decision)}, the datapath ${JSON.stringify(decision)}`,
        {
          hint: 'this is a bug in sluice: please report it with the ruleset',
        },
      );
    }
    return { ...byModel, kernel: decision };
  } finally {
    twin.close();
  }
}
