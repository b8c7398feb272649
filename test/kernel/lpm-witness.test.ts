import { kernel } from '../../src/kernel/native';
import { evaluate } from '../../src/model/evaluate';
import type { Ruleset } from '../../src/model/ruleset';
import { CornerPackets, reachesRows } from '../support/generate/corner-packets';
import { FrameBatch, PacketFields } from '../support/generate/frame-batch';
import { ODDITIES } from '../support/generate/odd-frames';
import { printFrame, printRuleset } from '../support/generate/print';
import { Random, testSeed } from '../support/generate/random';
import { drawSize, generateRuleset } from '../support/generate/ruleset';
import { LpmWitness } from '../support/lpm-witness/witness';

const RULESETS = 40;
const FRAMES = 1500;

describe('the literal design (LPM tries, port maps, bit vectors)', () => {
  let witness: LpmWitness;

  beforeAll(async () => {
    witness = await LpmWitness.load(kernel());
  });

  afterAll(() => witness.close());

  async function agree(ruleset: Ruleset, random: Random, context: string): Promise<void> {
    const packets = new CornerPackets(random, ruleset);
    const batch = new FrameBatch(FRAMES);
    while (batch.count < FRAMES) {
      const packet = packets.draw();
      if (reachesRows(ruleset, packet)) batch.addPacket(packet);
    }
    await witness.install(ruleset);
    const answers = await witness.judge(batch.frames, batch.lengths());
    answers.forEach((answer, i) => {
      const { tier, rule } = evaluate(ruleset, batch.frame(i));
      // The witness has rows, but no DHCP and no switch above them.
      if (tier === '5' || tier === '6') return;
      const expected = { plain: true, row: tier === '8' ? 'ssh' : rule };
      if (answer.plain && answer.row === expected.row) return;
      const frame = printFrame(batch.frame(i));
      throw new Error(
        `${context}\n${printRuleset(ruleset)}frame ${frame}\nscan ${JSON.stringify(expected)}, witness ${JSON.stringify(answer)}`,
      );
    });
  }

  it('finds the first match that the scan finds', async () => {
    const seed = testSeed(53);
    const random = new Random(seed);
    for (let round = 0; round < RULESETS; round++) {
      await agree(generateRuleset(random, { rules: drawSize(random, 120) }), random, `seed ${seed}, ruleset ${round}`);
    }
  });

  it('holds as many rows as its vectors have bits', async () => {
    const random = new Random(54);
    const full = generateRuleset(random, { rules: 511 });
    await agree(full, random, '511 rows');
  });

  it('does not judge what is not plain', async () => {
    const random = new Random(55);
    const batch = new FrameBatch(8);
    const packet = new PacketFields();
    for (const kind of ['vlan tags', 'ipv4 options', 'another ethertype', 'neighbour discovery'] as const) {
      batch.addFrame(ODDITIES[kind](random, packet));
    }
    await witness.install(generateRuleset(random, { rules: 3 }));
    const answers = await witness.judge(batch.frames, batch.lengths());
    expect(answers.map(({ plain }) => plain)).toEqual([false, false, false, true]);
  });
});
