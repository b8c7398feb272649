/** What a boot loaded, kept for whoever asks later. */
import { bootId } from './namespace-key';
import { readStateFile, type StateFolder, writeStateFile } from './state-files';

/** What a boot loaded. */
export interface Booted {
  /** The ruleset that enforced last, one before it, the built-in one, or (`boot: open`) none. */
  readonly loaded: 'last' | 'older' | 'built-in' | 'nothing';
  /** ISO time of the boot. */
  readonly at: string;
  /** When that ruleset began to enforce, as ISO time; null for the built-in one and none. */
  readonly since: string | null;
  /** Why what should have been loaded before it was not. */
  readonly reasons: readonly string[];
  /** Interfaces that were not there. */
  readonly missing: readonly string[];
  /** Which generation of which installation it became; null for none. */
  readonly generation: number | null;
  readonly instance: string | null;
  /** The kernel's name for this boot. */
  readonly bootId: string;
}

const FILE = 'booted.json';
const SCHEMA_VERSION = 1;

/** Keeps what a boot did. Throws as `writeStateFile`. */
export function writeBooted(folder: StateFolder, booted: Booted): void {
  writeStateFile(folder, FILE, SCHEMA_VERSION, booted);
}

/** What this boot loaded, as long as that is what enforces (or, where it loaded nothing, until something does). */
export function readBooted(
  folder: StateFolder,
  enforcing: { readonly generation: number; readonly instance: string } | null,
): Booted | null {
  const { value } = readStateFile(folder, FILE, SCHEMA_VERSION, (body) => {
    const booted = body as Partial<Booted> | null;
    const sound =
      ['last', 'older', 'built-in', 'nothing'].includes(booted?.loaded ?? '') &&
      [booted?.at, booted?.bootId].every((text) => typeof text === 'string') &&
      [booted?.reasons, booted?.missing].every(Array.isArray);
    if (!sound) throw new Error('fields are missing');
    return booted as Booted;
  });
  if (value?.loaded === 'nothing') return !enforcing && value.bootId === bootId() ? value : null;
  return enforcing && value?.generation === enforcing.generation && value.instance === enforcing.instance
    ? value
    : null;
}

/** What a boot loaded, in words; null where all went as it should. */
export function bootWarning({ loaded, since, reasons }: Booted): string | null {
  if (loaded === 'last' && reasons.length === 0) return null;
  const why = reasons.map((reason) => `\n  ${reason}`).join('');
  const what = {
    last: 'at boot the last ruleset was loaded, but not all went as it should:',
    older: `at boot the last ruleset did not load, one before it, of ${since}, enforces:`,
    'built-in': `at boot no ruleset loaded, the built-in one enforces: essentials, keep-reachable and SSH pass, nothing else comes in:`,
    nothing: 'at boot no ruleset loaded, and boot: open asked for no other: nothing is filtered:',
  }[loaded];
  return `${what}${why}`;
}
