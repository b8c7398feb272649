/** The gate program over words of its state: which slot it jumps to, and what it counts when it decides itself. */
import * as fc from 'fast-check';
import { LAYOUT, SLC_LIMITS, SLC_SLOT_OPEN } from '../../src/abi/layout.gen';
import { REASON_CODE } from '../../src/abi/codec';
import { compile } from '../../src/compile/compile';
import { readCounters } from '../../src/kernel/counters';
import { createGenerationMaps, stateMapEntries } from '../../src/kernel/datapath-maps';
import { openDatapath } from '../../src/kernel/datapath-object';
import { datapathSwitches } from '../../src/kernel/datapath-switches';
import { loadProgram } from '../../src/kernel/load-program';
import type { BpfMap, BpfObject, BpfProgram, MappedRegion } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { type GateWord, judgingSlot, packGateWord, unpackGateWord } from '../../src/load/gate-word';
import { slotKey } from '../../src/load/state';
import { parseRuleset } from '../../src/parse/parse';
import { arp, compose } from '../support/packet';

/** include/uapi/linux/bpf.h, enum xdp_action. */
const XDP_DROP = 1;
const XDP_PASS = 2;
const SECOND = 1_000_000_000n;
const RESOLUTION = 0xffffn;
/** Every program passes it and counts it under its own reason, so its counters tell who judged. */
const FRAME = compose(arp());

let object: BpfObject;
let gate: BpfProgram;
let state: MappedRegion;
let gateCounters: BpfMap;
let programs: BpfMap;
const judges: { program: BpfProgram; counters: BpfMap }[] = [];

beforeAll(async () => {
  object = openDatapath(kernel(), 'slc_gate_xdp', {
    create: stateMapEntries({ fragments: 1, windows: 1 }, 1),
  });
  await object.load();
  gate = object.program('slc_gate_xdp');
  const map = object.map('slc_state');
  state = map.mmap({ writable: true });
  map.close();
  gateCounters = object.map('slc_gate_counters');
  programs = object.map('slc_programs');
  const image = compile(parseRuleset('version: 1\ninbound: { default: deny }\n', { file: 'gate.yaml' }).ruleset!);
  for (let slot = 0; slot < SLC_LIMITS.PROGRAM_SLOTS; slot++) {
    const switches = datapathSwitches(image, false);
    const maps = createGenerationMaps(kernel(), switches);
    const region = maps.image.mmap({ writable: true });
    await region.write(0, image.bytes);
    region.close();
    const { program } = await loadProgram(kernel(), 'slc_ingress', switches, maps);
    maps.image.close();
    judges.push({ program, counters: maps.counters });
  }
});

afterAll(() => {
  for (const { program, counters } of judges) {
    program.close();
    counters.close();
  }
  for (const handle of [state, gateCounters, programs, gate, object]) handle.close();
});

beforeEach(() => {
  judges.forEach(({ program }, slot) => programs.updateProgram(slotKey(slot), program));
});

interface Figure {
  packets: number;
  bytes: number;
}

/** Everything that counts: the gate's two entries, and each slot's program. */
function figures(): Record<string, Figure> {
  const gateEntry = (entry: number): Figure => {
    const bytes = Buffer.from(gateCounters.lookup(slotKey(entry))!);
    const { size, fields } = LAYOUT.slc_counter;
    const sum = { packets: 0, bytes: 0 };
    for (let at = 0; at < bytes.length; at += size) {
      const packets = Number(bytes.readBigUInt64LE(at + fields.packets.offset));
      sum.packets += packets;
      sum.bytes += Number(bytes.readBigUInt64LE(at + fields.bytes.offset));
      // A counter that counted knows when.
      expect(bytes.readBigUInt64LE(at + fields.last_hit.offset) > 0n).toBe(packets > 0);
    }
    return sum;
  };
  const found: Record<string, Figure> = { 'gate-empty': gateEntry(0), 'gate-open': gateEntry(1) };
  judges.forEach(({ counters }, slot) => {
    const hits = readCounters(counters);
    expect([...hits.keys()].filter((key) => key !== REASON_CODE.arp)).toEqual([]);
    const hit = hits.get(REASON_CODE.arp);
    found[`slot ${slot}`] = { packets: Number(hit?.packets ?? 0n), bytes: Number(hit?.bytes ?? 0n) };
  });
  return found;
}

