import { kernel } from '../../src/kernel/native';
import { SharedState } from '../../src/load/state';
import type { EdgeHost } from './edge-host';

/** The time of what waits to be confirmed as a whole is over now, by the gate's own word. */
export function endGate(host: Pick<EdgeHost, 'pins'>): void {
  const state = SharedState.find(kernel(), host.pins)!;
  try {
    const { gate } = state;
    expect(state.exchangeGate(gate, { ...gate, deadlineNs: kernel().bootTimeNs() })).toBe(true);
  } finally {
    state.close();
  }
}
