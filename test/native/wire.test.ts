/** Frames from one end of a link to the other. */
import { kernel } from '../../src/kernel/native';
import { joinByVeth, Namespace, reapStale } from '../support/netns';
import { must } from '../support/process';
import { outcome } from './support';

let near: Namespace;
let far: Namespace;
const end = (namespace: Namespace, link: string): { ifindex: number; netns: string } => ({
  ifindex: namespace.ifindex(link),
  netns: namespace.path,
});

beforeAll(() => {
  reapStale();
  near = Namespace.create('near');
  far = Namespace.create('far');
  joinByVeth(
    { namespace: near, name: 'near0', mac: '02:00:00:00:00:0a', addresses: [] },
    { namespace: far, name: 'far0', mac: '02:00:00:00:00:0b', addresses: [] },
  );
});
afterAll(() => {
  near.destroy();
  far.destroy();
});

/** An Ethernet frame of nobody's protocol that is told from others by its number. */
function frame(number: number, length = 60): Uint8Array {
  const bytes = Buffer.alloc(length);
  bytes.writeUInt16BE(0x88b5, 12);
  if (length >= 18) bytes.writeUInt32BE(number, 14);
  return bytes;
}

test('each frame is told from the others, in both directions', async () => {
  for (const [from, to] of [
    [end(near, 'near0'), end(far, 'far0')],
    [end(far, 'far0'), end(near, 'near0')],
  ]) {
    expect(await kernel().exchangeFrames(from, to, [frame(1), frame(2, 1500), frame(1), frame(3, 14)], 60_000)).toEqual(
      [...[true, true, true, true]],
    );
  }
});

test('what a filter on the way drops does not arrive; nor does the last one, in vain waited for', async () => {
  const [from, to] = [end(near, 'near0'), end(far, 'far0')];
  // The number 7 behind the Ethernet header.
  const chain = 'type filter hook egress device near0 priority 0; @ll,112,32 7 drop;';
  must(near.argv(['nft', `table netdev drops { chain seven { ${chain} }; }`]));
  expect(await kernel().exchangeFrames(from, to, [frame(6), frame(7), frame(8)], 60_000)).toEqual([true, false, true]);
  expect(await outcome(() => kernel().exchangeFrames(from, to, [frame(6), frame(7)], 100))).toBe('ETIMEDOUT');
  must(near.argv(['nft', 'delete table netdev drops']));
});

test('what makes no sense is refused', async () => {
  const [from, to] = [end(near, 'near0'), end(far, 'far0')];
  const exchange = (frames: Uint8Array[], timeoutMs = 100, ends = { from, to }): Promise<string> =>
    outcome(() => kernel().exchangeFrames(ends.from, ends.to, frames, timeoutMs));
  expect(await exchange([])).toBe('RangeError');
  expect(await exchange([new Uint8Array(13)])).toBe('RangeError');
  expect(await exchange([new Uint8Array(65_537)])).toBe('RangeError');
  expect(await exchange([frame(1)], 0)).toBe('RangeError');
  expect(await exchange([frame(1)], 60_001)).toBe('RangeError');
  expect(await exchange([frame(1)], 100, { from: { ...from, ifindex: 9999 }, to })).toBe('ENODEV');
  expect(await exchange([frame(1)], 100, { from, to: { ...to, netns: '/run/netns/slc-none' } })).toBe('ENOENT');
});
