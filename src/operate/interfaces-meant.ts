/** Which interfaces are meant to be filtered: what judges says it, whether it is confirmed or waits. */
import type { Enforcement } from './enforcement';
import { readGenerationRecord } from './generation-record';
import { readEnforced, type StateFolder } from './state-files';

/** Reads it, and the record of what waits, which holds a whole ruleset, once only. */
export class InterfacesMeant {
  #known: { readonly key: string; readonly names: readonly string[] } | null = null;

  constructor(private readonly folder: StateFolder) {}

  /** Names of the interfaces that this generation is to filter. */
  read({ generation, instance }: Pick<Enforcement, 'generation' | 'instance'>): readonly string[] {
    const enforced = readEnforced(this.folder).value;
    if (enforced?.generation === generation) return enforced.interfaces;
    const key = `${generation} ${instance}`;
    if (this.#known?.key !== key) {
      const names = readGenerationRecord(this.folder, generation, instance)?.interfaces ?? [];
      this.#known = { key, names };
    }
    return this.#known.names;
  }
}
