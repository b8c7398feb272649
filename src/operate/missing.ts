/** What is meant to be filtered and is not, looked for often: it reads little, and takes no lock. */
import { existsSync } from 'node:fs';
import { listLinks } from '../kernel/interfaces';
import { type Hook, STATE_PINS } from '../kernel/pins';
import { pinnedLinks } from '../load/attach';
import { currentFilters } from '../load/egress-filter';
import type { Context } from './context';
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
export async function lookForMissing({ kernel, pins, folder, netns }: Context): Promise<Look | null> {
  if (!pins.exists()) return null;
  const links = pinnedLinks(kernel, pins);
  const state = Object.values(STATE_PINS).filter((name) => existsSync(pins.state(name)));
  // Links go first and state comes first: without state there is nothing to attach.
  if (state.length === 0) return null;
  const wanted = readEnforced(folder).value?.interfaces ?? [];
  const filters = await currentFilters({ kernel, pins, netns });
  const devices = (await listLinks(kernel, netns)).filter(({ name }) => wanted.includes(name));
  const linked = (index: number, hook: Hook): boolean =>
    links.some((link) => link.ifindex === index && link.hook === hook);
  const lacking = devices
    .filter(({ index }) => !linked(index, 'xdp') || !(linked(index, 'egress') || filters.has(index)))
    .map(({ name }) => name);
  return { lacking, seen: JSON.stringify([links, state, pins.generations(), lacking]) };
}
