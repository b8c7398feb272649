/** Pinned maps, opened together or as they are asked for. */
import type { BpfMap, Kernel } from '../kernel/kernel';

/** Opens a map at each path, all or none: where one cannot be opened those before it are closed again. */
export function openPinnedMaps<Name extends string>(
  kernel: Kernel,
  paths: Readonly<Record<Name, string>>,
): Record<Name, BpfMap> {
  const maps: Partial<Record<Name, BpfMap>> = {};
  try {
    for (const name of Object.keys(paths) as Name[]) maps[name] = kernel.openPinnedMap(paths[name]);
  } catch (error) {
    closeMaps(maps);
    throw error;
  }
  return maps as Record<Name, BpfMap>;
}

/** Gives up the descriptors; the pins stay. */
export function closeMaps(maps: Readonly<Partial<Record<string, BpfMap>>>): void {
  for (const map of Object.values(maps)) map?.close();
}

/** Pinned maps of which each is opened when it is first asked for: most who look need few of them. */
export class PinnedMaps<Name extends string> {
  readonly #open: Partial<Record<Name, BpfMap>> = {};
  #closed = false;

  constructor(
    private readonly kernel: Kernel,
    private readonly pathOf: (name: Name) => string,
  ) {}

  get(name: Name): BpfMap {
    if (this.#closed) throw new Error(`the pinned map "${name}" is asked for after the last use`);
    return (this.#open[name] ??= this.kernel.openPinnedMap(this.pathOf(name)));
  }

  pick<Wanted extends Name>(names: readonly Wanted[]): Record<Wanted, BpfMap> {
    return Object.fromEntries(names.map((name) => [name, this.get(name)])) as Record<Wanted, BpfMap>;
  }

  close(): void {
    this.#closed = true;
    closeMaps(this.#open);
  }
}
