/** What is meant to be filtered and is not, looked for often: it reads little, and takes no lock. */
import { existsSync } from 'node:fs';
import { listLinks } from '../kernel/interfaces';
import { SluiceError } from '../kernel/errors';
import type { Kernel } from '../kernel/kernel';
import { type Hook, type PinLayout, STATE_PINS } from '../kernel/pins';
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
): Promise<Look | null> {
  if (!pins.exists()) return null;
  const links = pinnedLinks(kernel, pins);
  const state = Object.values(STATE_PINS).filter((name) => existsSync(pins.state(name)));
  // Links go first and state comes first: without state there is nothing to attach.
  if (state.length === 0) return null;
  const judging = whatJudges(kernel, pins);
  const wanted = judging ? meant.read(judging) : (readEnforced(folder).value?.interfaces ?? []);
  const filters = await currentFilters({ kernel, pins, netns });
  const devices = (await listLinks(kernel, netns)).filter(({ name }) => wanted.includes(name));
  const linked = (index: number, hook: Hook): boolean =>
    links.some((link) => link.ifindex === index && link.hook === hook);
  const lacking = devices
    .filter(({ index }) => !linked(index, 'xdp') || !(linked(index, 'egress') || filters.has(index)))
    .map(({ name }) => name);
  return { lacking, seen: JSON.stringify([links, state, pins.generations(), lacking]) };
}

/** Null where nothing does, or where so much of it is gone that it cannot be told. */
function whatJudges(kernel: Kernel, pins: PinLayout): { generation: number; instance: string } | null {
  try {
    const state = SharedState.find(kernel, pins);
    if (!state) return null;
    try {
      const generation = state.judging(kernel.bootTimeNs());
      return generation === null ? null : { generation, instance: state.instance };
    } finally {
      state.close();
    }
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'load/damaged') return null;
    throw error;
  }
}
