/**
 * What a change that waits to be confirmed costs every packet: the gate in front of the same program, by plain test
 * runs, while its word holds, while it waits (the clock is read), and past the deadline before anybody has tidied up.
 */
import { LAYOUT } from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import { stateMapEntries } from '../../src/kernel/datapath-maps';
import { openDatapath } from '../../src/kernel/datapath-object';
import { kernel } from '../../src/kernel/native';
import { type GateWord, lastingWord, packGateWord } from '../../src/load/gate-word';
import { slotKey } from '../../src/load/state';
import { requireAnswers } from './measure/answers';
import type { Floors } from './measure/floors';
import { Generator } from './measure/generator';
import { loadAlone } from './measure/product';
import { measureRounds, type Subject } from './measure/rounds';
import { packetFigures } from './product-rows';
import { type Row, rowOf } from './row';
import { rulesetOf } from './sets/bench-set';
import { makeSet } from './sets/catalogue';
import { NO_ROW, Scan } from './sets/scan';
import { hitTrace } from './sets/trace';

const SET = { name: 'acl1', size: 1000, family: 4 } as const;
const HOUR_NS = 3_600_000_000_000n;

/** A row a state of the gate; in the note what it adds to the program without a gate. */
export async function confirmRows(floors: Floors, rounds: number): Promise<Row[]> {
  const set = makeSet(SET.name, SET.size, SET.family);
  const ruleset = rulesetOf(set, 'mixed');
  const ingress = await loadAlone(compile(ruleset));
  // What judges again answers the other way round, so that it is seen which of the two does.
  const turned = ruleset.inbound.rules.map((rule) => ({
    ...rule,
    action: rule.action === 'allow' ? ('deny' as const) : ('allow' as const),
  }));
  const before = await loadAlone(compile({ ...ruleset, inbound: { ...ruleset.inbound, rules: turned } }));
  const object = openDatapath(kernel(), 'slc_gate_xdp', {
    create: stateMapEntries({ fragments: 1, windows: 1 }, 1),
  });
  await object.load();
  const gate = object.program('slc_gate_xdp');
  const [state, programs] = [object.map('slc_state'), object.map('slc_programs')];
  const word = state.mmap({ writable: true });
  for (const [slot, program] of [ingress, before].entries()) programs.updateProgram(slotKey(slot), program);
  const trace = hitTrace(set, new Scan(set));
  const generator = await Generator.open(trace.packets, { replay: true });
  try {
    const under = (given: () => GateWord): Subject => {
      return (count) => {
        word.store64(LAYOUT.slc_state.fields.gate.offset, packGateWord(given()));
        return generator.replay(gate, count);
      };
    };
    const waiting = (fromNow: bigint): GateWord => ({
      ...{ slot: 0, previous: 1, deadlineNs: kernel().bootTimeNs() + fromNow },
    });
    const states = {
      'gate, holds': under(() => lastingWord(0)),
      'gate, waits': under(() => waiting(HOUR_NS)),
      'gate, over': under(() => waiting(-1_000_000n)),
    };
    const passes = (row: number): boolean => row !== NO_ROW && set.rules[row].action === 'allow';
    const passedBefore = (row: number): boolean => row !== NO_ROW && !passes(row);
    let checked = await requireAnswers('no gate', ingress, trace, passes);
    for (const [name, state, expected] of [
      ['gate, holds', lastingWord(0), passes],
      ['gate, waits', waiting(HOUR_NS), passes],
      ['gate, over', waiting(-1_000_000n), passedBefore],
    ] as const) {
      word.store64(LAYOUT.slc_state.fields.gate.offset, packGateWord(state));
      checked = await requireAnswers(name, gate, trace, expected);
    }
    const subjects: Subject[] = [
      (count) => generator.replay(floors.drop, count),
      (count) => generator.replay(ingress, count),
      ...Object.values(states),
    ];
    const measured = await measureRounds(subjects, rounds);
    return ['no gate', ...Object.keys(states)].map((subject, i) => {
      const added = measured.ns[i + 1] - measured.ns[1];
      const held = measured.ns[i + 1] - measured.ns[2];
      const note =
        i === 0 ? '' : `+${added.toFixed(1)} ns to no gate${i > 1 ? `, +${held.toFixed(1)} to one that holds` : ''}`;
      const known = { subject, set: SET.name, family: SET.family, rules: SET.size, traffic: 'hit', checked } as const;
      return rowOf({ ...known, mode: 'test-run', ...packetFigures(measured, i + 1), note });
    });
  } finally {
    generator.close();
    for (const handle of [word, state, programs, gate, ingress, before, object]) handle.close();
  }
}
