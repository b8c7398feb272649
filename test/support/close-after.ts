/** What a test opens is closed when it has ended, however it ends. */
export function closesAfterEach(): { close(): void }[] {
  const opened: { close(): void }[] = [];
  afterEach(() => {
    opened.splice(0).forEach((handle) => {
      handle.close();
    });
  });
  return opened;
}
