/** Why a packet gets its verdict: by the scan and by the datapath program on the same image, which must agree. */
import { explainByModel, type Explanation } from '../analyse/explain';
import { decode } from '../model/decode';
import type { Decision } from '../model/evaluate';
import type { FlowKey } from '../model/packet';
import type { Direction, Ruleset } from '../model/ruleset';
import { buildProbeFrame } from '../observe/probe-frame';
import { sameDecision } from '../observe/replay';
import { Twin } from '../observe/twin';
import { SluiceError } from '../kernel/errors';
import { NO_STATE } from '../model/given-state';
import { addressBits, formatPrefix, type Prefix } from '../model/prefix';
import { SharedState } from '../load/state';
import type { Candidate } from './enforce';
import type { Ban } from './ban-file';
import type { OpenSections } from '../model/allow-all';
import { listBans } from './bans';
import type { Context } from './context';
import { judgingRuleset } from './trial-state';
import { type Enforcement, openEnforcedImage } from './enforcement';
import { type GenerationRecord, rankEntriesOf } from './generation-record';
import { openSections } from './openings';

/** An explanation, with the word of the datapath beside that of the model. */
export interface FullExplanation extends Explanation {
  /** What the datapath program said; null where it was not asked. */
  readonly kernel: Decision | null;
  /** Bans of the source, where they decided. */
  readonly bans: readonly Ban[];
}

/** Explains by a ruleset that need not be enforced; without a context by the scan alone. */
export async function explainCandidate(
  candidate: Pick<Candidate, 'ruleset' | 'image'>,
  key: FlowKey,
  context: Context | null,
  direction: Direction = 'in',
): Promise<FullExplanation> {
  const { ruleset, image } = candidate;
  const byModel = explainFrame(key, (packet) => explainByModel(ruleset, packet, NO_STATE, direction));
  if (!context) return { ...byModel, kernel: null, bans: [] };
  const twin = await Twin.load(context.kernel, image, image, direction);
  return { ...(await compare(byModel, twin, key)), bans: [] };
}

/**
 * Explains by the generation that enforces, the bans and ALLOW ALL: the model of its record, and a twin on the very maps
 * that enforce. Where one of them begins or ends in between it is asked again.
 */
export async function explainEnforced(
  context: Context,
  enforcement: Enforcement & { record: GenerationRecord },
  key: FlowKey,
  direction: Direction = 'in',
): Promise<FullExplanation> {
  const { record } = enforcement;
  const judging = judgingRuleset(record.ruleset, enforcement.trials);
  const source: Prefix = { family: key.family, words: key.source, length: addressBits(key.family) };
  const map = openEnforcedImage(context, enforcement);
  const shared = SharedState.find(context.kernel, context.pins);
  try {
    const { counterSlots, features, sections } = record;
    const image = {
      bytes: { length: record.imageBytes },
      counterSlots,
      features,
      sections,
      ranks: rankEntriesOf(record),
    };
    for (let attempt = 1; ; attempt++) {
      const { bans } = await listBans(context, source);
      const open = openSections(context);
      const state = { ...NO_STATE, open, bans: bans.map(({ prefix }) => prefix) };
      const byModel = explainFrame(key, (packet) => explainByModel(judging, packet, state, direction));
      try {
        const twin = await Twin.load(
          context.kernel,
          image,
          { map, bans: shared?.banMaps, open: shared?.openMaps, confirm: shared?.confirmMap },
          direction,
        );
        const explanation = await compare(byModel, twin, key);
        return { ...explanation, bans: explanation.decision.reason === 'banned' ? bans : [] };
      } catch (error) {
        const now = (await listBans(context, source)).bans;
        const isSame = namesOf(now) === namesOf(bans) && wordsOf(openSections(context)) === wordsOf(open);
        if (attempt === ATTEMPTS || isSame) throw error;
      }
    }
  } finally {
    shared?.close();
    map.close();
  }
}

const ATTEMPTS = 3;

function wordsOf(open: OpenSections): string {
  return open === 'everything' ? open : [...open].join();
}

function namesOf(bans: readonly Ban[]): string {
  return bans.map(({ prefix }) => formatPrefix(prefix)).join();
}

/** What the model says of a packet that comes in, where these bans hold and these sections are under ALLOW ALL. */
export function explainByScan(
  ruleset: Ruleset,
  key: FlowKey,
  given: { readonly bans: readonly Prefix[]; readonly open: OpenSections },
): Explanation {
  return explainFrame(key, (packet) => explainByModel(ruleset, packet, { ...NO_STATE, ...given }));
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

async function compare(byModel: Explanation, twin: Twin, key: FlowKey): Promise<Omit<FullExplanation, 'bans'>> {
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
