/** What is made while this thread would only wait for another. */
export interface Meanwhile<T> {
  /** Makes it, where it is not made yet. A failure is that of whoever takes it: it fails again then. */
  readonly begin: () => void;
  /** What was made, or is made now. */
  readonly take: () => T;
}

/** Makes something once: when it is begun, or at the event loop's next turn (`soon`), or when it is taken. */
export function meanwhile<T>(make: () => T, { soon }: { readonly soon: boolean }): Meanwhile<T> {
  let made: { readonly value: T } | null = null;
  const begin = (): void => {
    try {
      made ??= { value: make() };
    } catch {
      // It fails again where it is taken.
    }
  };
  const early = soon ? setImmediate(begin) : undefined;
  return {
    begin,
    take: () => {
      clearImmediate(early);
      return (made ??= { value: make() }).value;
    },
  };
}
