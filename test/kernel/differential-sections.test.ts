/**
 * Scan = interpreted image = kernel program where every section is used: keep-reachable, guard, inbound, servers and
 * outbound, for packets that come in and packets that go out, while random sections are under ALLOW ALL, and random ones
 * wait to be confirmed, were, or were not. What is read ahead of a server's block is any number: no answer hangs on it.
 * `SLUICE_SEED` repeats a failure, `SLUICE_PAIRS` asks for more.
 */
import { LAYOUT, SLC_ENTRY, SLC_LIMITS } from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import type { Image } from '../../src/compile/image';
import { interpretFrame, interpretOutgoing } from '../../src/compile/interpret';
import { ImageReader } from '../../src/compile/reader';
import type { ConfirmWord } from '../../src/load/confirm-words';
import { FIXED_SECTIONS, rulesetReturned, type SectionBefore, sectionNow, type Trial } from '../../src/model/trial';
import { kernel } from '../../src/kernel/native';
import { type Decision, evaluate } from '../../src/model/evaluate';
import { evaluateOutgoing } from '../../src/model/outbound';
import { PROTOCOL } from '../../src/model/protocol';
import {
  type Direction,
  type Guard,
  NO_GUARD,
  OPEN_OUTBOUND,
  type Rule,
  type Ruleset,
  type Server,
} from '../../src/model/ruleset';
import { at, prefix, ruleset } from '../support/findings';
import { CornerPackets, turnRound } from '../support/generate/corner-packets';
import { FrameBatch } from '../support/generate/frame-batch';
import { drawOddFrame, ODDITIES } from '../support/generate/odd-frames';
import { printFrame, printRuleset } from '../support/generate/print';
import { Random, testSeed } from '../support/generate/random';
import { drawSize } from '../support/generate/ruleset';
import { dealSections, generateSections } from '../support/generate/sections';
import { redrawServer, withServers } from '../support/generate/servers';
import { drawWideRules } from '../support/generate/wide-rules';
import { ConfirmStand } from '../support/confirm-stand';
import type { OpenSections } from '../../src/model/allow-all';
import { type GivenState, NO_STATE } from '../../src/model/given-state';
import { type KernelAnswers, KernelJudge } from '../support/kernel-judge';
import { OpenStand } from '../support/open-stand';

const PAIRS = Number(process.env.SLUICE_PAIRS ?? 500_000);
/** Fewer pairs than these, as other kernels and emulated processors get, need not meet every tier and state. */
const TELLING_PAIRS = 500_000;
const FRAMES = 2000;
const ODD_EVERY = 5;
/** SYN, SYN+ACK, ACK, FIN+ACK, RST, PSH+ACK, none. */
const TCP_FLAGS = [2, 18, 16, 17, 4, 24, 0];

/** Frames that a test run of a program of the egress hook takes, whatever they hold: with a whole IP header, within a page. */
const SKB_BYTES = { least: 54, most: 3500 };

const SCAN = { in: evaluate, out: evaluateOutgoing };
const IMAGE = { in: interpretFrame, out: interpretOutgoing };

/** Packets at the corners of all rows; half of them turned round, as the answers to such packets are. */
function drawFrames(random: Random, packets: CornerPackets, batch: FrameBatch): void {
  batch.clear();
  for (let i = 0; i < FRAMES; i++) {
    const packet = packets.draw();
    if (random.chance(0.5) && packet.quote === null) turnRound(packet);
    if (i % ODD_EVERY === 0) {
      // Half of them fragments, of which rows see less.
      const fragment = ODDITIES[packet.family === 4 ? 'ipv4 fragment' : 'ipv6 fragment'];
      const frame = random.chance(0.5) ? fragment(random, packet) : drawOddFrame(random, packet).frame;
      if (frame.length >= SKB_BYTES.least && frame.length < SKB_BYTES.most) {
        batch.addFrame(frame);
        continue;
      }
    }
    batch.addPacket(packet);
    if (packet.protocol === PROTOCOL.TCP) {
      batch.frame(batch.count - 1)[14 + (packet.family === 4 ? 20 : 40) + 13] = random.pick(TCP_FLAGS);
    }
  }
}

