/**
 * Whether a document is of the shape of a ruleset, seen without the schema: what it takes the schema takes too, and what
 * it does not know it leaves to that. Nearly every file is taken; of a hundred thousand maps that spares most of a second.
 */
import { LOG_LEVELS } from '../model/logging';
import { MOST_OWNER_QUOTAS, type OwnerQuotas } from '../model/owner-access';
import { type DocumentNode, isNothing, type MapNode } from './document-node';

type Check = (node: DocumentNode) => boolean;
type Keys = ReadonlyMap<string, Check>;

/** True: the schema has nothing to say about the document. False: it has to be asked. */
export function isUsualShape(root: DocumentNode): boolean {
  return root.kind === 'map' && hasOnly(root, RULESET) && root.entries.some(({ key }) => key.text === 'version');
}

function hasOnly(map: MapNode, keys: Keys): boolean {
  for (const { key, value } of map.entries) {
    const check = keys.get(key.text);
    if (!check?.(value)) return false;
  }
  return true;
}

const INTEGER = /^-?[0-9]{1,15}$/;
const BOOLEAN = /^(true|false)$/i;

/** A text to the schema too: plain ones may be numbers, switches or nothing. */
const text: Check = (node) =>
  node.kind === 'text' &&
  (node.style !== 'plain' ||
    (!isNothing(node) &&
      !((node.text.length === 4 || node.text.length === 5) && BOOLEAN.test(node.text)) &&
      !(node.text.length <= 16 && INTEGER.test(node.text))));
/** A text or a number. */
const word: Check = (node) => text(node) || isInteger(node);
const isInteger: Check = (node) => node.kind === 'text' && node.style === 'plain' && INTEGER.test(node.text);
const several =
  (one: Check): Check =>
  (node) =>
    node.kind === 'list' ? node.items.every(one) : one(node);
/** Of the words under keys whose case does not matter. */
const choice = (...words: readonly string[]): Check => {
  const known = new Set(words);
  return (node) => text(node) && node.kind === 'text' && known.has(node.text.toLowerCase());
};
const onOff: Check = (node) =>
  node.kind === 'text' && ['on', 'off', 'yes', 'no', 'true', 'false'].includes(node.text.toLowerCase());
const mapOf =
  (value: Check): Check =>
  (node) =>
    node.kind === 'map' && node.entries.every((entry) => value(entry.value));
const keysOf =
  (keys: Keys): Check =>
  (node) =>
    node.kind === 'map' && hasOnly(node, keys);
const either =
  (...checks: readonly Check[]): Check =>
  (node) =>
    checks.some((check) => check(node));

const MATCH: readonly (readonly [string, Check])[] = [
  ['proto', several(word)],
  ['from', several(text)],
  ['to', several(text)],
  ['port', several(word)],
  ['from-port', several(word)],
  ['icmp-type', several(word)],
  ['family', choice('ipv4', 'ipv6', 'any')],
];
const TOLD: readonly (readonly [string, Check])[] = [
  ['id', word],
  ['note', word],
  ['owner', word],
  ['review', text],
];
const RULE: Keys = new Map([
  ...[['action', choice('allow', 'deny', 'reject', 'limit')] as const, ['enabled', onOff] as const],
  ...MATCH,
  ...TOLD,
]);
const ruleMap: Check = (node) =>
  node.kind === 'map' && hasOnly(node, RULE) && node.entries.some(({ key }) => key.text === 'action');
const rows: Check = (node) =>
  node.kind === 'list' ? node.items.every((item) => text(item) || ruleMap(item)) : isNothing(node) || text(node);

const sshMap: Keys = new Map([
  ['port', several(isInteger)],
  ['from', (node) => text(node) && node.kind === 'text' && (node.text === 'anyone' || node.text === 'rules')],
]);
/** Both keys must be there: nothing is left out. */
const ssh: Check = (node) =>
  node.kind === 'map'
    ? node.entries.length === sshMap.size &&
      hasOnly(node, sshMap) &&
      node.entries[0].key.text !== node.entries[1].key.text
    : node.kind === 'text' && ['off', 'no', 'false'].includes(node.text.toLowerCase());

const fallback = choice('allow', 'deny', 'reject');
const SECTION: readonly (readonly [string, Check])[] = [
  ['default', fallback],
  ['udp', onOff],
  ['ssh', ssh],
  ['rules', rows],
];
const quota =
  (name: keyof OwnerQuotas): Check =>
  (node) =>
    node.kind === 'text' &&
    node.style === 'plain' &&
    /^[1-9][0-9]{0,6}$/.test(node.text) &&
    Number(node.text) <= MOST_OWNER_QUOTAS[name];
const OWNER: Keys = new Map([
  ['group', word],
  ...(['rules', 'entries', 'changes'] as const).map((name) => [name, quota(name)] as const),
]);
const owner: Check = (node) =>
  node.kind === 'map' && hasOnly(node, OWNER) && node.entries.some(({ key }) => key.text === 'group');
const SERVER: Keys = new Map([
  ...SECTION,
  ...[['address', several(text)] as const, ['ports', several(word)] as const, ['target', text] as const],
  ['owner', owner],
]);
const server: Check = (node) =>
  node.kind === 'map' && hasOnly(node, SERVER) && node.entries.some(({ key }) => key.text === 'address');

const KEPT = keysOf(new Map([...MATCH, ...TOLD, ['enabled', onOff] as const]));
const set = either(text, several(text), keysOfOne('file', text));

function keysOfOne(key: string, check: Check): Check {
  return (node) =>
    node.kind === 'map' &&
    node.entries.length === 1 &&
    node.entries[0].key.text === key &&
    check(node.entries[0].value);
}

const RULESET: Keys = new Map<string, Check>([
  ['version', (node) => node.kind === 'text' && node.style === 'plain' && node.text === '1'],
  ['$schema', text],
  ['interfaces', several(text)],
  ['mode', choice('auto', 'native', 'generic')],
  ['icmp', choice('essentials', 'rules')],
  ['fragments', choice('track', 'drop')],
  ['logging', choice('on', 'yes', 'no', ...LOG_LEVELS)],
  ['sets', either(isNothing, mapOf(set))],
  ['services', either(isNothing, mapOf(several(word)))],
  ['inbound', either(isNothing, keysOf(new Map(SECTION)))],
  ['outbound', either(isNothing, keysOf(new Map([['default', fallback] as const, ['rules', rows] as const])))],
  [
    'guard',
    either(
      isNothing,
      keysOf(
        new Map<string, Check>([
          ['rules', rows],
          ['keep-reachable', (node) => node.kind === 'list' && node.items.every((item) => text(item) || KEPT(item))],
        ]),
      ),
    ),
  ],
  ['servers', either(isNothing, mapOf(server))],
  ['expect', either(isNothing, (node) => node.kind === 'list' && node.items.every(text))],
]);
