/** One look at what is enforced for all owners who ask at the same time: what it costs decides how often there is a new one. */

/** For how long it serves those who ask: a flood of questions costs one look. */
const KEPT_MS = 250;
/** And for so many times as long as it took: many who wait do not keep the others waiting. */
const KEPT_SHARE = 5;

/** What was seen last, or is being looked at. */
export class SharedLook<T> {
  #last: { readonly atMs: number; readonly tookMs: number; readonly seen: T } | null = null;
  #running: Promise<T> | null = null;

  /** `look`: looks anew; `clock`: milliseconds that only go on. */
  constructor(
    private readonly look: () => Promise<T>,
    private readonly clock: () => number = () => performance.now(),
  ) {}

  /** What was seen a moment ago, or is seen now: never by two looks at the same time, unless `forget` was called between them. */
  async take(): Promise<T> {
    const atMs = this.clock();
    const last = this.#last;
    if (last && atMs - last.atMs <= Math.max(KEPT_MS, KEPT_SHARE * last.tookMs)) return last.seen;
    if (this.#running) return this.#running;
    const running = this.look();
    this.#running = running;
    try {
      const seen = await running;
      if (this.#running === running) this.#last = { atMs, tookMs: this.clock() - atMs, seen };
      return seen;
    } finally {
      if (this.#running === running) this.#running = null;
    }
  }

  /** Something has changed: who asks from now on sees what is, also where a look has begun before. */
  forget(): void {
    this.#last = null;
    this.#running = null;
  }
}
