/**
 * Maps that say what a row in canonical form says, as nearly all of a large ruleset are: `{ id: r7, action: deny, from:
 * 192.0.2.7, to: 198.51.100.0/24, port: 80, proto: tcp }`. Whatever looks otherwise is left to the reader of any rule
 * object, which reads these the same.
 */
import { ANY, type AddressMatch, type Match, type PortMatch } from '../model/match';
import { formatPorts } from '../model/port-range';
import { PORT_DEFAULT_PROTOCOLS } from '../model/protocol';
import type { Action } from '../model/verdict';
import { isNothing, type MapNode, type TextNode } from './document-node';
import { idProblem } from './ids';
import type { Names } from './names';
import { USUAL_PROTOCOLS, USUAL_WRITTEN, usualAddress, usualPorts, type UsualRow } from './usual-words';

/** Such a map; it says no more. */
export interface UsualObject {
  readonly row: UsualRow;
  readonly id: TextNode;
}

/** The row and its id, or undefined where the map is not in this form. */
export function readUsualObject(map: MapNode, names: Names): UsualObject | undefined {
  let id: TextNode | undefined;
  let action: Action | undefined;
  let from: AddressMatch | undefined = ANY;
  let to: AddressMatch | undefined = ANY;
  let toPorts: PortMatch | undefined = ANY;
  let [fromText, toText, portText, protocolText] = ['any', 'any', '', ''];
  for (const { key, value } of map.entries) {
    if (value.kind !== 'text') return undefined;
    const { text } = value;
    switch (key.text) {
      case 'id':
        id = value;
        break;
      case 'action':
        action = actionOf(text);
        break;
      case 'from':
        from = usualAddress((fromText = text), names);
        break;
      case 'to':
        to = usualAddress((toText = text), names);
        break;
      case 'port':
        toPorts = usualPorts((portText = text));
        break;
      case 'proto':
        if (text === '') return undefined;
        protocolText = text;
        break;
      default:
        return undefined;
    }
  }
  const protocols = protocolsOf(protocolText, portText);
  if (!id || idProblem(id.text) !== undefined || isNothing(id)) return undefined;
  if (!action || !from || !to || !toPorts || !protocols) return undefined;
  // Without an address the canonical text is a shorter one.
  if (from === ANY && to === ANY) return undefined;
  const match: Match = { family: ANY, protocols, from, to, fromPorts: ANY, toPorts, icmpTypes: ANY };
  const words: string[] = [action];
  if (from !== ANY) words.push('from', fromText);
  if (to !== ANY || toPorts !== ANY) words.push('to', toText);
  if (toPorts !== ANY) words.push('port', formatPorts(toPorts));
  if (protocolText !== '') words.push('proto', protocolText);
  const text = words.join(' ');
  return { row: { action, match, wording: { from: fromText, to: toText }, written: USUAL_WRITTEN, text }, id };
}

function actionOf(text: string): Action | undefined {
  return text === 'allow' || text === 'deny' || text === 'reject' ? text : undefined;
}

function protocolsOf(named: string, ports: string): Match['protocols'] | undefined {
  if (named === '') return ports === '' ? ANY : PORT_DEFAULT_PROTOCOLS;
  return named === 'icmp' && ports !== '' ? undefined : USUAL_PROTOCOLS.get(named);
}
