/**
 * Address text → prefix. The only file that knows ipaddr.js. Spellings that two readers understand
 * differently are refused with the meaning they most likely have, never guessed.
 */
import ipaddr from 'ipaddr.js';
import { clearHostBits, formatAddress, formatPrefix, maskWord, type Family, type Prefix } from '../model/prefix';
import { type Problem, quote, refuse, warn } from './finding';

/** A prefix, with a warning where the text had host bits; or why it is none. */
export type AddressReading =
  | { readonly kind: 'prefix'; readonly prefix: Prefix; readonly warning?: Problem }
  | { readonly kind: 'refused'; readonly problem: Problem };

const refused = (problem: Problem): AddressReading => ({ kind: 'refused', problem });

const DOTTED = /^[0-9]+(?:\.[0-9]+){3}$/;

/** Reads one address or prefix: `192.0.2.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `2001:db8::/32`. */
export function parseAddressText(text: string): AddressReading {
  const usual = readUsualIpv4(text);
  if (usual) return { kind: 'prefix', prefix: usual };
  if (text === '')
    return refused(refuse('parse/address', 'an address is missing', 'write an address, a prefix or any'));
  if (text.includes('%')) {
    const bare = text.replace(/%[^/]*/, '');
    const message = `${quote(text)} has a zone id: it names an interface of one machine and is not in the packet`;
    return refused(refuse('parse/zone-id', message, `write ${bare}`));
  }
  const range = /^([0-9a-f.:]+)\s*-\s*([0-9a-f.:]+)$/i.exec(text);
  if (range) return refused(refuseRange(text, range[1], range[2]));
  const bracket = /^\[([^\]]*)\](.*)$/.exec(text);
  if (bracket) {
    const hint = `write ${bracket[1]} without brackets${bracket[2] ? ', and the port behind the word port' : ''}`;
    return refused(refuse('parse/address', `${quote(text)}: brackets belong to URLs, not to addresses`, hint));
  }
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const lengthText = slash < 0 ? null : text.slice(slash + 1);
  return address.includes(':') ? readIpv6(text, address, lengthText) : readIpv4(text, address, lengthText);
}

/**
 * `a.b.c.d` or `a.b.c.d/n` in canonical form, as nearly all of a hundred thousand rows have it; undefined for any other
 * text, which is read with care.
 */
export function readUsualIpv4(text: string): Prefix | undefined {
  let i = 0;
  let word = 0;
  for (let octet = 0; octet < 4; octet++) {
    const first = i;
    let value = 0;
    for (let c = text.charCodeAt(i); c >= 0x30 && c <= 0x39 && i - first < 3; c = text.charCodeAt(++i))
      value = value * 10 + c - 0x30;
    if (i === first || value > 255 || (i - first > 1 && text.charCodeAt(first) === 0x30)) return undefined;
    word = word * 256 + value;
    if (octet < 3 && text.charCodeAt(i++) !== 0x2e) return undefined;
  }
  let length = 32;
  if (i < text.length) {
    if (text.charCodeAt(i++) !== 0x2f) return undefined;
    const first = i;
    length = 0;
    for (let c = text.charCodeAt(i); c >= 0x30 && c <= 0x39 && i - first < 2; c = text.charCodeAt(++i))
      length = length * 10 + c - 0x30;
    if (i === first || i < text.length || length > 32 || (i - first > 1 && text.charCodeAt(first) === 0x30))
      return undefined;
  }
  return (word & ~maskWord(length, 0)) === 0 ? { family: 4, words: [word], length } : undefined;
}

function readIpv4(text: string, address: string, lengthText: string | null): AddressReading {
  if (!DOTTED.test(address)) return refused(refuseIpv4Shape(text, address, lengthText));
  const octets = address.split('.');
  if (octets.some((octet) => octet.length > 1 && octet.startsWith('0'))) {
    const decimal = octets.map((octet) => String(Number(octet))).join('.');
    const octal = octets.map((octet) => (octet.startsWith('0') ? parseInt(octet, 8) : Number(octet)));
    const other = octal.every((n) => n <= 255) ? octal.join('.') : null;
    const also = other !== null && other !== decimal ? `; a reader that takes it for octal sees ${other}` : '';
    const message = `${quote(text)} has a leading zero: some programs read it as octal`;
    return refused(refuse('parse/octal-address', message, `write ${decimal}${suffix(lengthText)}${also}`));
  }
  if (octets.some((octet) => octet.length > 3 || Number(octet) > 255)) {
    const wrong = octets.find((octet) => octet.length > 3 || Number(octet) > 255)!;
    return refused(refuse('parse/address', `${quote(text)}: ${quote(wrong)} is not a number from 0 to 255`));
  }
  const word = octets.reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const length = lengthText === null ? 32 : readIpv4Length(text, lengthText);
  if (typeof length !== 'number') return refused(length);
  return withHostBits(text, { family: 4, words: [word], length });
}

