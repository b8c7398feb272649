/** The gate word (`struct slc_state.gate`): which program slot judges, which one before, and until when. */
import {
  SLC_GATE_DEADLINE_MASK,
  SLC_GATE_PREVIOUS_SHIFT,
  SLC_GATE_SLOT_MASK,
  SLC_LIMITS,
  SLC_SLOT_OPEN,
} from '../abi/layout.gen';

/** What the word says. */
export interface GateWord {
  /** Program slot 0–3, or `SLC_SLOT_OPEN`: everything passes, counted. */
  readonly slot: number;
  readonly previous: number;
  /** Boot-time nanoseconds after which `previous` judges; 0n once confirmed. Resolution 65,536 ns. */
  readonly deadlineNs: bigint;
}

/** As the program reads it. */
export function packGateWord(word: GateWord): bigint {
  return (
    BigInt(word.slot) |
    (BigInt(word.previous) << BigInt(SLC_GATE_PREVIOUS_SHIFT)) |
    (word.deadlineNs & SLC_GATE_DEADLINE_MASK)
  );
}

/** What 64 bits say. */
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

/** Whether the word waits to be confirmed, or waited and was not: past its deadline the slot before judges. */
export function awaitsConfirmation({ deadlineNs }: GateWord): boolean {
  return deadlineNs !== 0n;
}

/** The slot that judges where the word is never confirmed; the same as `slot` where nothing is to be confirmed. */
export function lastingSlot(word: GateWord): number {
  return awaitsConfirmation(word) ? word.previous : word.slot;
}

/** The word that lasts: the slot judges, and nothing waits. */
export function lastingWord(slot: number): GateWord {
  return { slot, previous: slot, deadlineNs: 0n };
}

/** A program slot that neither judges nor may judge again, and is none of those taken. */
export function freeSlot(word: GateWord, taken: readonly number[] = []): number {
  for (let slot = 0; slot < SLC_LIMITS.PROGRAM_SLOTS; slot++) {
    if (slot !== word.slot && slot !== word.previous && !taken.includes(slot)) return slot;
  }
  throw new RangeError('two gate words name four slots, no more exist');
}

/** The word of a state that has no ruleset yet. */
export const OPEN_GATE: GateWord = lastingWord(SLC_SLOT_OPEN);
