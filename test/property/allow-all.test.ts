/**
 * ALLOW ALL in the model: it only ever lets in more, only what its sections refused, and names the row that did; the
 * ruleset that `exposed` looks at (`withOpen`) lets in the same packets.
 */
import { withOpen } from '../../src/model/allow-all';
import { evaluate } from '../../src/model/evaluate';
import { NO_STATE } from '../../src/model/given-state';
import { CornerPackets } from '../support/generate/corner-packets';
import { FrameBatch } from '../support/generate/frame-batch';
import { printFrame } from '../support/generate/print';
import { Random, testSeed } from '../support/generate/random';
import { generateSections } from '../support/generate/sections';
import { withServers } from '../support/generate/servers';

const [ROUNDS, FRAMES] = [60, 300];

test('what it lets in is what the rows of open sections refuse, and nothing else', () => {
  const seed = testSeed(6201);
  const random = new Random(seed);
  const batch = new FrameBatch(FRAMES);
  let letIn = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const sections = generateSections(random, random.between(1, 40));
    const { ruleset, rows } = withServers(random, sections.ruleset, sections.rows);
    const packets = new CornerPackets(random, rows);
    const names = ['inbound', ...(ruleset.servers ?? []).map(({ name }) => name)];
    const open = round % 10 === 0 ? 'everything' : new Set(names.filter(() => random.chance(0.5)));
    const opened = withOpen(ruleset, open);
    batch.clear();
    for (let i = 0; i < FRAMES; i++) batch.addPacket(packets.draw());
    for (let i = 0; i < batch.count; i++) {
      const frame = batch.frame(i);
      const where = { seed, round, frame: printFrame(frame) };
      const before = evaluate(ruleset, frame);
      const now = evaluate(ruleset, frame, { ...NO_STATE, open });
      expect({ ...where, passes: evaluate(opened, frame).verdict === 'allow' }).toEqual({
        ...where,
        passes: now.verdict === 'allow',
      });
      if (now.reason !== 'allow-all') {
        // An error about what only ALLOW ALL lets in passes too.
        if (now.reason !== 'icmp-error') expect({ ...where, ...now }).toEqual({ ...where, ...before });
        continue;
      }
      letIn++;
      expect({ ...where, before: before.verdict }).not.toMatchObject({ before: 'allow' });
      expect(open === 'everything' || open.has(before.section)).toBe(true);
      expect({ ...where, ...now }).toEqual({ ...where, ...before, tier: '6', verdict: 'allow', reason: 'allow-all' });
    }
  }
  expect(letIn).toBeGreaterThan((ROUNDS * FRAMES) / 20);
});
