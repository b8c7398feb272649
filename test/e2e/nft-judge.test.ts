import { evaluate } from '../../src/model/evaluate';
import type { Ruleset } from '../../src/model/ruleset';
import { CornerPackets, reachesRows } from '../support/generate/corner-packets';
import { FrameBatch } from '../support/generate/frame-batch';
import { printRuleset } from '../support/generate/print';
import { Random, testSeed } from '../support/generate/random';
import { drawSize, generateRuleset } from '../support/generate/ruleset';
import { reapStale } from '../support/netns';
import { nftScript, NftJudge } from '../support/nft-judge';

const RULESETS = 20;
const FRAMES = 2500;

describe('nftables, on the same frames', () => {
  let judge: NftJudge;

  beforeAll(() => {
    reapStale();
    judge = NftJudge.create('nft');
  });

  afterAll(() => judge.destroy());

  /** Rows whose count differs between the scan of one ruleset and nft with (usually the same) another. */
  async function compare(scanned: Ruleset, installed: Ruleset, batch: FrameBatch): Promise<string[]> {
    const expected = new Map<string, number>();
    for (let i = 0; i < batch.count; i++) {
      const { tier, rule, reason } = evaluate(scanned, batch.frame(i));
      const row = tier === '7' ? rule! : reason;
      expected.set(row, (expected.get(row) ?? 0) + 1);
    }
    judge.install(installed);
    const counted = await judge.count(batch);
    return [...new Set([...expected.keys(), ...counted.keys()])]
      .filter((row) => (expected.get(row) ?? 0) !== (counted.get(row) ?? 0))
      .map((row) => `${row}: scan ${expected.get(row) ?? 0}, nft ${counted.get(row) ?? 0}`);
  }

  function drawBatch(random: Random, ruleset: Ruleset): FrameBatch {
    const packets = new CornerPackets(random, ruleset, { quotes: false });
    const batch = new FrameBatch(FRAMES);
    while (batch.count < FRAMES) {
      const packet = packets.draw();
      if (reachesRows(ruleset, packet)) batch.addPacket(packet);
    }
    return batch;
  }

  it('counts for every row what the scan decides, exactly', async () => {
    const seed = testSeed(47);
    const random = new Random(seed);
    for (let round = 0; round < RULESETS; round++) {
      const ruleset = generateRuleset(random, { rules: drawSize(random, 250), icmp: 'rules' });
      const different = await compare(ruleset, ruleset, drawBatch(random, ruleset));
      if (different.length > 0) {
        const report = [`seed ${seed}, ruleset ${round}`, ...different, printRuleset(ruleset), nftScript(ruleset)];
        throw new Error(report.join('\n'));
      }
    }
  });

  it('would notice two rows that changed places', async () => {
    const random = new Random(48);
    const ruleset = generateRuleset(random, { rules: 40, icmp: 'rules' });
    const rules = [...ruleset.inbound.rules].reverse();
    const reversed = { ...ruleset, inbound: { ...ruleset.inbound, rules } };
    expect(await compare(ruleset, reversed, drawBatch(random, ruleset))).not.toEqual([]);
  });
});
