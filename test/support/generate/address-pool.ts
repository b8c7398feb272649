import { ANY, type AddressMatch } from '../../../src/model/match';
import { addressBits, clearHostBits, type AddressWords, type Family, type Prefix } from '../../../src/model/prefix';
import type { Random } from './random';

/** Lengths at which classful thinking, node strides and word borders change. */
const LENGTHS: Readonly<Record<Family, readonly number[]>> = {
  4: [1, 7, 8, 9, 12, 15, 16, 17, 20, 22, 23, 24, 24, 25, 28, 30, 31, 32, 32],
  6: [1, 10, 16, 31, 32, 33, 48, 48, 56, 63, 64, 64, 65, 95, 96, 97, 112, 120, 127, 128, 128],
};

/**
 * A few base addresses; all prefixes lie around them, so that most overlap, nest or touch. A crowd has wide
 * prefixes only, so that no cut between addresses tells many of its rows apart.
 */
export class AddressPool {
  private readonly bases: Readonly<Record<Family, readonly AddressWords[]>>;
  private readonly ipv6Share: number;

  constructor(
    random: Random,
    private readonly crowd: boolean,
  ) {
    const few = random.pick([1, 2, 5, 20]);
    this.bases = {
      4: Array.from({ length: few }, () => drawBase(random, 4)),
      6: Array.from({ length: few }, () => drawBase(random, 6)),
    };
    this.ipv6Share = random.pick([0, 0.2, 0.5, 0.8]);
  }

  /** `any`, one prefix, a list of both families, or rarely the empty list of an emptied set. */
  match(random: Random, any: number, lists: number): AddressMatch {
    if (random.chance(any)) return ANY;
    if (random.chance(0.01)) return [];
    const count = random.chance(lists) ? random.between(2, 8) : 1;
    return Array.from({ length: count }, () => this.prefix(random));
  }

  /** A prefix at, inside, around or just beside a base. */
  prefix(random: Random): Prefix {
    const family: Family = random.chance(this.ipv6Share) ? 6 : 4;
    const bits = addressBits(family);
    const words = [...random.pick(this.bases[family])];
    let length = random.chance(0.8) ? random.pick(LENGTHS[family]) : random.between(1, bits);
    if (random.chance(0.03)) length = 0;
    if (this.crowd) length = random.below(7);
    // Flip the last bit of the prefix: the sibling that touches it; or some bit before: a cousin.
    if (length > 0 && random.chance(0.4)) flipBit(words, random.chance(0.6) ? length - 1 : random.below(length));
    // Rewrite what lies below a cut: another child of the same parent.
    if (random.chance(0.3)) {
      const cut = random.below(bits);
      for (let bit = cut; bit < bits; bit++) if (random.chance(0.5)) flipBit(words, bit);
    }
    return clearHostBits({ family, words, length });
  }
}

function flipBit(words: number[], bit: number): void {
  words[bit >>> 5] = (words[bit >>> 5] ^ (0x80000000 >>> (bit & 31))) >>> 0;
}

function drawBase(random: Random, family: Family): AddressWords {
  const words = Array.from({ length: family === 4 ? 1 : 4 }, () => random.word());
  const edge = random.below(8);
  if (edge === 0) return words.map(() => 0); // the very first address
  if (edge === 1) return words.map(() => 0xffffffff); // the very last
  if (family === 6 && edge < 6) return [0x20010db8, random.below(16), random.below(4), random.below(4)];
  if (family === 6 && edge === 6) return [0xfe800000, 0, random.word(), random.word()];
  return words;
}
