/**
 * Work for many servers, one piece at a time and in turn: whoever asks for much waits for himself, not others for him.
 */
export class Turns {
  readonly #waiting = new Map<string, (() => Promise<void>)[]>();
  #running: Promise<void> | null = null;

  /** Does the work when it is the server's turn. */
  async take<T>(server: string, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const list = this.#waiting.get(server) ?? [];
      list.push(() => work().then(resolve, reject));
      this.#waiting.set(server, list);
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing is being done, and nothing waits. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // A server that had its turn is put behind the others.
    for (let next = this.#next(); next; next = this.#next()) {
      const [server, list] = next;
      this.#waiting.delete(server);
      const work = list.shift()!;
      await work();
      const added = this.#waiting.get(server) ?? [];
      this.#waiting.delete(server);
      if (list.length + added.length > 0) this.#waiting.set(server, [...list, ...added]);
    }
    this.#running = null;
  }

  #next(): [string, (() => Promise<void>)[]] | undefined {
    return this.#waiting.entries().next().value;
  }
}