function readIpv4Length(text: string, lengthText: string): number | Problem {
  if (!lengthText.includes('.')) return readLength(text, lengthText, 4);
  const mask = DOTTED.test(lengthText) ? lengthText.split('.').map(Number) : [];
  if (mask.length !== 4 || mask.some((octet) => octet > 255)) {
    return refuse(
      'parse/netmask',
      `${quote(text)}: ${quote(lengthText)} is not a netmask`,
      'write a prefix length, /24',
    );
  }
  const word = mask.reduce((sum, octet) => sum * 256 + octet, 0);
  const length = lengthOfMask(word);
  if (length !== null) return length;
  const inverse = lengthOfMask(~word >>> 0);
  const message = `${quote(text)}: the ones of the netmask ${quote(lengthText)} are not all at its front`;
  return refuse('parse/netmask', message, inverse === null ? undefined : `as a wildcard mask that is /${inverse}`);
}

function lengthOfMask(word: number): number | null {
  const length = Math.clz32(~word >>> 0);
  return maskWord(length, 0) === word ? length : null;
}

function readLength(text: string, lengthText: string, family: Family): number | Problem {
  const bits = family === 4 ? 32 : 128;
  if (!/^[0-9]+$/.test(lengthText)) {
    const message = `${quote(text)}: ${quote(lengthText)} is not a prefix length`;
    return refuse('parse/prefix-length', message, `write a number from 0 to ${bits} behind the slash`);
  }
  const length = Number(lengthText);
  if (length > bits) {
    const message = `${quote(text)}: IPv${family} prefix lengths go from 0 to ${bits}`;
    return refuse('parse/prefix-length', message, `write /${bits} for one address, a smaller number for its network`);
  }
  if (lengthText.length > 1 && lengthText.startsWith('0')) {
    return refuse('parse/prefix-length', `${quote(text)}: the prefix length has a leading zero`, `write /${length}`);
  }
  return length;
}

/** Says what the text most likely meant; it is neither dotted decimal nor IPv6. */
function refuseIpv4Shape(text: string, address: string, lengthText: string | null): Problem {
  if (/^0x[0-9a-f]+$/i.test(address) || /^(?:0x[0-9a-f]+|[0-9]+)(?:\.(?:0x[0-9a-f]+|[0-9]+)){1,3}$/i.test(address)) {
    const parts = address.split('.').map(Number);
    if (/x/i.test(address)) {
      const meant = ipaddr.IPv4.isValid(address) ? ipaddr.IPv4.parse(address).toString() : null;
      const hint = meant === null ? undefined : `write ${meant}${suffix(lengthText)}`;
      return refuse('parse/short-address', `${quote(text)} is written in hexadecimal, addresses are decimal`, hint);
    }
    const network = [...parts, 0, 0, 0].slice(0, 4).join('.');
    const padded = [...parts.slice(0, -1), ...Array<number>(4 - parts.length).fill(0), parts[parts.length - 1]].join(
      '.',
    );
    const message = `${quote(text)} has ${parts.length} of 4 numbers`;
    const hint = `write ${network}/${lengthText ?? 8 * parts.length} for the network, or ${padded} for the address`;
    return refuse('parse/short-address', message, hint);
  }
  if (/^[0-9]+$/.test(address)) {
    const number = Number(address);
    const hint =
      number > 0xffff && number <= 0xffffffff ? `as one number that is ${formatAddress(4, [number])}` : undefined;
    return refuse('parse/short-address', `${quote(text)} is a number, not an address`, hint);
  }
  if (/^[0-9.]+$/.test(address)) {
    return refuse(
      'parse/address',
      `${quote(text)} is not an IPv4 address`,
      'four numbers from 0 to 255 with a dot between',
    );
  }
  if (/^[a-z0-9-]+(\.[a-z0-9-]+)+\.?$/i.test(address)) {
    const message = `${quote(text)} is a host name: names are not looked up, since their answer may change or lie`;
    return refuse('parse/address', message, 'write the address, or a set under sets:');
  }
  const message = `${quote(text)} is not an address, a prefix or the name of a set`;
  if (/^me$/i.test(text))
    return refuse('parse/address', message, 'only verbs know who you are: sluice allow from me …');
  return refuse('parse/address', message);
}

