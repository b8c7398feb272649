/** The gates of packets that go out: that of links, and that of filters, which outlives the pins and must know it. */
import { LAYOUT, SLC_LIMITS, SLC_SLOT_OPEN } from '../../src/abi/layout.gen';
import { openDatapath } from '../../src/kernel/datapath-object';
import type { BpfMap, BpfObject, BpfProgram, MappedRegion } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { packGateWord } from '../../src/load/gate-word';
import { slotKey } from '../../src/load/state';
import { arp, compose } from '../support/packet';

/** include/uapi/linux/bpf.h and pkt_cls.h: TCX_NEXT is TC_ACT_UNSPEC, as an unsigned number; TCX_DROP is TC_ACT_SHOT. */
const PASS = 0xffffffff;
const DROP = 2;
const FRAME = compose(arp());
const GATES = ['slc_gate_egress', 'slc_gate_clsact'] as const;

let object: BpfObject;
let state: MappedRegion;
let counters: BpfMap;
let egress: BpfMap;
let gates: Record<(typeof GATES)[number], BpfProgram>;
let pinned: BpfMap;
/** A gate over maps of its own, whose word is open: stands in the slots, and its counters tell that it was reached. */
let judgeObject: BpfObject;
let judge: BpfProgram;
let judged: BpfMap;

const GATE_MAPS = { slc_state: 1, slc_egress: SLC_LIMITS.PROGRAM_SLOTS, slc_gate_counters: 4 };

beforeAll(async () => {
  judgeObject = openDatapath(kernel(), 'slc_gate_egress', { create: GATE_MAPS });
  await judgeObject.load();
  judge = judgeObject.program('slc_gate_egress');
  judged = judgeObject.map('slc_gate_counters');
  const map = judgeObject.map('slc_state');
  const region = map.mmap({ writable: true });
  map.close();
  const open = { slot: SLC_SLOT_OPEN, previous: SLC_SLOT_OPEN, deadlineNs: 0n };
  region.store64(LAYOUT.slc_state.fields.gate.offset, packGateWord(open));
  region.close();
});

afterAll(() => {
  for (const handle of [judge, judged, judgeObject]) handle.close();
});

beforeEach(async () => {
  object = openDatapath(kernel(), 'slc_gate_egress', { create: { ...GATE_MAPS, slc_pinned: 1 } });
  object.setPrograms([...GATES]);
  await object.load();
  const map = object.map('slc_state');
  state = map.mmap({ writable: true });
  map.close();
  counters = object.map('slc_gate_counters');
  egress = object.map('slc_egress');
  gates = { slc_gate_egress: object.program('slc_gate_egress'), slc_gate_clsact: object.program('slc_gate_clsact') };
  pinned = object.map('slc_pinned');
  pinned.updateProgram(slotKey(0), gates.slc_gate_egress);
  for (let slot = 0; slot < SLC_LIMITS.PROGRAM_SLOTS; slot++) egress.updateProgram(slotKey(slot), judge);
});

afterEach(() => {
  for (const handle of [state, counters, egress, pinned, ...Object.values(gates), object]) handle.close();
});

interface Figures {
  readonly empty: number;
  readonly open: number;
  readonly judged: number;
}

/** Packets that the gates counted, of an empty slot and of an open one, and those that reached the program of a slot. */
function counted(): Figures {
  const read = (entry: number, from = counters): number => {
    const values = Buffer.from(from.lookup(slotKey(entry))!);
    let packets = 0;
    for (let at = 0; at < values.length; at += LAYOUT.slc_counter.size)
      packets += Number(values.readBigUInt64LE(at + LAYOUT.slc_counter.fields.packets.offset));
    return packets;
  };
  expect([read(0), read(1)]).toEqual([0, 0]); // the other hook's
  return { empty: read(2), open: read(3), judged: read(3, judged) };
}

async function run(gate: (typeof GATES)[number], slot: number): Promise<{ returned: number } & Figures> {
  state.store64(LAYOUT.slc_state.fields.gate.offset, packGateWord({ slot, previous: slot, deadlineNs: 0n }));
  const before = counted();
  const { returnValue } = await gates[gate].testRun({ frame: FRAME });
  const after = counted();
  return {
    returned: returnValue,
    empty: after.empty - before.empty,
    open: after.open - before.open,
    judged: after.judged - before.judged,
  };
}

/** The kernel empties an array some time after its last pin and descriptor are gone. */
async function untilEmptied(): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    if ((await run('slc_gate_clsact', 0)).open === 1) return;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error('the array was not emptied');
}

describe.each(GATES)('%s', (gate) => {
  test.each([0, 1, 2, 3])('slot %d reaches its program', async (slot) => {
    for (let other = 0; other < SLC_LIMITS.PROGRAM_SLOTS; other++) if (other !== slot) egress.delete(slotKey(other));
    expect(await run(gate, slot)).toEqual({ returned: PASS, empty: 0, open: 0, judged: 1 });
  });

  test.each([0, 1, 2, 3, SLC_LIMITS.PROGRAM_SLOTS, SLC_SLOT_OPEN - 1])(
    'slot %d, empty, drops, counted',
    async (slot) => {
      egress.delete(slotKey(slot % SLC_LIMITS.PROGRAM_SLOTS));
      expect(await run(gate, slot)).toEqual({ returned: DROP, empty: 1, open: 0, judged: 0 });
    },
  );

  test('the open slot passes, counted', async () => {
    expect(await run(gate, SLC_SLOT_OPEN)).toEqual({ returned: PASS, empty: 0, open: 1, judged: 0 });
  });
});

test('with every pin and descriptor of its own array gone a filter’s gate passes, counted, whoever holds the others', async () => {
  pinned.close();
  object.close();
  await untilEmptied();
  for (const slot of [0, 1, 2, 3, SLC_SLOT_OPEN])
    expect(await run('slc_gate_clsact', slot)).toEqual({ returned: PASS, empty: 0, open: 1, judged: 0 });
  expect(await run('slc_gate_egress', 1)).toEqual({ returned: PASS, empty: 0, open: 0, judged: 1 });
});
