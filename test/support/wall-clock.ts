import { kernel } from '../../src/kernel/native';

/** What a reading of two clocks may take. */
const NARROW_MS = 2;
const LOOKS = 100;

/**
 * When the wall clock will say that the kernel's clock stands there. Both are read at one moment: where the machine held
 * the process up between them they are read again.
 */
export function wallTimeOf(bootNs: bigint): number {
  let best = { width: Infinity, at: 0 };
  for (let look = 0; look < LOOKS && best.width > NARROW_MS; look++) {
    const before = Date.now();
    const now = kernel().bootTimeNs();
    const width = Date.now() - before;
    if (width < best.width) best = { width, at: before + Number(bootNs - now) / 1e6 };
  }
  return best.at;
}
