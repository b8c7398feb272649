import { ANY, type Any } from '../model/match';
import { PROTOCOL_NUMBERS } from '../model/protocol-names';

const BY_NAME = new Map(PROTOCOL_NUMBERS.flatMap(([number, ...names]) => names.map((name) => [name, number] as const)));

/** Every name, for suggestions. */
export const PROTOCOL_NAMES: readonly string[] = [...BY_NAME.keys()];

/** A name in any case, or a number 0–255 without leading zeros; `any` is `ANY`; else undefined. */
export function parseProtocol(text: string): number | Any | undefined {
  const word = text.toLowerCase();
  if (word === 'any' || word === 'all') return ANY;
  if (/^(0|[1-9][0-9]{0,2})$/.test(word)) return Number(word) <= 255 ? Number(word) : undefined;
  return BY_NAME.get(word);
}