/** In every other round nothing; now and then a section that there is none of, or the whole edge. */
function drawOpen(random: Random, { inbound, servers = [] }: Ruleset): OpenSections {
  if (random.chance(0.5)) return new Set();
  if (random.chance(0.1)) return 'everything';
  const names = [inbound.name, ...servers.map(({ name }) => name), 'elsewhere'];
  return new Set(names.filter(() => random.chance(0.5)));
}

/** Half of the sections on trial in every other round, some of them in one change; what became of each. */
function drawTrials(random: Random, { servers = [] }: Ruleset, rows: Ruleset): (Trial & { state: ConfirmWord })[] {
  if (random.chance(0.5)) return [];
  const words = random.shuffle(Array.from({ length: 255 }, (_, i) => i + 1));
  const before = dealSections(random, {
    ...rows,
    inbound: { ...rows.inbound, rules: random.shuffle(rows.inbound.rules) },
  });
  // Now and then what has no rows at all, and UDP that is off.
  const bare = {
    ...before,
    inbound: { ...before.inbound, udp: 'off' as const },
    outbound: OPEN_OUTBOUND,
    guard: NO_GUARD,
  };
  const all: SectionBefore[] = [
    ...FIXED_SECTIONS.map((name) => sectionNow(random.chance(0.3) ? bare : before, name)!),
    ...servers.map((server) => redrawServer(random, server, rows.inbound.rules)),
  ];
  const trials: (Trial & { state: ConfirmWord })[] = [];
  for (const [i, previous] of all.filter(() => random.chance(0.5)).entries()) {
    const state = random.pick(['confirmed', 'taken-back', kernel().bootTimeNs(), 1n << 62n] as const);
    const together = i > 0 && random.chance(0.3) ? trials[i - 1] : { word: words[i], state };
    trials.push({ previous, word: together.word, state: together.state });
  }
  return trials;
}

/** In half of the rounds the image asks to read ahead, of every section, more than there is now and then. */
function drawNear(random: Random, bytes: Uint8Array, sections: number): void {
  if (random.chance(0.5)) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const { near_lines: lines, near_counters: counters, near4, near6 } = LAYOUT.slc_section.fields;
  for (let entry = 0; entry < sections; entry++) {
    const at = SLC_LIMITS.SECTIONS_SLOT * 8 + entry * LAYOUT.slc_section.size;
    view.setUint8(at + lines.offset, random.below(SLC_LIMITS.NEAR_MAX + 3));
    view.setUint8(at + counters.offset, random.below(SLC_LIMITS.NEAR_MAX + 3));
    for (const { offset } of [near4, near6]) view.setUint32(at + offset, random.word(), true);
  }
}

/** What has passed judges no more; none of the others comes to its end during a test. */
function hasReturned({ state }: { readonly state: ConfirmWord }): boolean {
  return state === 'taken-back' || (typeof state === 'bigint' && state < 1n << 62n);
}

/** What was asked of all three, and of whom; `describe` tells of the round where they disagree. */
interface Asked {
  /** The ruleset as it judges in that state. */
  readonly judging: Ruleset;
  readonly image: Image;
  readonly state: GivenState;
  readonly direction: Direction;
  readonly batch: FrameBatch;
  readonly answers: KernelAnswers;
  readonly describe: () => string[];
}

/** Scan's decision on each frame of the batch; throws where the image, or the kernel, says another. */
function decisionsOf({ judging, image, state, direction, batch, answers, describe }: Asked): Decision[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const frame = batch.frame(i);
    const decision = SCAN[direction](judging, frame, state);
    const [scan, interpreted] = [decision, IMAGE[direction](image, frame, state)].map((said) => JSON.stringify(said));
    if (scan === interpreted && answers.agrees(i, decision)) return decision;
    const said = [`scan: ${scan}`, `image: ${interpreted}`, `kernel: ${answers.describe(i)}`];
    throw new Error([`${direction}: ${printFrame(frame)}`, ...said, ...describe()].join('\n'));
  });
}

