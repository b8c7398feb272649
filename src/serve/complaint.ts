/** Says once what is wrong, and once when it is over. */
export class Complaint {
  #said: string | null = null;

  constructor(private readonly say: (text: string) => void) {}

  /** Says what the words make of the error's message, unless that was said last. */
  tell(error: unknown, words: (message: string) => string): void {
    const message = error instanceof Error ? error.message : String(error);
    if (message === this.#said) return;
    this.#said = message;
    this.say(words(message));
  }

  /** Says that it is over, where something was wrong. */
  over(words: string): void {
    if (this.#said !== null) this.say(words);
    this.#said = null;
  }
}
