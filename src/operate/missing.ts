/** What is meant to be filtered and is not, looked for often: it reads little, and takes no lock. */
import { existsSync } from 'node:fs';
import { listLinks } from '../kernel/interfaces';
import { SluiceError } from '../kernel/errors';
import type { Kernel } from '../kernel/kernel';
import { type Hook, type PinLayout, STATE_PINS } from '../kernel/pins';
import type { HeldPins } from '../load/held-pins';
import { SharedState } from '../load/state';
import { pinnedLinks } from '../load/attach';
import { currentFilters } from '../load/egress-filter';
import type { Context } from './context';
import { InterfacesMeant } from './interfaces-meant';
import { readEnforced } from './state-files';

/** One look. */
export interface Look {
  /** Interfaces that are there and lack a gate. */
  readonly lacking: readonly string[];
  /** Pins that are there no more and can be made again, below the directory. */
  readonly unpinned: readonly string[];
  /** Whether more is gone than can be: part of the state, which nobody holds. */
  readonly damaged: boolean;
  /** Everything the look saw of pins: as long as that changes, somebody is at work. */
  readonly seen: string;
}

/**
 * Looks once; null where nothing is pinned: it was ended, or somebody removed the whole directory, which is how to end
 * it without sluice.
 */
export async function lookForMissing(
  { kernel, pins, folder, netns }: Context,
  meant: InterfacesMeant = new InterfacesMeant(folder),
  held?: HeldPins,
): Promise<Look | null> {
  held?.follow();
  if (!pins.exists()) return null;
  const links = pinnedLinks(kernel, pins);
  const state = Object.values(STATE_PINS).filter((name) => existsSync(pins.state(name)));
  // Links go first and state comes first: without both there is nothing to mend.
  if (state.length === 0 && links.length === 0) return null;
  const unpinned = held?.missing() ?? [];
  const { judging, damaged } = whatJudges(kernel, pins);
  const wanted = judging ? await meant.read(judging) : (readEnforced(folder).value?.interfaces ?? []);
  const filters = await currentFilters({ kernel, pins, netns });
  const devices = (await listLinks(kernel, netns)).filter(({ name }) => wanted.includes(name));
  const linked = (index: number, hook: Hook): boolean =>
    links.some((link) => link.ifindex === index && link.hook === hook);
  const lacking = devices
    .filter(({ index }) => !linked(index, 'xdp') || !(linked(index, 'egress') || filters.has(index)))
    .map(({ name }) => name);
  return {
    ...{ lacking, unpinned, damaged },
    seen: JSON.stringify([links, state, pins.generations(), lacking, unpinned]),
  };
}

/** Nothing judges, or so much of the state is gone that it cannot be told what. */
function whatJudges(
  kernel: Kernel,
  pins: PinLayout,
): { judging: { generation: number; instance: string } | null; damaged: boolean } {
  try {
    const state = SharedState.find(kernel, pins);
    if (!state) return { judging: null, damaged: false };
    try {
      const generation = state.judging(kernel.bootTimeNs());
      return { judging: generation === null ? null : { generation, instance: state.instance }, damaged: false };
    } finally {
      state.close();
    }
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'load/damaged') return { judging: null, damaged: true };
    throw error;
  }
}
