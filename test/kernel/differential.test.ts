/**
 * Scan = interpreted image = kernel program, on rulesets nobody thought of. Where the packets are plain, the literal
 * kernel-map design is a fourth opinion. `SLUICE_SEED` repeats a failure, `SLUICE_PAIRS` asks for more pairs.
 */
import { SLC_ENTRY } from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import type { Image } from '../../src/compile/image';
import { interpretFrame } from '../../src/compile/interpret';
import { ImageReader } from '../../src/compile/reader';
import { kernel } from '../../src/kernel/native';
import { type Decision, evaluate } from '../../src/model/evaluate';
import { LOG_LEVELS, type LogWord } from '../../src/model/logging';
import { logWordOfFrame } from '../../src/model/log-word';
import type { Family } from '../../src/model/prefix';
import type { Ruleset } from '../../src/model/ruleset';
import { CornerPackets, reachesRows } from '../support/generate/corner-packets';
import { FrameBatch } from '../support/generate/frame-batch';
import { drawOddFrame, ODDITIES } from '../support/generate/odd-frames';
import { printFrame, printRuleset } from '../support/generate/print';
import { Random, testSeed } from '../support/generate/random';
import { drawSize, generateRuleset } from '../support/generate/ruleset';
import { type KernelAnswers, KernelJudge } from '../support/kernel-judge';
import { WITNESS_ROWS } from '../support/lpm-witness/tables';
import { LpmWitness } from '../support/lpm-witness/witness';

const PAIRS = Number(process.env.SLUICE_PAIRS ?? 2_000_000);
/** Fewer pairs than these, as an emulated processor gets, need not meet every tier. */
const TELLING_PAIRS = 200_000;
const FRAMES = 5000;
/** One frame in so many is odd: tagged, cut, fragmented, an ICMP error … */
const ODD_EVERY = 8;
/** One ruleset in so many is large, up to 1,000 rows; the others have up to 60. */
const LARGE_EVERY = 20;
const WITNESS_EVERY = 8;
const LARGEST_IMAGE = 4 << 20;
/** Lists of tier 2: each makes a twin of its own, so there are few. */
const ETHERTYPES = [[0x88cc, 0x8809, 0x888e], [], [0x88f7, 0x8863, 0x0600]];

interface Frames {
  readonly batch: FrameBatch;
  /** Kind of oddity, or null for a plain packet that reaches the rows, or undefined for any other plain one. */
  readonly kinds: (string | null | undefined)[];
}

function drawFrames(random: Random, ruleset: Ruleset, batch: FrameBatch): Frames {
  const packets = new CornerPackets(random, ruleset);
  const kinds: Frames['kinds'] = [];
  batch.clear();
  for (let i = 0; i < FRAMES; i++) {
    const packet = packets.draw();
    if (i % ODD_EVERY === 0) {
      const { kind, frame } = drawOddFrame(random, packet);
      batch.addFrame(frame);
      kinds.push(kind);
    } else {
      batch.addPacket(packet);
      kinds.push(reachesRows(ruleset, packet) ? null : undefined);
    }
  }
  return { batch, kinds };
}

function hasClassTables(image: Image, family: Family): boolean {
  return new ImageReader(image.bytes).roots(SLC_ENTRY.INBOUND).trees[family].some(({ kind }) => kind === 'classes');
}

function sameDecision(a: Decision, b: Decision): boolean {
  return (
    a.section === b.section &&
    a.tier === b.tier &&
    a.verdict === b.verdict &&
    a.reason === b.reason &&
    a.rule === b.rule
  );
}

