/** Which interfaces are meant to be filtered: what judges says it, whether it is confirmed or waits. */
import type { Enforcement } from './enforcement';
import { readGenerationRecord } from './generation-record';
import { readEnforced, type StateFolder } from './state-files';

/** Reads it, and the record of what waits, which holds a whole ruleset, once only. */
export class InterfacesMeant {
  #known: { readonly key: string; readonly names: readonly string[] } | null = null;

  constructor(
    private readonly folder: StateFolder,
    /** What a record says of them; left out: it is read here. */
    private readonly readRecord: ReadInterfaces = readInterfacesIn(folder),
  ) {}

  /** Names of the interfaces that this generation is to filter. */
  async read({ generation, instance }: Pick<Enforcement, 'generation' | 'instance'>): Promise<readonly string[]> {
    const enforced = readEnforced(this.folder).value;
    if (enforced?.generation === generation) return enforced.interfaces;
    const key = `${generation} ${instance}`;
    if (this.#known?.key !== key) {
      const names = await this.readRecord(generation, instance);
      this.#known = { key, names };
      return names;
    }
    return this.#known.names;
  }
}

/** Interfaces that the record of a generation names; none where it is lost. */
export type ReadInterfaces = (generation: number, instance: string) => Promise<readonly string[]>;

function readInterfacesIn(folder: StateFolder): ReadInterfaces {
  return async (generation, instance) =>
    Promise.resolve(readGenerationRecord(folder, generation, instance)?.interfaces ?? []);
}
