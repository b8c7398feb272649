import { banFilter } from '../../../src/load/ban-filter';
import { clearHostBits, type Family, type Prefix } from '../../../src/model/prefix';
import { Random, testSeed } from '../../support/generate/random';

/** As bpf/bans.h asks: whether a source may be banned as a host, and by a prefix. */
function asks(filter: Uint8Array, family: Family, words: readonly number[]): { host: boolean; net: boolean } {
  const view = new DataView(filter.buffer, filter.byteOffset);
  const bit = (field: number, index: number): boolean =>
    ((view.getBigUint64(field + 8 * (index >>> 6), true) >> BigInt(index & 63)) & 1n) === 1n;
  const hash = Math.imul(words[0], 0x9e3779b1) ^ (family === 6 ? Math.imul(words[1], 0x85ebca77) : 0);
  return {
    host: bit(0, hash >>> 12),
    net: family === 4 ? bit(131_072, words[0] >>> 16) : bit(139_264, Math.imul(words[0], 0x9e3779b1) >>> 16),
  };
}

function randomPrefix(random: Random): Prefix {
  const family = random.below(2) === 0 ? 4 : 6;
  const words = Array.from({ length: family === 4 ? 1 : 4 }, () => random.below(2 ** 32));
  const lengths =
    family === 4 ? [0, 4, 8, 15, 16, 17, 24, 31, 32] : [0, 3, 16, 17, 20, 31, 32, 33, 48, 63, 64, 65, 128];
  return clearHostBits({ family, words, length: lengths[random.below(lengths.length)] });
}

/** A source that the prefix holds, its other bits at random. */
function sourceIn({ words, length }: Prefix, random: Random): number[] {
  return words.map((word, i) => {
    const kept = Math.min(32, Math.max(0, length - 32 * i));
    const mask = kept === 0 ? 0 : (0xffffffff << (32 - kept)) >>> 0;
    return ((word & mask) | (random.below(2 ** 32) & ~mask)) >>> 0;
  });
}

test('every source that a ban holds is found, whatever its length', () => {
  const random = new Random(testSeed(31));
  for (let round = 0; round < 200; round++) {
    const prefix = randomPrefix(random);
    const filter = banFilter([randomPrefix(random), prefix]);
    const isHost = prefix.length === (prefix.family === 4 ? 32 : 64);
    for (let i = 0; i < 20; i++) {
      const found = asks(filter, prefix.family, sourceIn(prefix, random));
      expect({ prefix, found: isHost ? found.host : found.net }).toEqual({ prefix, found: true });
    }
  }
});

test('hardly a source is found that nobody banned', () => {
  const random = new Random(testSeed(32));
  const bans = (length: number, count: number): Prefix[] =>
    Array.from({ length: count }, () => clearHostBits({ family: 4, words: [random.below(2 ** 32)], length }));
  const share = (filter: Uint8Array, kind: 'host' | 'net'): number =>
    Array.from({ length: 5000 }, () => asks(filter, 4, [random.below(2 ** 32)])[kind]).filter(Boolean).length / 5000;
  expect(share(banFilter([]), 'host')).toBe(0);
  expect(share(banFilter(bans(32, 10_000)), 'host')).toBeLessThan(0.02);
  expect(share(banFilter(bans(32, 100_000)), 'host')).toBeLessThan(0.12);
  expect(share(banFilter(bans(24, 1000)), 'net')).toBeLessThan(0.03);
});
