/**
 * Makes something as soon as this thread would only wait for another; whoever asks for it before that makes it then. A
 * failure is that of whoever asks.
 */
export function meanwhile<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  const early = setImmediate(() => {
    try {
      made = { value: make() };
    } catch {
      // It fails again where it is asked for.
    }
  });
  return () => {
    clearImmediate(early);
    return (made ??= { value: make() }).value;
  };
}
