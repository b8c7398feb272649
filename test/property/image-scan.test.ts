/** The image agrees with the scan on rulesets that overlap wherever they can, at the corners of their rows. */
import { compile } from '../../src/compile/compile';
import { interpretFrame } from '../../src/compile/interpret';
import { evaluate } from '../../src/model/evaluate';
import { CornerPackets } from '../support/generate/corner-packets';
import { FrameBatch } from '../support/generate/frame-batch';
import { printFrame, printRuleset } from '../support/generate/print';
import { Random, testSeed } from '../support/generate/random';
import { drawSize, generateRuleset } from '../support/generate/ruleset';

/** Compares on `packets` corner packets and shows the first difference with all that is needed to see it again. */
function compareOnce(seed: number, mostRules: number, packets: number): void {
  const random = new Random(seed);
  const ruleset = generateRuleset(random, { rules: drawSize(random, mostRules) });
  const image = compile(ruleset);
  const corners = new CornerPackets(random, ruleset);
  const batch = new FrameBatch(1);
  for (let i = 0; i < packets; i++) {
    batch.clear();
    batch.addPacket(corners.draw());
    const expected = evaluate(ruleset, batch.frame(0));
    const actual = interpretFrame(image, batch.frame(0));
    if (JSON.stringify(actual) === JSON.stringify(expected)) continue;
    throw new Error(
      `seed ${seed}: scan ${JSON.stringify(expected)}, image ${JSON.stringify(actual)}\n` +
        `${printFrame(batch.frame(0))}\n${printRuleset(ruleset)}`,
    );
  }
}

describe('image = scan', () => {
  const seed = testSeed(0x51ce);

  test.each([
    ['small rulesets', 12, 400, 150],
    ['rulesets of some hundred rows', 300, 60, 400],
  ])('%s', (_name, mostRules, rounds, packets) => {
    for (let round = 0; round < rounds; round++) compareOnce(seed + round, mostRules, packets);
  });

  test('1,000 rows', () => {
    const random = new Random(seed);
    for (let round = 0; round < 3; round++) {
      const ruleset = generateRuleset(random, { rules: 1000 });
      const image = compile(ruleset);
      const corners = new CornerPackets(random, ruleset);
      const batch = new FrameBatch(1);
      for (let i = 0; i < 1500; i++) {
        batch.clear();
        batch.addPacket(corners.draw());
        expect(interpretFrame(image, batch.frame(0))).toEqual(evaluate(ruleset, batch.frame(0)));
      }
    }
  });
});
