/** Settings outside sections: interfaces, mode, icmp, ethertypes, and the keys of later versions. */
import { DEFAULT_ECHO_RATES, type EchoRates } from '../model/echo';
import { LOG_LEVELS, type LogLevel } from '../model/logging';
import { type AttachMode, DEFAULT_ETHERTYPES, type FragmentMode, type IcmpMode } from '../model/ruleset';
import { type Context, placeOf, termOf, textsOf } from './context';
import { type DocumentNode, isNothing, type MapNode, valueOf } from './document-node';
import { at, quote, refuse } from './finding';
import { nearest } from './nearest';
import { parseSwitch } from './unsupported';

const MAX_ETHERTYPES = 16;

const ETHERTYPE_NAMES: Readonly<Record<string, number>> = {
  lldp: 0x88cc,
  lacp: 0x8809,
  'slow-protocols': 0x8809,
  '802.1x': 0x888e,
  eapol: 0x888e,
  macsec: 0x88e5,
  ptp: 0x88f7,
  mpls: 0x8847,
  'mpls-multicast': 0x8848,
  'pppoe-discovery': 0x8863,
  'pppoe-session': 0x8864,
  profinet: 0x8892,
  ethercat: 0x88a4,
  goose: 0x88b8,
  aoe: 0x88a2,
  fcoe: 0x8906,
  fip: 0x8914,
  loopback: 0x9000,
  batman: 0x4305,
};

/** What sluice walks or answers for by itself; on the list they would have no meaning. */
const HANDLED: ReadonlyMap<number, string> = new Map([
  [0x0800, 'IPv4 is judged by the rules'],
  [0x86dd, 'IPv6 is judged by the rules'],
  [0x0806, 'ARP always passes'],
  [0x8100, 'VLAN tags are walked'],
  [0x88a8, 'VLAN tags are walked'],
]);

/** `auto`, or the named interfaces. */
export function readInterfaces(node: DocumentNode | undefined, context: Context): 'auto' | readonly string[] {
  if (!node || isNothing(node)) return 'auto';
  const texts = textsOf(node);
  if (node.kind === 'text' && node.text.toLowerCase() === 'auto') return 'auto';
  if (node.kind === 'list' && node.items.length === 0) {
    context.sink(
      at(
        placeOf(context, node),
        refuse('parse/interface', 'the list of interfaces is empty', 'write interfaces: auto'),
      ),
    );
  }
  const names: string[] = [];
  for (const term of texts.map(termOf)) {
    const name = term.text;
    if (name.toLowerCase() === 'auto') {
      context.sink(at(term, refuse('parse/interface', '"auto" stands alone, not in a list', 'write interfaces: auto')));
    } else if (!/^[!-.0-9;-~]{1,15}$/.test(name) || name === '.' || name === '..' || name === 'all') {
      const message = `${quote(name)} is not the name of an interface: 1–15 characters without blanks, "/" and ":"`;
      context.sink(at(term, refuse('parse/interface', message, 'ip -br link lists them')));
    } else if (names.includes(name)) {
      context.sink(at(term, refuse('parse/interface', `${quote(name)} is there twice`)));
    } else names.push(name);
  }
  return names;
}

/** `auto`, `native` or `generic`; other words are reported by the shape. */
export function readMode(node: DocumentNode | undefined): AttachMode {
  const word = node?.kind === 'text' ? node.text.toLowerCase() : '';
  return word === 'native' || word === 'generic' ? word : 'auto';
}

/** The level; `on` is low, as in ufw. Other words are reported by the shape. */
export function readLogging(node: DocumentNode | undefined): LogLevel {
  if (node?.kind !== 'text' || isNothing(node)) return 'low';
  return parseLogLevel(node.text) ?? 'low';
}

/** The level a word names, undefined where it names none. */
export function parseLogLevel(text: string): LogLevel | undefined {
  const word = text.toLowerCase();
  const onOff = parseSwitch(word);
  return onOff === undefined ? LOG_LEVELS.find((level) => level === word) : onOff ? 'low' : 'off';
}