function readIpv6(text: string, address: string, lengthText: string | null): AddressReading {
  const groups = address.replace('::', ':x:').split(':');
  const shape = /^[0-9a-f:]+(?:[0-9]+(?:\.[0-9]+){3})?$/i.test(address) && groups.every((group) => group.length <= 15);
  if (!shape || !ipaddr.IPv6.isValid(address)) return refused(refuseIpv6Shape(text, address));
  const { parts } = ipaddr.IPv6.parse(address);
  const words = [0, 2, 4, 6].map((i) => ((parts[i] << 16) | parts[i + 1]) >>> 0);
  const length = lengthText === null ? 128 : readLength(text, lengthText, 6);
  if (typeof length !== 'number') return refused(length);
  const embedded = formatAddress(4, [words[3]]);
  if (words[0] === 0 && words[1] === 0 && words[2] === 0xffff && length >= 96) {
    const hint = `write ${embedded}${length === 128 ? '' : `/${length - 96}`}`;
    const message = `${quote(text)} is an IPv4 address inside IPv6: such packets are IPv4 on the wire`;
    return refused(refuse('parse/mapped-address', message, hint));
  }
  if (address.includes('.')) {
    const tail = address.slice(address.lastIndexOf(':') + 1);
    if (tail !== embedded)
      return refused(refuse('parse/octal-address', `${quote(text)} has a leading zero`, `write ${embedded}`));
    if (words[0] === 0 && words[1] === 0 && words[2] === 0) {
      const message = `${quote(text)} is an IPv4-compatible IPv6 address, a form that was given up`;
      return refused(refuse('parse/mapped-address', message, `write ${embedded}`));
    }
  }
  return withHostBits(text, { family: 6, words, length });
}

function refuseIpv6Shape(text: string, address: string): Problem {
  const withPort = /^([0-9]+(?:\.[0-9]+){3}):([0-9]+)$/.exec(address);
  if (withPort) {
    return refuse(
      'parse/address',
      `${quote(text)} is an address and a port`,
      `write ${withPort[1]} … port ${withPort[2]}`,
    );
  }
  const message = `${quote(text)} is not an IPv6 address`;
  if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(address)) {
    return refuse('parse/address', `${message}, it looks like a MAC address`, 'rules see IP addresses only');
  }
  return refuse('parse/address', message, 'eight groups of hexadecimal digits, one run of zeros may be ::');
}

function withHostBits(text: string, raw: Prefix): AddressReading {
  const prefix = clearHostBits(raw);
  if (prefix.words.every((word, i) => word === raw.words[i])) return { kind: 'prefix', prefix };
  const message = `${quote(text)} has bits behind its prefix length; the network is ${formatPrefix(prefix)}`;
  const host = formatAddress(raw.family, raw.words);
  const hint = `write ${formatPrefix(prefix)} for the network, or ${host} for the one address`;
  return { kind: 'prefix', prefix, warning: warn('parse/host-bits', message, hint) };
}

const PREFIXES_IN_HINT = 12;

function refuseRange(text: string, firstText: string, lastText: string): Problem {
  const message = `${quote(text)} is a range of addresses, expected prefixes`;
  const first = parseAddressText(firstText);
  const last = parseAddressText(lastText);
  if (first.kind === 'refused' || last.kind === 'refused') return refuse('parse/address-range', message);
  const { family } = first.prefix;
  if (family !== last.prefix.family)
    return refuse('parse/address-range', `${message}; its ends are of different families`);
  const low = toBigInt(first.prefix.words);
  const high = toBigInt(last.prefix.words);
  if (low > high) return refuse('parse/address-range', `${message}; its first address is above its last`);
  const prefixes = prefixesOfRange(family, low, high).map(formatPrefix);
  const shown = prefixes.slice(0, PREFIXES_IN_HINT).join(', ');
  const rest = prefixes.length > PREFIXES_IN_HINT ? ` and ${prefixes.length - PREFIXES_IN_HINT} more` : '';
  return refuse('parse/address-range', message, `write ${shown}${rest}`);
}

function toBigInt(words: readonly number[]): bigint {
  return words.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
}

/** The fewest prefixes that hold exactly the addresses from `low` to `high`. */
function prefixesOfRange(family: Family, low: bigint, high: bigint): Prefix[] {
  const bits = family === 4 ? 32 : 128;
  const prefixes: Prefix[] = [];
  for (let start = low; start <= high;) {
    let free = 0;
    while (free < bits && (start & ((2n << BigInt(free)) - 1n)) === 0n && start + (2n << BigInt(free)) - 1n <= high)
      free++;
    const words = Array.from({ length: bits / 32 }, (_, i) =>
      Number((start >> BigInt(bits - 32 - 32 * i)) & 0xffffffffn),
    );
    prefixes.push({ family, words, length: bits - free });
    start += 1n << BigInt(free);
  }
  return prefixes;
}

function suffix(lengthText: string | null): string {
  return lengthText === null ? '' : `/${lengthText}`;
}
