/**
 * What judges again where nobody confirms a change that waits, made anew beside it: a change of the rest goes into both, by
 * one store of the gate word, and the deadline stays.
 */
import { SLC_SLOT_OPEN } from '../abi/layout.gen';
import type { Image } from '../compile/image';
import type { Kernel } from '../kernel/kernel';
import type { PinLayout } from '../kernel/pins';
import { awaitsConfirmation, freeSlot, type GateWord } from './gate-word';
import {
  closeFlows,
  closePrograms,
  createGeneration,
  emptySlot,
  type GenerationPrograms,
  liveGenerations,
  openFlows,
} from './generations';
import { countedTables, liveOwnerNumbers, numberServers } from './owner-numbers';
import type { SharedState } from './state';

/** A generation that is to judge again, and that nothing names yet. */
export class ReadyFallback {
  private constructor(
    private readonly pins: PinLayout,
    private readonly state: SharedState,
    readonly generation: number,
    readonly slot: number,
    /** With the numbers of its servers. */
    readonly image: Image,
    private readonly programs: GenerationPrograms,
  ) {}

  /** Over the flow table of what it takes the place of; null where the word does not wait, or everything passes otherwise. */
  static async make(
    kernel: Kernel,
    pins: PinLayout,
    state: SharedState,
    { gate, image }: { readonly gate: GateWord; readonly image: Image },
  ): Promise<ReadyFallback | null> {
    if (!awaitsConfirmation(gate) || gate.previous === SLC_SLOT_OPEN) return null;
    const slot = freeSlot(gate, [freeSlot(gate)]);
    const flows = openFlows(kernel, pins, state.slotGeneration(gate.previous));
    try {
      // Its servers keep the numbers that they have in what it takes the place of.
      const known = liveOwnerNumbers(kernel, pins, state).toReversed();
      const numbered = await numberServers(image, known, countedTables(state, flows));
      const { generation, programs } = await createGeneration(kernel, pins, state, numbered, flows);
      return new ReadyFallback(pins, state, generation, slot, numbered, programs);
    } finally {
      closeFlows(flows);
    }
  }

  /** Fills its slot: the number first, since one that names no generation would never be emptied. */
  async fillSlot(): Promise<void> {
    await this.state.setSlotGeneration(this.slot, this.generation);
    this.state.fillSlot(this.slot, this.programs);
  }

  close(): void {
    closePrograms(this.programs);
  }

  /** Removes what nothing judges by. */
  async undo(): Promise<void> {
    if (liveGenerations(this.state).has(this.generation)) return;
    if (this.state.slotGeneration(this.slot) === this.generation) await emptySlot(this.state, this.slot);
    this.pins.removeGeneration(this.generation);
  }
}
