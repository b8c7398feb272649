/** The daemon's watch over rules with an end: each is ended at its moment, however that is come to. */
import { CompileMemory } from '../compile/compile-memory';
import type { Context } from '../operate/context';
import { endRules, NextEnd } from '../operate/end-rules';
import { formatMoment } from '../parse/time';

/** How often the clock is looked at: it may be set, and the machine may have slept over the moment. */
const LOOK_MS = 500;
/** How long it waits after a failure. */
const RETRY_MS = 5000;

export class RuleEnds {
  readonly #next: NextEnd;
  readonly #memory = new CompileMemory();
  #lookAgain = 0n;
  #trouble: string | null = null;

  constructor(
    private readonly context: Context,
    private readonly say: (text: string) => void,
  ) {
    this.#next = new NextEnd(context);
  }

  /** Ends what is due. Never throws: what failed is said once and tried again until it is done. */
  async watch(): Promise<void> {
    const clock = process.hrtime.bigint();
    if (clock < this.#lookAgain) return;
    this.#lookAgain = clock + BigInt(LOOK_MS) * 1_000_000n;
    let isDue = false;
    try {
      const next = await this.#next.read();
      isDue = next !== null && next <= Date.now();
      if (isDue) await this.#end();
      this.#trouble = null;
    } catch (error) {
      this.#lookAgain = clock + BigInt(RETRY_MS) * 1_000_000n;
      const message = error instanceof Error ? error.message : String(error);
      if (message === this.#trouble) return;
      this.#trouble = message;
      this.say(
        isDue
          ? `rules whose end has come are still enforced: ${message}; trying again until they are not`
          : `it cannot be told whether the end of a rule has come: ${message}; trying again until it can`,
      );
    }
  }

  async #end(): Promise<void> {
    const done = await endRules(this.context, Date.now(), this.#memory);
    for (const { name, rule } of done?.ended ?? [])
      this.say(
        `${name} "${rule.text}" has ended (until ${formatMoment(rule.untilMs!)}): generation ${done!.generation}`,
      );
    for (const { message } of done?.overridden ?? []) this.say(`warning: ${message}`);
  }
}
