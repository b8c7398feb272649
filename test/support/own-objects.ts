/**
 * What one firewall has in the kernel, among those of others on the machine: what is pinned in its directory, what its
 * processes hold by a descriptor, and what those programs use. Everything else that lives there is somebody else's.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Kernel } from '../../src/kernel/kernel';

export interface OwnObjects {
  readonly maps: ReadonlySet<number>;
  readonly programs: ReadonlySet<number>;
}

/** @param directory of its pins; `pids`: its processes. What goes while it is looked at is left out. */
export function ownObjects(kernel: Kernel, directory: string, pids: readonly number[]): OwnObjects {
  const maps = new Set<number>();
  const programs = new Set<number>();
  for (const path of pinsBelow(directory)) {
    addPinned(
      () => kernel.openPinnedMap(path),
      maps,
      ({ id }) => id,
    );
    addPinned(
      () => kernel.openPinnedProgram(path),
      programs,
      ({ id }) => id,
    );
    addPinned(
      () => kernel.openPinnedLink(path),
      programs,
      ({ programId }) => programId,
    );
  }
  for (const line of pids.flatMap(descriptorLines)) {
    const [, kind, id] = /^(map|prog)_id:\s*(\d+)$/.exec(line) ?? [];
    if (kind !== undefined) (kind === 'map' ? maps : programs).add(Number(id));
  }
  for (const id of programs) for (const map of kernel.programInfo(id)?.mapIds ?? []) maps.add(map);
  return { maps, programs };
}

/** Pages of maps that a process has in its memory: they hold a map without a descriptor. */
export function mappedPages(pid: number): number {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .filter((line) => line.includes('bpf-map')).length;
}

function pinsBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names
    .map((name) => join(directory, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

/** A pin is a map, a program or a link: who asks for another kind is refused. */
function addPinned<Info>(
  open: () => { info(): Info; close(): void },
  to: Set<number>,
  idOf: (info: Info) => number,
): void {
  let handle: ReturnType<typeof open>;
  try {
    handle = open();
  } catch {
    return;
  }
  to.add(idOf(handle.info()));
  handle.close();
}

function descriptorLines(pid: number): string[] {
  const directory = `/proc/${pid}/fdinfo`;
  return readdirSync(directory).flatMap((number) => {
    try {
      return readFileSync(join(directory, number), 'latin1').split('\n');
    } catch {
      return []; // closed meanwhile
    }
  });
}
