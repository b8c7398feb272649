import { SharedLook } from '../../../../src/operate/owner/shared-look';

/** Looks that end when they are told to. */
function stand() {
  const open: ((seen: string) => void)[] = [];
  let nowMs = 0;
  const look = new SharedLook(
    () => new Promise<string>((done) => open.push(done)),
    () => nowMs,
  );
  return { look, open, pass: (ms: number) => (nowMs += ms) };
}

test('many who ask at the same time cost one look, and it serves for five times as long as it took', async () => {
  const { look, open, pass } = stand();
  const asked = Array.from({ length: 50 }, () => look.take());
  expect(open).toHaveLength(1);
  pass(100);
  open[0]('one');
  expect(new Set(await Promise.all(asked))).toEqual(new Set(['one']));
  pass(400);
  expect(await look.take()).toBe('one');
  pass(1);
  void look.take();
  expect(open).toHaveLength(2);
});

test('who asks after a change does not see what was looked at before it', async () => {
  const { look, open } = stand();
  const before = look.take();
  look.forget();
  const after = look.take();
  expect(open).toHaveLength(2);
  open[1]('new');
  open[0]('old');
  expect(await Promise.all([before, after])).toEqual(['old', 'new']);
  expect(await look.take()).toBe('new');
});

test('a look that fails is told to all who waited for it, and the next one looks anew', async () => {
  let failing = true;
  const look = new SharedLook(() => (failing ? Promise.reject(new Error('damaged')) : Promise.resolve('whole')));
  const asked = [look.take(), look.take()];
  await expect(Promise.allSettled(asked)).resolves.toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
  failing = false;
  expect(await look.take()).toBe('whole');
});
