import { kernel } from '../../src/kernel/native';
import { SharedState } from '../../src/load/state';
import type { EdgeHost } from './edge-host';

/**
 * The time of what waits to be confirmed as a whole is over so soon, by the gate's own word: no test depends on how much of it
 * a busy machine has left.
 */
export function endGate(host: Pick<EdgeHost, 'pins'>, inMs = 0): void {
  const state = SharedState.find(kernel(), host.pins)!;
  try {
    const { gate } = state;
    expect(state.exchangeGate(gate, { ...gate, deadlineNs: kernel().bootTimeNs() + BigInt(inMs) * 1_000_000n })).toBe(
      true,
    );
  } finally {
    state.close();
  }
}
