/**
 * Scenarios about what ends by a clock that nobody can set: their steps must follow one another in time. Where the machine
 * held one up for too long it says nothing, and is played again with more time.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const ATTEMPTS = 6;
/** What the steps of a scenario may take altogether beside its pauses, in units. */
const SURPLUS = 1 / 4;

/** The time of one play of a scenario. */
export class Pace {
  #began = performance.now();
  #paused = 0;

  /** `unit` in seconds: what lasts in the scenario is so many of them, and decided within a quarter of one. */
  constructor(readonly unit: number) {}

  /** From here on it matters: what was loaded before took its time. */
  begin(): void {
    this.#began = performance.now();
    this.#paused = 0;
  }

  /** Lets so many units pass. */
  async pause(units: number): Promise<void> {
    const ms = units * this.unit * 1000;
    this.#paused += ms;
    await sleep(ms);
  }

  /** Whether its steps took longer than they may. */
  get wasHeld(): boolean {
    return performance.now() - this.#began - this.#paused > SURPLUS * this.unit * 1000;
  }
}

/** Plays the scenario with a unit of so many seconds; what it throws counts where nothing held it up. */
export async function paced(unit: number, scenario: (pace: Pace) => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const pace = new Pace(unit * 2 ** (attempt - 1));
    try {
      await scenario(pace);
      return;
    } catch (error) {
      if (!pace.wasHeld || attempt === ATTEMPTS) throw error;
    }
  }
}
