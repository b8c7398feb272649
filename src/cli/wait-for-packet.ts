/** `doctor --wait`: asks somebody to connect, and looks what becomes of it. */
import type { Ruleset } from '../model/ruleset';
import type { PacketEvent } from '../observe/events';
import type { Context } from '../operate/context';
import { takeSnapshot } from '../operate/enforcement';
import { EventsTakenError } from '../operate/event-source';
import { connectLine, waitAtDoor, type Waited, type WaitOptions } from '../operate/wait-at-door';
import { liveEvents } from '../serve/live-events';
import type { Output } from './output';

/** Waits so long, or until something is seen. */
export async function waitForPacket(
  context: Context,
  ruleset: Ruleset,
  options: WaitOptions,
  output: Output,
): Promise<Waited> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  process.once('SIGTERM', end).once('SIGINT', end);
  try {
    return await waitAtDoor(context, ruleset, options, {
      listen: (take, signal) => startPump(context, signal, output, take),
      snapshot: () => takeSnapshot(context),
      ready: () => output.say(connectLine(options)),
      ended,
    });
  } finally {
    process.off('SIGTERM', end).off('SIGINT', end);
  }
}

/** Takes events until the signal; where another command has them, counters must do. */
async function startPump(
  context: Context,
  signal: AbortSignal,
  output: Output,
  take: (event: PacketEvent) => void,
): Promise<{ readonly ended: Promise<void> }> {
  try {
    const { events } = await liveEvents(context, signal);
    const pump = async (): Promise<void> => {
      for await (const event of events) take(event);
    };
    const failed = ({ message }: Error): void => output.say(`note: ${message}: from now only counters are looked at`);
    return { ended: pump().catch(failed) };
  } catch (error) {
    if (!(error instanceof EventsTakenError)) throw error;
    output.say(`note: ${error.message}: only counters are looked at`);
    return { ended: Promise.resolve() };
  }
}