/** Runs one frame under the word: what the gate returned and the one figure that went up by that frame. */
async function run(word: GateWord): Promise<{ returned: number; counted: string }> {
  state.store64(LAYOUT.slc_state.fields.gate.offset, packGateWord(word));
  const before = figures();
  const { returnValue } = await gate.testRun({ frame: FRAME });
  const after = figures();
  const changed = Object.keys(after).filter((key) => after[key].packets !== before[key].packets);
  expect(changed).toHaveLength(1);
  const [counted] = changed;
  expect(after[counted]).toEqual({
    packets: before[counted].packets + 1,
    bytes: before[counted].bytes + FRAME.length,
  });
  return { returned: returnValue, counted };
}

/** Interfaces that nothing filtered before. */
async function setFresh(ifindexes: readonly number[]): Promise<void> {
  const { offset, size } = LAYOUT.slc_state.fields.fresh;
  const bytes = Buffer.alloc(size);
  ifindexes.forEach((ifindex, i) => bytes.writeUInt32LE(ifindex, 4 * i));
  await state.write(offset, bytes);
}

function wordOf(slot: number, previous = slot, deadlineNs = 0n): GateWord {
  return { slot, previous, deadlineNs };
}

test.each([0, 1, 2, 3])('slot %d reaches its program', async (slot) => {
  expect(await run(wordOf(slot))).toEqual({ returned: XDP_PASS, counted: `slot ${slot}` });
});

test.each([0, 1, 2, 3])('slot %d, emptied, drops and is counted', async (slot) => {
  programs.delete(slotKey(slot));
  expect(await run(wordOf(slot, (slot + 1) % 4))).toEqual({ returned: XDP_DROP, counted: 'gate-empty' });
});

test('the open slot passes, counted', async () => {
  expect(await run(wordOf(SLC_SLOT_OPEN))).toEqual({ returned: XDP_PASS, counted: 'gate-open' });
});

test('a number that is no slot drops', async () => {
  for (let slot = SLC_LIMITS.PROGRAM_SLOTS; slot < SLC_SLOT_OPEN; slot++) {
    expect(await run(wordOf(slot))).toEqual({ returned: XDP_DROP, counted: 'gate-empty' });
  }
});

