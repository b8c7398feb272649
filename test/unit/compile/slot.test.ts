import { decodeSlot, EMPTY_SLOT, encodeSlot, type Slot } from '../../../src/compile/slot';

test.each<Slot>([
  { kind: 'node', child: 0, shift: 0, keyWord: 0, mask: 1 },
  { kind: 'node', child: 0xffffffff, shift: 31, keyWord: 15, mask: 0x3fffff },
  { kind: 'leaf', first: 0x7fffffff, rank: 0xffffff, count: 63, short: false },
  { kind: 'leaf', first: 0x7fffffff, rank: 0, count: 8, short: true },
  { kind: 'leaf', first: 8, rank: 256, count: 1, short: false },
  { kind: 'classes', tables: 0xffffffff, rank: 0xffffff },
  { kind: 'classes', tables: 8, rank: 0 },
  { kind: 'terminal', word: 0x10072 },
])('%j survives', (slot) => {
  const { low, high } = encodeSlot(slot);
  expect(decodeSlot(low, high)).toEqual(slot);
});

test('numbers of the header', () => {
  const node = encodeSlot({ kind: 'node', child: 7, shift: 3, keyWord: 4, mask: 15 });
  expect((BigInt(node.high) << 32n) | BigInt(node.low)).toBe(7n | (3n << 32n) | (4n << 37n) | (15n << 41n));
  const leaf = encodeSlot({ kind: 'leaf', first: 9, rank: 256, count: 5, short: false });
  expect((BigInt(leaf.high) << 32n) | BigInt(leaf.low)).toBe((2n << 62n) | (5n << 56n) | (256n << 32n) | 9n);
  const short = encodeSlot({ kind: 'leaf', first: 9, rank: 256, count: 5, short: true });
  expect((BigInt(short.high) << 32n) | BigInt(short.low)).toBe(
    (2n << 62n) | (5n << 56n) | (256n << 32n) | (1n << 31n) | 9n,
  );
  expect(EMPTY_SLOT).toEqual({ low: 0xffffffff, high: 0xc0000000 });
});
