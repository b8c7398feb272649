/** An image that is made of pieces of the one before is the image that is made of nothing, byte for byte. */
import { SLC_ENTRY } from '../../../src/abi/layout.gen';
import { pack, PackMemory, type PackedSection, type PackInput } from '../../../src/compile/pack';
import { Random, testSeed } from '../../support/generate/random';

const LINE = 64;
/** Counters of so many ranks are more than a mebibyte, from where on sections say what is read ahead. */
const FAR_SPAN = 1 << 17;

function block(random: Random): PackedSection['block'] {
  const bytes = Uint8Array.from({ length: LINE * random.between(1, 12) }, () => random.between(0, 255));
  const slot = (): { low: number; high: number } | null =>
    random.chance(0.5) ? { low: random.between(1, 2 ** 31), high: random.between(1, 2 ** 31) } : null;
  const near = (): { first: number; step: number } => ({ first: random.between(0, 9), step: random.between(0, 9) });
  const only = { 4: slot(), 6: slot() };
  return { bytes, defaultWord: random.between(0, 1000), only, near: { 4: near(), 6: near() } };
}

function section(random: Random, isServer: boolean): PackedSection {
  const trial = {
    block: block(random),
    rank: random.between(0, 5000),
    isUsed: random.chance(0.5),
    word: random.between(1, 60),
  };
  return {
    ...{ block: block(random), rank: random.between(0, 5000), span: random.pick([16, 64, 256]), isServer },
    ...{
      ports: { first: random.between(0, 80), last: random.between(80, 65535) },
      id: BigInt(random.between(0, 2 ** 31)),
    },
    isUsed: random.chance(0.7),
    ...(random.chance(0.1) && { trial }),
  };
}

/** Another list of sections: some are exchanged, put in, taken out or moved, or share a block. */
function next(random: Random, sections: readonly PackedSection[]): PackedSection[] {
  const after = [...sections];
  const place = (): number => random.between(SLC_ENTRY.SERVERS, after.length - 1);
  for (let changes = random.between(0, 3); changes > 0; changes--) {
    const at = place();
    const change = random.between(0, 6);
    if (change === 0) after.splice(at, 0, section(random, true));
    else if (change === 1 && after.length > SLC_ENTRY.SERVERS + 2) after.splice(at, 1);
    else if (change === 2) after.splice(place(), 0, ...after.splice(at, 1));
    else if (change === 3) after[at] = { ...after[at], rank: after[at].rank + 16 };
    else if (change === 4) after[at] = { ...after[at], block: after[place()].block };
    else if (change === 5) after[random.between(0, SLC_ENTRY.SERVERS - 1)] = section(random, false);
    else after[at] = section(random, true);
  }
  return after;
}

test('whatever the image before was', () => {
  const random = new Random(testSeed(4401));
  const memory = new PackMemory();
  let sections = Array.from({ length: SLC_ENTRY.SERVERS + 8 }, (_, i) => section(random, i >= SLC_ENTRY.SERVERS));
  const far = { ...section(random, true), span: FAR_SPAN };
  for (let round = 0; round < 400; round++) {
    sections = next(random, sections);
    const isFar = Math.floor(round / 10) % 2 === 1;
    const limits = random.chance(0.8) ? 0 : random.between(1, 3);
    const input: PackInput = {
      sections: isFar ? [...sections, far] : sections,
      limits: { count: limits, bytes: Uint8Array.from({ length: 24 * limits }, () => random.between(0, 255)) },
      counterSlots: random.between(1, 10_000),
      shares: { flows: random.between(1, 100), windows: random.between(1, 100), events: random.between(1, 100) },
    };
    const cold = pack(input);
    expect({ round, same: Buffer.compare(pack(input, memory), cold) }).toEqual({ round, same: 0 });
    // What is forgotten is written anew.
    if (random.chance(0.02)) memory.forget();
  }
});
