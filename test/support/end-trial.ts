import { kernel } from '../../src/kernel/native';
import { SharedState } from '../../src/load/state';
import { readEnforcement } from '../../src/operate/enforcement';
import type { EdgeHost } from './edge-host';

/** The time in which a section waits to be confirmed is over now, or so soon, by its own word in the kernel. */
export async function endTrial(host: EdgeHost, name: string, inMs = 0): Promise<void> {
  const { trials } = (await readEnforcement(host.context()))!;
  const state = SharedState.find(kernel(), host.pins)!;
  const words = state.confirmWords();
  const { word } = trials.find(({ previous }) => previous.name === name)!;
  words.set(word, kernel().bootTimeNs() + BigInt(inMs) * 1_000_000n);
  words.close();
  state.close();
}

/** What is left of the time of each that waits, in tens of minutes begun. */
export async function tensOfMinutesLeft(host: EdgeHost): Promise<Record<string, number>> {
  const { trials } = (await readEnforcement(host.context()))!;
  return Object.fromEntries(trials.map(({ previous, leftNs }) => [previous.name, Math.ceil(Number(leftNs) / 600e9)]));
}
