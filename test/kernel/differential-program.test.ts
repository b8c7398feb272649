/**
 * The program that enforces and its dry twin are two specialisations of one object: on the same frames they must
 * return the same action, and the program's counters must be the twin's answers, added up.
 */
import { REASON_CODE } from '../../src/abi/codec';
import { compile } from '../../src/compile/compile';
import { readCounters } from '../../src/kernel/counters';
import { createGenerationMaps } from '../../src/kernel/datapath-maps';
import { datapathSwitches } from '../../src/kernel/datapath-switches';
import { loadProgram } from '../../src/kernel/load-program';
import { kernel } from '../../src/kernel/native';
import { evaluate } from '../../src/model/evaluate';
import { CornerPackets } from '../support/generate/corner-packets';
import { FrameBatch } from '../support/generate/frame-batch';
import { drawOddFrame } from '../support/generate/odd-frames';
import { printRuleset } from '../support/generate/print';
import { Random, testSeed } from '../support/generate/random';
import { drawSize, generateRuleset } from '../support/generate/ruleset';

const RULESETS = 15;
const FRAMES = 4000;
/** include/uapi/linux/bpf.h, enum xdp_action. */
const XDP_DROP = 1;
const XDP_PASS = 2;

it('the enforcing program returns and counts what the scan decides, every frame once', async () => {
  const seed = testSeed(61);
  const random = new Random(seed);
  const batch = new FrameBatch(FRAMES);
  for (let round = 0; round < RULESETS; round++) {
    const ruleset = generateRuleset(random, { rules: drawSize(random, 300) });
    const packets = new CornerPackets(random, ruleset);
    batch.clear();
    for (let i = 0; i < FRAMES; i++) {
      if (i % 4 === 0) batch.addFrame(drawOddFrame(random, packets.draw()).frame);
      else batch.addPacket(packets.draw());
    }
    const image = compile(ruleset);
    // Every ping passes, as in the scan, which knows no rates: those have tests of their own.
    const echo = { perSource: 1_000_000, inAll: 1_000_000 };
    const switches = { ...datapathSwitches(image, false), echo };
    const maps = createGenerationMaps(kernel(), switches);
    const region = maps.image.mmap({ writable: true });
    await region.write(0, image.bytes);
    region.close();
    maps.image.freeze();
    const { program } = await loadProgram(kernel(), 'slc_ingress', switches, maps);
    const { returnValues } = await program.testRunBatch({ frames: batch.frames, lengths: batch.lengths() });
    const counted = readCounters(maps.counters);
    program.close();
    maps.image.close();
    maps.counters.close();

    const expected = new Map<number, { packets: number; bytes: number }>();
    const wrong: number[] = [];
    const rankOf = new Map(image.ranks.map(({ rank, tier, rule }) => [rule?.id ?? tier, rank]));
    for (let i = 0; i < batch.count; i++) {
      const frame = batch.frame(i);
      const { tier, rule, verdict, reason } = evaluate(ruleset, frame);
      const byRow = tier === '7' || tier === '8' || tier === '9';
      const slot = byRow ? rankOf.get(rule ?? tier)! : REASON_CODE[reason];
      const { packets: frames, bytes } = expected.get(slot) ?? { packets: 0, bytes: 0 };
      expected.set(slot, { packets: frames + 1, bytes: bytes + frame.length });
      if (returnValues[i] !== (verdict === 'allow' ? XDP_PASS : XDP_DROP)) wrong.push(i);
    }
    const context = `seed ${seed}, ruleset ${round}\n${printRuleset(ruleset)}`;
    expect({ context, wrong }).toEqual({ context, wrong: [] });
    const figures = [...counted].map(([slot, { packets: frames, bytes }]) => [
      slot,
      { packets: Number(frames), bytes: Number(bytes) },
    ]);
    expect({ context, figures: new Map(figures as [number, object][]) }).toEqual({ context, figures: expected });
  }
});