describe('scan, image and kernel program', () => {
  const seed = testSeed(2026);
  let judge: KernelJudge;
  let witness: LpmWitness;

  beforeAll(async () => {
    judge = KernelJudge.create(kernel(), LARGEST_IMAGE);
    witness = await LpmWitness.load(kernel());
  });

  afterAll(() => {
    judge.close();
    witness.close();
  });

  function report(ruleset: Ruleset, round: number, frames: Frames, i: number, answers: readonly string[]): Error {
    const kind = frames.kinds[i] ?? 'plain packet';
    const frame = `frame (${kind}): ${printFrame(frames.batch.frame(i))}`;
    return new Error(
      [`seed ${seed}, ruleset ${round}, frame ${i}`, frame, ...answers, printRuleset(ruleset)].join('\n'),
    );
  }

  it(`agree on ${PAIRS.toLocaleString('en')} pairs of a ruleset and a packet`, async () => {
    const random = new Random(seed);
    const batch = new FrameBatch(FRAMES);
    const tally = {
      pairs: 0,
      rulesets: 0,
      rows: 0,
      witnessed: 0,
      longestLeaf: 0,
      classTables: { 4: 0, 6: 0 },
      byTier: new Map<string, number>(),
      byLog: new Map<LogWord | null, number>(),
    };
    const begin = performance.now();
    for (let round = 0; tally.pairs < PAIRS; round++) {
      const rules = round % LARGE_EVERY === LARGE_EVERY - 1 ? random.between(200, 1000) : drawSize(random, 60);
      const crowd = round % (2 * LARGE_EVERY) === LARGE_EVERY - 1 ? true : undefined;
      const drawn = generateRuleset(random, { rules, crowd });
      const ruleset: Ruleset = {
        ...drawn,
        ethertypes: ETHERTYPES[round % ETHERTYPES.length],
        logging: LOG_LEVELS[round % LOG_LEVELS.length],
      };
      const frames = drawFrames(random.fork(), ruleset, batch);
      const image = compile(ruleset);
      await judge.install(image);
      const judging = judge.judge(batch.frames, batch.lengths());

      // While the kernel judges on another thread.
      const scanned: Decision[] = [];
      for (let i = 0; i < batch.count; i++) {
        const frame = batch.frame(i);
        const decision = evaluate(ruleset, frame);
        scanned.push(decision);
        const interpreted = interpretFrame(image, frame);
        if (!sameDecision(decision, interpreted)) {
          const answers = [`scan: ${JSON.stringify(decision)}`, `image: ${JSON.stringify(interpreted)}`];
          await judging;
          throw report(ruleset, round, frames, i, answers);
        }
        tally.byTier.set(decision.tier, (tally.byTier.get(decision.tier) ?? 0) + 1);
      }
      const answers: KernelAnswers = await judging;
      scanned.forEach((decision, i) => {
        const log = logWordOfFrame(ruleset, decision, batch.frame(i));
        tally.byLog.set(log, (tally.byLog.get(log) ?? 0) + 1);
        if (answers.agrees(i, decision) && answers.log(i) === log) return;
        const said = [`scan and image: ${JSON.stringify(decision)}, told as ${log}`, `kernel: ${answers.describe(i)}`];
        throw report(ruleset, round, frames, i, said);
      });

      if (round % WITNESS_EVERY === 0 && rules < WITNESS_ROWS) {
        await witness.install(ruleset);
        const opinions = await witness.judge(batch.frames, batch.lengths());
        opinions.forEach((opinion, i) => {
          if (frames.kinds[i] !== null) return;
          const { tier, rule } = scanned[i];
          // The witness has rows, but no DHCP and no switch above them.
          if (tier === '5' || tier === '6') return;
          tally.witnessed++;
          if (opinion.plain && opinion.row === (tier === '8' ? 'ssh' : rule)) return;
          const said = [`scan, image, kernel: ${JSON.stringify(scanned[i])}`, `witness: ${JSON.stringify(opinion)}`];
          throw report(ruleset, round, frames, i, said);
        });
      }
      tally.pairs += batch.count;
      tally.rulesets++;
      tally.rows += rules;
      tally.longestLeaf = Math.max(tally.longestLeaf, image.stats.longestLeaf);
      for (const family of [4, 6] as const) tally.classTables[family] += Number(hasClassTables(image, family));
    }
    const seconds = (performance.now() - begin) / 1000;
    const tiers = [...tally.byTier].sort().map(([tier, count]) => `${tier}: ${count}`);
    process.stdout.write(
      `differential: ${tally.pairs} pairs of ${tally.rulesets} rulesets (${tally.rows} rows) agree, ` +
        `${tally.witnessed} also with the LPM witness; ${Math.round(tally.pairs / seconds)} pairs/s; ` +
        `by tier ${tiers.join(', ')}; longest leaf ${tally.longestLeaf}, ` +
        `class tables in ${tally.classTables[4]} and ${tally.classTables[6]} of them; seed ${seed}\n`,
    );
    if (tally.pairs < TELLING_PAIRS) return;
    // Every tier must have been met often, or the agreement says little.
    for (const tier of ['1', '2', '4', '5', '7', '8', '9']) {
      expect(tally.byTier.get(tier) ?? 0).toBeGreaterThan(tally.pairs / 1000);
    }
    for (const log of [null, 'BLOCK', 'ALLOW', 'AUDIT', 'AUDIT INVALID'] as const) {
      expect(tally.byLog.get(log) ?? 0).toBeGreaterThan(tally.pairs / 1000);
    }
    // Longer leaves than the program walks in line.
    expect(tally.longestLeaf).toBeGreaterThan(8);
    expect(tally.classTables[4]).toBeGreaterThan(0);
    expect(tally.classTables[6]).toBeGreaterThan(0);
    expect(tally.witnessed).toBeGreaterThan(tally.pairs / 40);
  });

  it('would not agree if two rows changed places', async () => {
    const random = new Random(seed + 2);
    const ruleset = { ...generateRuleset(random, { rules: 40 }), ethertypes: ETHERTYPES[0] };
    const rules = [...ruleset.inbound.rules].reverse();
    const image = compile({ ...ruleset, inbound: { ...ruleset.inbound, rules } });
    const { batch } = drawFrames(random, ruleset, new FrameBatch(FRAMES));
    await judge.install(image);
    const answers = await judge.judge(batch.frames, batch.lengths());
    const frames = Array.from({ length: batch.count }, (_, i) => batch.frame(i));
    expect(frames.some((frame, i) => !answers.agrees(i, evaluate(ruleset, frame)))).toBe(true);
    expect(frames.some((frame) => !sameDecision(interpretFrame(image, frame), evaluate(ruleset, frame)))).toBe(true);
  });

  it('do not depend on where the linear part of a frame ends', async () => {
    const random = new Random(seed + 1);
    for (const icmp of ['essentials', 'rules'] as const) {
      const ruleset = { ...generateRuleset(random, { rules: 30, icmp }), ethertypes: ETHERTYPES[0] };
      const packets = new CornerPackets(random, ruleset);
      await judge.install(compile(ruleset));
      // Each oddity several times, and as many plain packets.
      const frames = Object.values(ODDITIES).flatMap((make) =>
        Array.from({ length: 10 }, () => make(random, packets.draw()).slice()),
      );
      const plain = new FrameBatch(100);
      for (let i = 0; i < 100; i++) plain.addPacket(packets.draw());
      for (let i = 0; i < 100; i++) frames.push(plain.frame(i).slice());

      for (const frame of frames) {
        const splits = Int32Array.from({ length: frame.length + 1 }, (_, linear) => linear);
        const lengths = new Uint32Array(splits.length).fill(frame.length);
        const repeated = new Uint8Array(frame.length * splits.length);
        for (let i = 0; i < splits.length; i++) repeated.set(frame, i * frame.length);
        const answers = await judge.judge(repeated, lengths, splits);
        const whole = frame.length;
        expect(answers.agrees(whole, evaluate(ruleset, frame))).toBe(true);
        for (let linear = 0; linear < frame.length; linear++) {
          if (answers.same(linear, whole)) continue;
          throw new Error(
            `seed ${seed}, linear part of ${linear} of ${frame.length} bytes: ${answers.describe(linear)}, ` +
              `whole: ${answers.describe(whole)}, frame ${printFrame(frame)}\n${printRuleset(ruleset)}`,
          );
        }
      }
    }
  });
});
