/** Ids of rules: explicit ones, and those derived from action and match. */
import { hash } from 'node:crypto';
import { ANY, type Match } from '../model/match';
import type { Action } from '../model/verdict';
import type { AddressWording } from './format-rule';
import { formatPorts } from '../model/port-range';
import { formatProtocol } from '../model/protocol-names';

const ID = /^[a-z0-9][a-z0-9._:+-]{0,63}$/i;
/** Counter ids of the implicit rows; no written rule may take them. */
const IMPLICIT = new Set(['ssh', 'default', 'udp-off']);

/** Why the text is no id, or undefined where it is one. */
export function idProblem(id: string): string | undefined {
  if (!ID.test(id)) return 'an id has 1–64 letters, digits and . _ : + - and begins with a letter or digit';
  if (IMPLICIT.has(id)) return 'it is the name of an implicit row';
  return undefined;
}

/** What an id is derived from. */
export interface NamedRow {
  readonly action: Action;
  readonly match: Match;
  readonly wording: Required<AddressWording>;
  readonly text: string;
}

/**
 * The id of a row that has none written: a function of action and match alone (sets by name, not by
 * content), so that moving a row, or changing its note or a set, keeps its counters.
 */
export function deriveId({ action, match, wording, text }: NamedRow): string {
  const { family, protocols, from, to, fromPorts, toPorts, icmpTypes } = match;
  if (
    family === ANY &&
    to === ANY &&
    fromPorts === ANY &&
    icmpTypes === ANY &&
    (toPorts !== ANY || protocols === ANY)
  ) {
    const parts: string[] = [action];
    if (toPorts !== ANY && protocols !== ANY) {
      const names = protocols.map(formatProtocol).join('+');
      parts.push(formatPorts(toPorts) + (names === 'tcp+udp' ? '' : `_${names}`));
    }
    if (from !== ANY || toPorts === ANY) parts.push('from', wording.from);
    const id = parts.join('-').replaceAll('/', '_').replaceAll(',', '+');
    if (id.length <= READABLE_MAX && ID.test(id)) return id;
  }
  return `${action}-${hash('sha256', text, 'hex').slice(0, 12)}`;
}

const READABLE_MAX = 48;

/** Gives `-2`, `-3` … to ids that are taken. Explicit ids are taken first, wherever they stand. */
export class IdRegister {
  readonly #taken: Set<string>;
  readonly #next = new Map<string, number>();

  constructor(explicit: Iterable<string>) {
    this.#taken = new Set(explicit);
  }

  /** A free id made of the derived one. */
  assign(derived: string): string {
    let id = derived;
    for (let n = this.#next.get(derived) ?? 2; this.#taken.has(id); n++) {
      id = `${derived}-${n}`;
      this.#next.set(derived, n + 1);
    }
    this.#taken.add(id);
    return id;
  }
}
