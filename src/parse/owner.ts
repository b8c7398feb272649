/** `owner:` of a server → who may connect to its socket, and his quotas. */
import {
  DEFAULT_OWNER_MODE,
  DEFAULT_OWNER_QUOTAS,
  OWNER_MODES,
  type OwnerAccess,
  type OwnerQuotas,
} from '../model/owner-access';
import { type Context, placeOf, termOf } from './context';
import { isNothing, type MapNode, valueOf } from './document-node';
import { at, quote, refuse } from './finding';
import { ownText } from './own-text';

/** As groupadd(8) allows names, or a number. */
const GROUP = /^(?:[a-z_][a-z0-9_-]{0,31}\$?|\d{1,10})$/i;
const MOST_GROUP = 2 ** 32 - 2;

/** Reads it; undefined where it is not written, or what is wrong with it has been reported. */
export function readOwner(server: MapNode, context: Context): OwnerAccess | undefined {
  const node = valueOf(server, 'owner');
  if (node?.kind !== 'map') return undefined;
  const group = valueOf(node, 'group');
  if (group?.kind !== 'text' || isNothing(group)) return undefined;
  if (!GROUP.test(group.text) || Number(group.text) > MOST_GROUP) {
    const message = `${quote(group.text)} is not the name or number of a group`;
    context.sink(at(termOf(group), refuse('parse/owner', message, 'getent group lists them')));
  }
  return { group: ownText(group.text), mode: readMode(node, context), quotas: readQuotas(node) };
}

/** YAML reads 0660 as a number; what was written counts. */
function readMode(owner: MapNode, context: Context): number {
  const node = valueOf(owner, 'mode');
  if (node?.kind !== 'text' || isNothing(node)) return DEFAULT_OWNER_MODE;
  const digits = node.text.replace(/^0?o?(?=\d{3}$)/, '0');
  if (OWNER_MODES.includes(digits)) return Number.parseInt(digits, 8);
  const message = `${quote(node.text)} is not a mode of a socket, expected one of ${OWNER_MODES.join(', ')}`;
  context.sink(at(placeOf(context, node), refuse('parse/owner', message, '0660: its group may connect')));
  return DEFAULT_OWNER_MODE;
}

/** Numbers that are none, or too large, are reported by the shape. */
function readQuotas(owner: MapNode): OwnerQuotas {
  const number = (key: keyof OwnerQuotas): number => {
    const node = valueOf(owner, key);
    return node?.kind === 'text' && /^\d+$/.test(node.text) ? Number(node.text) : DEFAULT_OWNER_QUOTAS[key];
  };
  return { rules: number('rules'), entries: number('entries'), changes: number('changes') };
}