/** `essentials` or `rules`, alone or under `mode`; other words are reported by the shape. */
export function readIcmpMode(node: DocumentNode | undefined): IcmpMode {
  const word = node?.kind === 'map' ? valueOf(node, 'mode') : node;
  return word?.kind === 'text' && word.text.toLowerCase() === 'rules' ? 'rules' : 'essentials';
}

/** How many echo-requests pass; numbers out of range are reported by the shape. */
export function readEchoRates(node: DocumentNode | undefined, context: Context): EchoRates {
  if (node?.kind !== 'map') return DEFAULT_ECHO_RATES;
  const isOff = readIcmpMode(node) === 'rules';
  const rate = (key: string): number | undefined => {
    const entry = node.entries.find((candidate) => candidate.key.text === key);
    if (entry?.value.kind !== 'text' || isNothing(entry.value)) return undefined;
    if (isOff) {
      const message = `${quote(key)} has no place with "mode: rules": what becomes of echo-requests is up to the rows`;
      context.sink(at(placeOf(context, entry.key), refuse('parse/bad-value', message, 'write mode: essentials')));
    }
    return Number(entry.value.text);
  };
  return {
    inAll: rate('echo-rate') ?? DEFAULT_ECHO_RATES.inAll,
    perSource: rate('echo-rate-per-source') ?? DEFAULT_ECHO_RATES.perSource,
  };
}

/** `track` or `drop`; other words are reported by the shape. */
export function readFragmentMode(node: DocumentNode | undefined): FragmentMode {
  return node?.kind === 'text' && node.text.toLowerCase() === 'drop' ? 'drop' : 'track';
}

/** Whether a boot that finds no ruleset to load leaves everything open; other words are reported by the shape. */
export function readBootOpen(node: DocumentNode | undefined): boolean {
  return node?.kind === 'text' && node.text.toLowerCase() === 'open';
}

/** `flows: { max }`, where it is written; one out of range is reported by the shape. */
export function readMaxFlows(node: DocumentNode | undefined): number | undefined {
  const max = node?.kind === 'map' ? valueOf(node, 'max') : undefined;
  return max?.kind === 'text' && !isNothing(max) ? Number(max.text) : undefined;
}

/** The list of tier 2, ascending. */
export function readEthertypes(node: DocumentNode | undefined, context: Context): readonly number[] {
  if (node?.kind !== 'list') return DEFAULT_ETHERTYPES;
  const numbers = new Set<number>();
  for (const term of textsOf(node).map(termOf)) {
    const number = ethertypeOf(term.text);
    const handled = number === undefined ? undefined : HANDLED.get(number);
    if (number === undefined) {
      const guess = nearest(term.text, Object.keys(ETHERTYPE_NAMES));
      const hint =
        guess === undefined ? 'write lldp, lacp, 802.1x, ptp … or 0x0600 to 0xffff' : `did you mean ${guess}?`;
      context.sink(at(term, refuse('parse/ethertype', `${quote(term.text)} is not an ethertype`, hint)));
    } else if (handled !== undefined) {
      context.sink(
        at(term, refuse('parse/ethertype', `${quote(term.text)} has no place here: ${handled}`, 'take it out')),
      );
    } else numbers.add(number);
  }
  if (numbers.size > MAX_ETHERTYPES) {
    const message = `${numbers.size} ethertypes, at most ${MAX_ETHERTYPES} can pass`;
    context.sink(at(placeOf(context, node), refuse('parse/ethertype', message)));
  }
  return [...numbers].sort((a, b) => a - b);
}

function ethertypeOf(text: string): number | undefined {
  const word = text.toLowerCase();
  if (Object.hasOwn(ETHERTYPE_NAMES, word)) return ETHERTYPE_NAMES[word];
  const number = /^0x[0-9a-f]{1,4}$/.test(word) || /^[1-9][0-9]{3,4}$/.test(word) ? Number(word) : NaN;
  return number >= 0x0600 && number <= 0xffff ? number : undefined;
}

/** What the UDP switch of a section is set to; undefined where it is left out. */
export function readUdp(section: MapNode): boolean | undefined {
  const udp = valueOf(section, 'udp');
  return udp?.kind === 'text' ? parseSwitch(udp.text) : undefined;
}