test(`agree on ${PAIRS.toLocaleString('en')} pairs, both directions`, async () => {
  const seed = testSeed(3033);
  const random = new Random(seed);
  const open = await OpenStand.create();
  const confirm = await ConfirmStand.create();
  const judge = KernelJudge.create(kernel(), 1 << 20, { maps: { open: open.maps, confirm: confirm.map } });
  const batch = new FrameBatch(FRAMES);
  const byTier = new Map<string, number>();
  try {
    for (let pairs = 0, round = 0; pairs < PAIRS; round++) {
      const sections = generateSections(random, drawSize(random, 120));
      const { ruleset, rows } = withServers(random, sections.ruleset, sections.rows);
      const trials = drawTrials(random, ruleset, rows);
      for (const { word, state } of trials) confirm.words.set(word, state);
      const returned = new Set(trials.filter(hasReturned).map(({ previous }) => previous.name));
      const judging = rulesetReturned(ruleset, trials, (name) => returned.has(name));
      const image = compile(ruleset, undefined, trials);
      drawNear(random, image.bytes, SLC_ENTRY.SERVERS + (ruleset.servers?.length ?? 0));
      await judge.install(image);
      const opened = drawOpen(random, ruleset);
      await open.set(opened);
      const state = { ...NO_STATE, open: opened, returned };
      const direction: Direction = round % 3 === 0 ? 'in' : 'out';
      drawFrames(random.fork(), new CornerPackets(random, rows), batch);
      const answers = await judge.judge(batch.frames, batch.lengths(), undefined, direction);
      const describe = (): string[] => [
        `seed ${seed}, round ${round}, open: ${JSON.stringify(opened === 'everything' ? opened : [...opened])}`,
        `on trial: ${JSON.stringify(trials.map((trial) => ({ ...trial, state: String(trial.state) })))}`,
        `${JSON.stringify({ guard: ruleset.guard, outbound: ruleset.outbound, servers: ruleset.servers })}\n${printRuleset(ruleset)}`,
      ];
      for (const decision of decisionsOf({ judging, image, state, direction, batch, answers, describe })) {
        const { tier: number, reason } = decision;
        const at = reason === 'allow-all' ? `${number} allow-all` : number;
        byTier.set(at, (byTier.get(at) ?? 0) + 1);
        const trial = trials.find(({ previous }) => previous.name === decision.section);
        if (trial) {
          const kind = typeof trial.state === 'bigint' ? (hasReturned(trial) ? 'over' : 'waits') : trial.state;
          for (const whose of ['trial', FIXED_SECTIONS.find((name) => name === decision.section) ?? 'server']) {
            const what = `${whose} ${kind}`;
            byTier.set(what, (byTier.get(what) ?? 0) + 1);
          }
        }
        if (ruleset.servers?.some(({ name }) => name === decision.section)) {
          const tier = `server ${at}`;
          byTier.set(tier, (byTier.get(tier) ?? 0) + 1);
        }
      }
      pairs += batch.count;
    }
  } finally {
    judge.close();
    open.close();
    confirm.close();
  }
  process.stdout.write(
    `differential, all sections: ${[...byTier]
      .sort()
      .map(([tier, count]) => `${tier}: ${count}`)
      .join(', ')}; seed ${seed}\n`,
  );
  if (PAIRS < TELLING_PAIRS) return;
  const servers = ['server 6', 'server 7', 'server 9', 'server 6 allow-all', '6 allow-all'];
  for (const tier of [
    ...['3.1', '3.3', '5', '7', '8', '9', ...servers],
    ...['out 1', 'out 2', 'out 3', 'out 5', 'out 6', 'out 7'],
  ]) {
    expect(byTier.get(tier) ?? 0).toBeGreaterThan(PAIRS / 1000);
  }
  for (const whose of ['trial', 'server', ...FIXED_SECTIONS])
    for (const kind of ['waits', 'over', 'confirmed', 'taken-back'])
      expect([whose, kind, (byTier.get(`${whose} ${kind}`) ?? 0) > PAIRS / 10_000]).toEqual([whose, kind, true]);
});

/** Rows that reject deny: of an answer the twin says another thing than the scan. */
function unanswered({ inbound }: Ruleset): Rule[] {
  return inbound.rules.map((row) => (row.action === 'reject' ? { ...row, action: 'deny' as const } : row));
}

/** Kinds of the third tree of each entry that rows can be in, in both states. */
function tablesIn(image: Image): string[] {
  const reader = new ImageReader(image.bytes);
  const { INBOUND, OUTBOUND, KEEP_REACHABLE, GUARD_IN, GUARD_OUT, SERVERS } = SLC_ENTRY;
  const entries = { INBOUND, OUTBOUND, KEEP_REACHABLE, GUARD_IN, GUARD_OUT, SERVERS };
  return Object.entries(entries).flatMap(([name, entry]) =>
    [false, true].flatMap((isReturned) => {
      if (entry >= reader.sectionCount) return [];
      const { trees } = reader.roots(entry, isReturned);
      const has = ([4, 6] as const).some((family) => trees[family].some(({ kind }) => kind === 'classes'));
      return has ? [`${name}${isReturned ? ' before' : ''}`] : [];
    }),
  );
}

