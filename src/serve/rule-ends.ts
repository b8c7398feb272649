/** The daemon's watch over rules with an end: each is ended at its moment, however that is come to. */
import type { SecondThread } from '../operate/thread/second-thread';
import { formatMoment } from '../parse/time';
import { pause } from './pause';

/** How often the clock is looked at: it may be set, and the machine may have slept over the moment. */
const LOOK_MS = 500;
/** How long it waits after a failure. */
const RETRY_MS = 5000;

/** Ends what is due until the signal comes. What failed is said once and tried again until it is done. */
export async function keepEnds(
  thread: SecondThread,
  { signal, say }: { signal: AbortSignal; say: (text: string) => void },
): Promise<void> {
  let trouble: string | null = null;
  while (!signal.aborted) {
    let isDue = false;
    try {
      const next = await thread.ask('nextEnd');
      isDue = next !== null && next <= Date.now();
      if (isDue) await endDue(thread, say);
      trouble = null;
      await pause(LOOK_MS, signal);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== trouble)
        say(
          isDue
            ? `rules whose end has come are still enforced: ${message}; trying again until they are not`
            : `it cannot be told whether the end of a rule has come: ${message}; trying again until it can`,
        );
      trouble = message;
      await pause(RETRY_MS, signal);
    }
  }
}

async function endDue(thread: SecondThread, say: (text: string) => void): Promise<void> {
  const done = await thread.ask('endRules', Date.now());
  for (const { name, rule } of done?.ended ?? [])
    say(`${name} "${rule.text}" has ended (until ${formatMoment(rule.untilMs!)}): generation ${done!.generation}`);
  for (const { message } of done?.overridden ?? []) say(`warning: ${message}`);
}
