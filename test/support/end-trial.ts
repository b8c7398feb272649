import { kernel } from '../../src/kernel/native';
import { SharedState } from '../../src/load/state';
import { readEnforcement } from '../../src/operate/enforcement';
import type { EdgeHost } from './edge-host';

/** The time in which a server waits to be confirmed is over now. */
export async function endTrial(host: EdgeHost, name: string): Promise<void> {
  const { trials } = (await readEnforcement(host.context()))!;
  const state = SharedState.find(kernel(), host.pins)!;
  const words = state.confirmWords();
  words.set(trials.find(({ previous }) => previous.name === name)!.word, kernel().bootTimeNs());
  words.close();
  state.close();
}
