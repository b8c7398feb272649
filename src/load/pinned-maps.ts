/** Pinned maps that are opened together. */
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
