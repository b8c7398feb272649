/** The gate word (`struct slc_state.gate`): which program slot judges, which one before, and until when. */
import {
  SLC_GATE_DEADLINE_MASK,
  SLC_GATE_PREVIOUS_SHIFT,
  SLC_GATE_SLOT_MASK,
  SLC_LIMITS,
  SLC_SLOT_OPEN,
} from '../abi/layout.gen';

export interface GateWord {
  /** Program slot 0–3, or `SLC_SLOT_OPEN`: everything passes, counted. */
  readonly slot: number;
  readonly previous: number;
  /** Boot-time nanoseconds after which `previous` judges; 0n once confirmed. Resolution 65,536 ns. */
  readonly deadlineNs: bigint;
}

export function packGateWord(word: GateWord): bigint {
  return (
    BigInt(word.slot) |
    (BigInt(word.previous) << BigInt(SLC_GATE_PREVIOUS_SHIFT)) |
    (word.deadlineNs & SLC_GATE_DEADLINE_MASK)
  );
}

export function unpackGateWord(word: bigint): GateWord {
  return {
    slot: Number(word & BigInt(SLC_GATE_SLOT_MASK)),
    previous: Number((word >> BigInt(SLC_GATE_PREVIOUS_SHIFT)) & BigInt(SLC_GATE_SLOT_MASK)),
    deadlineNs: word & SLC_GATE_DEADLINE_MASK,
  };
}

/** The slot that judges packets at `nowNs`, the same decision as `slc_gate_slot` in `bpf/gate.h`. */
export function judgingSlot(word: GateWord, nowNs: bigint): number {
  return word.deadlineNs !== 0n && nowNs >= word.deadlineNs ? word.previous : word.slot;
}

/** A program slot that neither judges nor may judge again. */
export function freeSlot(word: GateWord): number {
  for (let slot = 0; slot < SLC_LIMITS.PROGRAM_SLOTS; slot++) {
    if (slot !== word.slot && slot !== word.previous) return slot;
  }
  throw new RangeError('a gate word names two slots, four exist');
}

/** The word of a state that has no ruleset yet. */
export const OPEN_GATE: GateWord = { slot: SLC_SLOT_OPEN, previous: SLC_SLOT_OPEN, deadlineNs: 0n };
