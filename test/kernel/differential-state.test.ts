/**
 * Scan = interpreted image = kernel program where earlier packets left something: flows that went out, first fragments
 * that passed, echo-requests of the same second. The enforcing programs fill the tables, the dry twin judges over them, and the scan is given what they
 * hold. `SLUICE_SEED` repeats a failure.
 */
import { compile } from '../../src/compile/compile';
import { interpretFrame } from '../../src/compile/interpret';
import { measureHz } from '../../src/kernel/clock';
import { kernel } from '../../src/kernel/native';
import { tableSwitches } from '../../src/load/tables';
import { decode } from '../../src/model/decode';
import { evaluate } from '../../src/model/evaluate';
import { mirroredIcmpType } from '../../src/model/packet';
import { EchoTable } from '../support/echo-table';
import { FlowTable } from '../support/flow-stand';
import { CornerPackets } from '../support/generate/corner-packets';
import { FrameBatch, PacketFields } from '../support/generate/frame-batch';
import { ODDITIES } from '../support/generate/odd-frames';
import { printFrame, printRuleset } from '../support/generate/print';
import { Random, testSeed } from '../support/generate/random';
import { drawSize } from '../support/generate/ruleset';
import { generateSections } from '../support/generate/sections';
import { KernelJudge } from '../support/kernel-judge';

const PAIRS = 250_000;
const FRAMES = 5000;
const HOUR = 3600;

/** The packet that would have gone out for this one to be its answer. */
function question(answer: PacketFields): PacketFields {
  const sent = new PacketFields();
  sent.copy(answer);
  sent.source.set(answer.destination);
  sent.destination.set(answer.source);
  [sent.sourcePort, sent.destinationPort] = [answer.destinationPort, answer.sourcePort];
  if (sent.isIcmp) sent.icmpType = mirroredIcmpType(sent.family, answer.icmpType);
  sent.quote = null;
  return sent;
}

/** Frames that come in, and those that go out before them. */
function drawFrames(random: Random, packets: CornerPackets, incoming: FrameBatch, outgoing: FrameBatch): void {
  incoming.clear();
  outgoing.clear();
  while (incoming.count < FRAMES) {
    const packet = packets.draw();
    if (random.chance(0.3)) {
      // Several fragments of one packet, in any order: which of them passes depends on the first.
      const make = ODDITIES[packet.family === 4 ? 'ipv4 fragment' : 'ipv6 fragment'];
      for (let i = random.between(1, 5); i > 0; i--) incoming.addFrame(make(random, packet));
      continue;
    }
    const [request, reply] = packet.family === 4 ? [8, 0] : [128, 129];
    if (packet.isIcmp && !packet.isIcmpError) packet.icmpType = random.pick([reply, reply, request, packet.icmpType]);
    if (random.chance(0.5)) outgoing.addPacket(packet.quote && packet.isIcmpError ? packet.quote : question(packet));
    // Now and then a source pings more often than it may, or many together do.
    const pings = packet.isIcmp && packet.icmpType === request && random.chance(0.5);
    const sources = random.pick([0, 255]);
    for (let times = pings ? random.between(5, 40) : 1; times > 0 && incoming.count < FRAMES; times--) {
      if (pings) packet.source[0] = (packet.source[0] ^ random.between(0, sources)) >>> 0;
      incoming.addPacket(packet);
    }
  }
}

it(`agree on ${PAIRS.toLocaleString('en')} pairs of a ruleset and a packet, given what earlier packets left`, async () => {
  const seed = testSeed(41);
  const random = new Random(seed);
  const table = await FlowTable.create(1024, await measureHz(kernel()), 512);
  const base = tableSwitches({
    ...{ seed: Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1), hz: table.hz, generation: 1 },
    ...{ flowBuckets: table.buckets.flows, fragmentBuckets: table.buckets.fragments, windowBuckets: 1 },
  });
  // Nothing ends between the moment the tables are read and the moment the twin judges.
  const hour = BigInt(HOUR * table.hz);
  const switches = {
    ...base,
    flows: { ...base.flows, timeouts: base.flows.timeouts.map(() => hour) },
    fragments: { ...base.fragments, timeout: hour },
  };
  const echoes = await EchoTable.create(switches.factors);
  const judge = KernelJudge.create(kernel(), 1 << 20, { maps: { ...table.maps, ...echoes.maps }, switches });
  const incoming = new FrameBatch(FRAMES);
  const outgoing = new FrameBatch(FRAMES);
  const reasons = new Map<string, number>();
  let pairs = 0;
  let stateless = 0;
  try {
    for (let round = 0; pairs < PAIRS; round++) {
      const { ruleset, rows } = generateSections(random, drawSize(random, 40));
      const image = compile(ruleset);
      await judge.install(image);
      drawFrames(random, new CornerPackets(random, rows), incoming, outgoing);
      echoes.second++;
      await judge.enforce('slc_egress_main', outgoing.frames, outgoing.lengths());
      await judge.enforce('slc_ingress', incoming.frames, incoming.lengths());
      const packets = Array.from({ length: incoming.count }, (_, i) => decode(incoming.frame(i)));
      const senders = packets.flatMap((decoded) => (decoded.kind === 'ip' ? [decoded.packet] : []));
      const state = { ...(await table.state()), echoes: await echoes.state(senders) };
      const answers = await judge.judge(incoming.frames, incoming.lengths());
      for (let i = 0; i < incoming.count; i++) {
        const frame = incoming.frame(i);
        const decision = evaluate(ruleset, frame, state);
        if (!answers.agrees(i, decision) || interpretFrame(image, frame, state).reason !== decision.reason) {
          const said = [`scan: ${JSON.stringify(decision)}`, `kernel: ${answers.describe(i)}`];
          throw new Error(
            [`seed ${seed}, ruleset ${round}, frame ${i}: ${printFrame(frame)}`, ...said, printRuleset(ruleset)].join(
              '\n',
            ),
          );
        }
        reasons.set(decision.reason, (reasons.get(decision.reason) ?? 0) + 1);
        if (round === 0 && !answers.agrees(i, evaluate(ruleset, frame))) stateless++;
      }
      pairs += incoming.count;
    }
  } finally {
    judge.close();
    table.close();
    echoes.close();
  }
  for (const reason of [
    ...['flow', 'icmp-error', 'fragment', 'fragment-follows', 'fragment-overlap', 'fragment-refused'],
    ...['keep-reachable', 'guard', 'icmp-echo', 'icmp-echo-source', 'icmp-echo-all'],
  ])
    expect([reason, (reasons.get(reason) ?? 0) > pairs / 5000]).toEqual([reason, true]);
  // Without what the tables hold the scan says something else: they were asked.
  expect(stateless).toBeGreaterThan(FRAMES / 20);
});
