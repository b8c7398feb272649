/**
 * Exceptions on their way from one thread to another. What is cloned of an error is its text alone; who catches one of
 * ours wants its class, code and hint, and what it holds beside (`rethrown.ts`).
 */

/** What goes over in place of an error. */
export interface Thrown {
  /** Names of its classes, its own first. */
  readonly classes: readonly string[];
  readonly message: string;
  readonly stack: string | undefined;
  /** What else it holds. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly cause?: Thrown;
}

/** Makes an error fit to be sent. */
export function packThrown(thrown: unknown): Thrown {
  if (!(thrown instanceof Error)) return { classes: ['Error'], message: String(thrown), stack: undefined, fields: {} };
  const classes: string[] = [];
  for (let type = Object.getPrototypeOf(thrown) as object | null; type !== null; type = parentOf(type))
    classes.push(type.constructor.name);
  const { message, stack, cause } = thrown;
  return {
    ...{ classes, message, stack, fields: sendable(thrown) },
    ...(cause !== undefined && { cause: packThrown(cause) }),
  };
}

function parentOf(type: object): object | null {
  return Object.getPrototypeOf(type) as object | null;
}

/** Its own fields, but for what no other thread can have. */
function sendable(error: Error): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(error).flatMap(([key, value]) => {
      try {
        return [[key, structuredClone(value) as unknown]];
      } catch {
        return [];
      }
    }),
  );
}