test('class tables of every section, and of what judges again there', async () => {
  const seed = testSeed(4044);
  const random = new Random(seed);
  const confirm = await ConfirmStand.create();
  const judge = KernelJudge.create(kernel(), 1 << 22, { maps: { confirm: confirm.map } });
  const batch = new FrameBatch(FRAMES);
  const met = new Set<string>();
  const judged = new Map<string, number>();
  try {
    for (let round = 0; round < 6; round++) {
      const shape = {
        from: round % 4 !== 3,
        to: random.chance(0.5),
        fromPort: random.chance(0.5),
        icmp: true,
        fewPorts: round % 2 === 0,
      };
      // Small servers have none.
      const few = { from: true, to: false, fromPort: false, icmp: false, fewPorts: true };
      const drawOwn = (): Rule[] => unanswered(drawWideRules(random, round % 4 === 0 ? 6000 : 60, few));
      const draw = (count: number): Rule[] => unanswered(drawWideRules(random, count, shape));
      // What is kept reachable, and what the guard refuses, is seen by nobody below.
      const guard = (): Guard => ({
        keepReachable: round % 3 === 1 ? draw(40).map((row) => ({ ...row, action: 'allow' as const })) : [],
        rules: round % 3 === 2 ? draw(120).map((row, i) => ({ ...row, direction: i % 2 === 0 ? 'in' : 'out' })) : [],
      });
      const server: Server = {
        ...{ name: 'wide', addresses: [prefix('0.0.0.0/2'), prefix('2001::/24')] },
        ...{ default: 'deny', rules: drawOwn(), source: at(1) },
      };
      const written = ruleset(draw(70), {
        ...{ guard: guard(), outbound: { name: 'outbound', default: 'deny', rules: draw(60) } },
        servers: [server],
      });
      const before = { ...guard(), name: 'guard' as const };
      const previous: SectionBefore[] = [
        { ...written.inbound, rules: draw(50) },
        { ...written.outbound, rules: draw(50) },
        before,
        { ...server, rules: drawOwn() },
      ];
      const trials = previous.map((section, i) => ({ previous: section, word: 1 + i }));
      const image = compile(written, undefined, trials);
      for (const name of tablesIn(image)) met.add(name);
      await judge.install(image);
      const all = [
        ...written.inbound.rules,
        ...written.outbound.rules,
        ...server.rules,
        ...written.guard.keepReachable,
      ];
      const rows = ruleset([...all, ...written.guard.rules, ...previous.flatMap((section) => [...section.rules])]);
      for (const isOver of [false, true]) {
        for (const { word } of trials) confirm.words.set(word, isOver ? 'taken-back' : 1n << 62n);
        const returned = new Set(isOver ? previous.map(({ name }) => name) : []);
        const judging = rulesetReturned(written, trials, (name) => returned.has(name));
        const state = { ...NO_STATE, returned };
        for (const direction of ['in', 'out'] as const) {
          drawFrames(random.fork(), new CornerPackets(random, rows), batch);
          const answers = await judge.judge(batch.frames, batch.lengths(), undefined, direction);
          const describe = (): string[] => [`seed ${seed}, round ${round}, over: ${String(isOver)}`];
          for (const { section, tier } of decisionsOf({ judging, image, state, direction, batch, answers, describe })) {
            const where = `${direction} ${section} ${tier}`;
            judged.set(where, (judged.get(where) ?? 0) + 1);
          }
        }
      }
    }
  } finally {
    judge.close();
    confirm.close();
  }
  const sections = ['INBOUND', 'OUTBOUND', 'KEEP_REACHABLE', 'GUARD_IN', 'GUARD_OUT', 'SERVERS'];
  expect([...met].sort()).toEqual(sections.flatMap((name) => [name, `${name} before`]).sort());
  for (const where of [
    'in guard 3.1',
    'in guard 3.3',
    'in inbound 7',
    'in wide 7',
    'out guard out 3',
    'out outbound out 6',
  ])
    expect([where, (judged.get(where) ?? 0) > 50]).toEqual([where, true]);
});
