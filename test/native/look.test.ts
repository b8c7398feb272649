/** What a change sees of the machine: begun early, it holds for the moment and the interfaces that it was begun for. */
import { kernel } from '../../src/kernel/native';
import { beginLook, freshLook } from '../../src/operate/look';

const context = { kernel: kernel() };

test('what was begun a moment ago for the same interfaces is not looked for again', async () => {
  const look = beginLook(context, ['lo']);
  expect(freshLook(context, ['lo'], look)).toBe(look);
  expect((await look.interfaces).map(({ name }) => name)).toEqual(['lo']);
});

test('other interfaces, an older look and none at all are looked for', async () => {
  const look = beginLook(context, ['lo']);
  const old = { ...look, begunMs: look.begunMs - 1000 };
  for (const other of [
    freshLook(context, 'auto', look),
    freshLook(context, ['lo'], old),
    freshLook(context, ['lo'], undefined),
  ]) {
    expect(other.interfaces).not.toBe(look.interfaces);
    await other.interfaces.catch(() => undefined);
  }
});

test('an interface that does not exist is said to whoever awaits it, and to nobody else', async () => {
  const look = freshLook(context, ['nothing0'], undefined);
  const wrong = { code: 'load/no-interface' };
  await expect(look.interfaces).rejects.toMatchObject(wrong);
  await expect(look.connections).rejects.toMatchObject(wrong);
});
