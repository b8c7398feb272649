/** Plain rules in the languages of nft and iptables. */
import { addressBits, formatAddress, formatPrefix, lastAddress, type Prefix } from '../../../src/model/prefix';
import { isAllPorts, type PlainRule, protocolsOf } from '../../support/generate/plain-rule';
import type { Verdicts } from './peer';

function verdictOf(rule: PlainRule, verdicts: Verdicts): 'accept' | 'drop' {
  return verdicts === 'mixed' && rule.action === 'allow' ? 'accept' : 'drop';
}

/** One nft rule. */
export function nftRule(rule: PlainRule, verdicts: Verdicts): string {
  const { from, to, fromPorts, toPorts } = rule;
  const ip = from.family === 4 ? 'ip' : 'ip6';
  const protocols = protocolsOf(rule);
  const words: string[] = [];
  if (from.length > 0) words.push(`${ip} saddr ${formatPrefix(from)}`);
  if (to.length > 0) words.push(`${ip} daddr ${formatPrefix(to)}`);
  if (protocols) words.push(`meta l4proto ${protocols.length === 1 ? protocols[0] : `{ ${protocols.join(', ')} }`}`);
  if (!isAllPorts(fromPorts)) words.push(`th sport ${nftRange(fromPorts)}`);
  if (!isAllPorts(toPorts)) words.push(`th dport ${nftRange(toPorts)}`);
  return [...words, verdictOf(rule, verdicts)].join(' ');
}

/** Elements of a concatenated verdict map `saddr . daddr . l4proto . sport . dport`. */
export function nftElements(rule: PlainRule, verdicts: Verdicts): string[] {
  const ports = (bounds: PlainRule['toPorts']): string => (isAllPorts(bounds) ? '0-65535' : nftRange(bounds));
  const protocols = protocolsOf(rule) ?? ['0-255'];
  return protocols.map(
    (protocol) =>
      `${nftAddresses(rule.from)} . ${nftAddresses(rule.to)} . ${protocol} . ${ports(rule.fromPorts)} . ` +
      `${ports(rule.toPorts)} : ${verdictOf(rule, verdicts)}`,
  );
}

function nftRange([first, last]: PlainRule['toPorts']): string {
  return first === last ? String(first) : `${first}-${last}`;
}

/** A prefix, or everything as a range: /0 is none of the forms a concatenation takes. */
function nftAddresses(prefix: Prefix): string {
  if (prefix.length > 0) return formatPrefix(prefix);
  const { family, words } = prefix;
  return `${formatAddress(family, words)}-${formatAddress(family, lastAddress(prefix))}`;
}

/** Rules of iptables-restore: one a protocol. */
export function iptablesRules(rule: PlainRule, verdicts: Verdicts): string[] {
  const { from, to, fromPorts, toPorts } = rule;
  const target = verdictOf(rule, verdicts).toUpperCase();
  const words = ['-A PREROUTING'];
  if (from.length > 0) words.push(`-s ${cidr(from)}`);
  if (to.length > 0) words.push(`-d ${cidr(to)}`);
  const protocols = protocolsOf(rule);
  if (!protocols) return [[...words, `-j ${target}`].join(' ')];
  return protocols.map((protocol) => {
    const ports: string[] = [];
    if (!isAllPorts(fromPorts) || !isAllPorts(toPorts)) ports.push(protocol === 6 ? '-m tcp' : '-m udp');
    if (!isAllPorts(fromPorts)) ports.push(`--sport ${fromPorts.join(':')}`);
    if (!isAllPorts(toPorts)) ports.push(`--dport ${toPorts.join(':')}`);
    return [...words, `-p ${protocol}`, ...ports, `-j ${target}`].join(' ');
  });
}

function cidr({ family, words, length }: Prefix): string {
  return `${formatAddress(family, words)}/${Math.min(length, addressBits(family))}`;
}