describe('a deadline', () => {
  test('to come: the slot judges', async () => {
    const soon = kernel().bootTimeNs() + 100n * SECOND;
    expect(await run(wordOf(1, 2, soon))).toEqual({ returned: XDP_PASS, counted: 'slot 1' });
    expect(await run(wordOf(1, SLC_SLOT_OPEN, soon))).toEqual({ returned: XDP_PASS, counted: 'slot 1' });
    expect(await run(wordOf(SLC_SLOT_OPEN, 3, soon))).toEqual({ returned: XDP_PASS, counted: 'gate-open' });
  });

  test('passed: the slot before judges, also where that is open', async () => {
    const past = kernel().bootTimeNs() - SECOND;
    expect(await run(wordOf(1, 2, past))).toEqual({ returned: XDP_PASS, counted: 'slot 2' });
    expect(await run(wordOf(1, SLC_SLOT_OPEN, past))).toEqual({ returned: XDP_PASS, counted: 'gate-open' });
    expect(await run(wordOf(SLC_SLOT_OPEN, 3, past))).toEqual({ returned: XDP_PASS, counted: 'slot 3' });
    programs.delete(slotKey(0));
    expect(await run(wordOf(3, 0, past))).toEqual({ returned: XDP_DROP, counted: 'gate-empty' });
  });

  test('passed: where nothing was filtered before everything passes; elsewhere, and until then, as on the others', async () => {
    const [past, soon] = [kernel().bootTimeNs() - SECOND, kernel().bootTimeNs() + 100n * SECOND];
    // A test run comes in by the loopback.
    const loopback = 1;
    for (let place = 0; place < SLC_LIMITS.FRESH_INTERFACES; place++) {
      const fresh = Array.from({ length: SLC_LIMITS.FRESH_INTERFACES }, (_, i) => (i === place ? loopback : 90 + i));
      await setFresh(fresh);
      expect(await run(wordOf(1, 2, past))).toEqual({ returned: XDP_PASS, counted: 'gate-open' });
      expect(await run(wordOf(1, 2, soon))).toEqual({ returned: XDP_PASS, counted: 'slot 1' });
      expect(await run(wordOf(1))).toEqual({ returned: XDP_PASS, counted: 'slot 1' });
      await setFresh(fresh.map((ifindex) => ifindex + 1));
      expect(await run(wordOf(1, 2, past))).toEqual({ returned: XDP_PASS, counted: 'slot 2' });
    }
    await setFresh([]);
    expect(await run(wordOf(1, 2, past))).toEqual({ returned: XDP_PASS, counted: 'slot 2' });
  });

  test('passes while packets come: the verdict changes by itself, within the resolution', async () => {
    let deadlineNs: bigint;
    let before: Awaited<ReturnType<typeof run>>;
    // a machine that is too busy to run it in time says nothing: once more, with more time
    let span = SECOND / 10n;
    do {
      deadlineNs = (kernel().bootTimeNs() + span) & ~RESOLUTION;
      before = await run(wordOf(0, 1, deadlineNs));
      span *= 2n;
    } while (kernel().bootTimeNs() >= deadlineNs);
    expect(before).toEqual({ returned: XDP_PASS, counted: 'slot 0' });
    while (kernel().bootTimeNs() < deadlineNs) await new Promise((done) => setTimeout(done, 5));
    expect(await run(wordOf(0, 1, deadlineNs))).toEqual({ returned: XDP_PASS, counted: 'slot 1' });
  });
});

test('the program and judgingSlot() decide alike', async () => {
  const number = fc.integer({ min: 0, max: 15 });
  // Far enough from now that the moment of the run does not matter.
  const fromNow = fc.oneof(
    fc.constant(null),
    fc.bigInt({ min: 10n * SECOND, max: 1n << 46n }),
    fc.bigInt({ min: -100n * SECOND, max: -SECOND }),
  );
  programs.delete(slotKey(3));
  await fc.assert(
    fc.asyncProperty(number, number, fromNow, async (slot, previous, offset) => {
      const now = kernel().bootTimeNs();
      const deadlineNs = offset === null ? 0n : now + offset > RESOLUTION ? now + offset : RESOLUTION + 1n;
      const word = unpackGateWord(packGateWord(wordOf(slot, previous, deadlineNs)));
      const judging = judgingSlot(word, now);
      const expected =
        judging === SLC_SLOT_OPEN
          ? { returned: XDP_PASS, counted: 'gate-open' }
          : judging < 3
            ? { returned: XDP_PASS, counted: `slot ${judging}` }
            : { returned: XDP_DROP, counted: 'gate-empty' };
      expect(await run(word)).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test('a word is what was packed, and its reserved bits are zero', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 15 }),
      fc.integer({ min: 0, max: 15 }),
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      (slot, previous, deadlineNs) => {
        const packed = packGateWord({ slot, previous, deadlineNs });
        expect((packed >> 8n) & 0xffn).toBe(0n);
        expect(packed < 1n << 64n).toBe(true);
        expect(unpackGateWord(packed)).toEqual({ slot, previous, deadlineNs: deadlineNs & ~RESOLUTION });
      },
    ),
  );
});
