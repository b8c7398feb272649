/** The end of a change that waits to be confirmed: it holds, or what it replaced judges again for good. */
import { SLC_SLOT_OPEN } from '../abi/layout.gen';
import { ConflictError } from './apply';
import { type Attachment, currentAttachments, detachOne } from './attach';
import type { Place } from './egress-filter';
import { failpoint } from './failpoint';
import { awaitsConfirmation, type GateWord, lastingWord } from './gate-word';
import { type Fold, retireGenerations } from './generations';
import { SharedState } from './state';

/** A change that waits to be confirmed, or that was not in time. */
export interface PendingGate {
  readonly generation: number;
  /** The generation that judges once the deadline has passed; null where everything passes then. */
  readonly previous: number | null;
  /** Boot-time nanoseconds. */
  readonly deadlineNs: bigint;
}

/** What waits in the state; null where nothing does. The kernel goes by the deadline, not by who reads this. */
export function pendingGate(state: SharedState): PendingGate | null {
  const { gate } = state;
  if (!awaitsConfirmation(gate)) return null;
  return {
    generation: state.slotGeneration(gate.slot),
    previous: gate.previous === SLC_SLOT_OPEN ? null : state.slotGeneration(gate.previous),
    deadlineNs: gate.deadlineNs,
  };
}

/**
 * What waits holds from now on; `letGo` and `clearInterrupted` end what it replaced. False where its time is over, and
 * what it replaced judges. The caller holds the lock.
 */
export async function confirmGate(place: Place): Promise<boolean> {
  return withPendingGate(place, false, (state, gate) => {
    failpoint('before-confirm');
    if (place.kernel.bootTimeNs() >= gate.deadlineNs) return Promise.resolve(false);
    const lasting = lastingWord(gate.slot);
    if (!state.exchangeGate(gate, lasting)) throw new ConflictError();
    // Stored too late: what it replaced has judged already, and goes on.
    if (place.kernel.bootTimeNs() >= gate.deadlineNs && state.exchangeGate(lasting, gate))
      return Promise.resolve(false);
    failpoint('after-confirm');
    return Promise.resolve(true);
  });
}

/** Lets go of the interfaces of which this holds. The caller holds the lock. */
export async function letGo(place: Place, which: (attachment: Attachment) => boolean): Promise<void> {
  const { kernel, pins, netns } = place;
  for (const attachment of await currentAttachments(kernel, pins, netns))
    if (which(attachment)) await detachOne(place, attachment.ifindex);
}

/**
 * What was replaced by what waits judges from now on, and interfaces that nothing filtered before are let go of. False
 * where that is nothing at all: then everything is to be unloaded. The caller holds the lock.
 */
export async function returnGate(place: Place, fold: Fold): Promise<boolean> {
  const { kernel, pins } = place;
  return withPendingGate(place, true, async (state, gate) => {
    failpoint('before-return');
    if (gate.previous === SLC_SLOT_OPEN) return false;
    for (const ifindex of state.fresh) await detachOne(place, ifindex);
    if (!state.exchangeGate(gate, lastingWord(gate.previous))) throw new ConflictError();
    failpoint('after-return');
    await retireGenerations(kernel, pins, state, fold);
    return true;
  });
}

async function withPendingGate(
  { kernel, pins }: Place,
  otherwise: boolean,
  change: (state: SharedState, gate: GateWord) => Promise<boolean>,
): Promise<boolean> {
  const state = SharedState.find(kernel, pins);
  if (!state) return otherwise;
  try {
    const { gate } = state;
    return awaitsConfirmation(gate) ? await change(state, gate) : otherwise;
  } finally {
    state.close();
  }
}
