/**
 * Rows in canonical form, as nearly all of a large ruleset have it: `deny from 192.0.2.7 to 198.51.100.0/24 port 80 proto
 * tcp`, `allow from 10.0.0.0/8`. Read here in one pass; whatever looks otherwise is left to the reader of any row, which
 * reads these the same.
 */
import { ANY, type AddressMatch, type Match, type PortMatch } from '../model/match';
import { PORT_DEFAULT_PROTOCOLS } from '../model/protocol';
import type { Action } from '../model/verdict';
import type { Names } from './names';
import { USUAL_PROTOCOLS, USUAL_WRITTEN, usualAddress, usualPorts, type UsualRow } from './usual-words';

/** The row, or undefined where its text is not in this form. */
export function readUsualLine(text: string, names: Names): UsualRow | undefined {
  const action = actionOf(text);
  if (action === undefined) return undefined;
  let at = action.length;
  let from: AddressMatch = ANY;
  let to: AddressMatch = ANY;
  let fromText = 'any';
  let toText = 'any';
  let toPorts: PortMatch = ANY;
  let protocols: Match['protocols'] = ANY;
  if (text.startsWith(' from ', at)) {
    fromText = wordAt(text, at + 6);
    at += 6 + fromText.length;
    const list = usualAddress(fromText, names);
    if (!list) return undefined;
    from = list;
  }
  const hasTo = text.startsWith(' to ', at);
  if (hasTo) {
    toText = wordAt(text, at + 4);
    at += 4 + toText.length;
    if (toText !== 'any') {
      const list = usualAddress(toText, names);
      if (!list) return undefined;
      to = list;
    }
    if (text.startsWith(' port ', at)) {
      const word = wordAt(text, at + 6);
      at += 6 + word.length;
      const ports = usualPorts(word);
      // One port is written once.
      if (!ports || (ports[0].first === ports[0].last && word.includes(':'))) return undefined;
      toPorts = ports;
      protocols = PORT_DEFAULT_PROTOCOLS;
    }
  }
  if (text.startsWith(' proto ', at)) {
    const word = wordAt(text, at + 7);
    at += 7 + word.length;
    const named = USUAL_PROTOCOLS.get(word);
    if (!named || (word === 'icmp' && toPorts !== ANY)) return undefined;
    protocols = named;
  }
  // Without an address the canonical text is a shorter one.
  if (at !== text.length || (from === ANY && to === ANY) || (hasTo && to === ANY && toPorts === ANY)) return undefined;
  const match: Match = { family: ANY, protocols, from, to, fromPorts: ANY, toPorts, icmpTypes: ANY };
  return { action, match, wording: { from: fromText, to: toText }, written: USUAL_WRITTEN, text };
}

function actionOf(text: string): Action | undefined {
  if (text.startsWith('allow ')) return 'allow';
  if (text.startsWith('deny ')) return 'deny';
  return text.startsWith('reject ') ? 'reject' : undefined;
}

/** Up to the next blank, or the end. */
function wordAt(text: string, start: number): string {
  const end = text.indexOf(' ', start);
  return end < 0 ? text.slice(start) : text.slice(start, end);
}
