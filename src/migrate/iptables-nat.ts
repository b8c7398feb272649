/** The NAT table as `iptables-save -t nat` and `ip6tables-save -t nat` print it (iptables-save(8), iptables-extensions(8)). */
import type { Family } from '../model/prefix';
import { type Conditions, makeNatRule, readPorts, readPrefix, readProtocol, readTranslation } from './nat-match';
import type { NatRule, NatTable, UnreadNat } from './nat-rule';

/** Chains that one packet can go through, one inside another. */
const DEPTH_MAX = 16;

interface Line {
  readonly words: readonly string[];
  readonly text: string;
}

/** Reads every DNAT that packets from outside can meet. */
export function parseIptablesNat(text: string, family: Family): NatTable {
  const chains = readChains(text);
  const rules: NatRule[] = [];
  const unread: UnreadNat[] = [];
  const walk = (chain: string, above: Conditions, depth: number): void => {
    for (const line of chains.get(chain) ?? []) {
      const { conditions, jump, destination } = readLine(line, above);
      if (typeof conditions === 'string') {
        if (jump === 'DNAT' || chains.has(jump)) unread.push({ words: line.text, why: conditions });
      } else if (jump === 'DNAT') {
        const translation = readTranslation(destination, family);
        const rule = translation
          ? makeNatRule(conditions, translation, line.text)
          : `"${destination}" is not one address with a port`;
        if (typeof rule === 'string') unread.push({ words: line.text, why: rule });
        else rules.push(rule);
      } else if (chains.has(jump) && depth < DEPTH_MAX) walk(jump, conditions, depth + 1);
    }
  };
  walk('PREROUTING', {}, 0);
  return { rules, unread };
}

function readChains(text: string): Map<string, Line[]> {
  const chains = new Map<string, Line[]>();
  let isNat = true;
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) isNat = line.trim() === '*nat';
    const [, chain, rest] = (isNat && /^-A (\S+) ?(.*)$/.exec(line)) || [];
    if (chain === undefined) continue;
    const words = rest.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
    chains.set(chain, [...(chains.get(chain) ?? []), { words, text: line.trim() }]);
  }
  return chains;
}

/** What the line asks, or why that is not understood; which chain or target it leads to. */
function readLine(
  { words }: Line,
  above: Conditions,
): { conditions: Conditions | string; jump: string; destination: string } {
  let conditions: Conditions = above;
  let [problem, jump, destination] = ['', '', ''];
  for (let i = 0; i < words.length; i++) {
    const [word, value] = [words[i], words[i + 1] ?? ''];
    const negated = words[i - 1] === '!';
    const take = (added: Conditions): void => {
      // What is not for all of the rest only makes the rule narrower, but for addresses and ports.
      if (negated) problem ||= `"! ${word} ${value}" is not understood`;
      else conditions = { ...conditions, ...added };
      i++;
    };
    const list = <T>(read: (text: string) => T | undefined): T[] => {
      const items = value.split(',').map(read);
      if (items.some((item) => item === undefined)) problem ||= `"${word} ${value}" is not understood`;
      return items.filter((item) => item !== undefined);
    };
    if (word === '-d' || word === '--destination') take({ to: list(readPrefix) });
    else if (word === '-i' && !negated) take(value.endsWith('+') ? {} : { device: value });
    else if (word === '-p' || word === '--protocol') take({ protocols: list(readProtocol) });
    else if (word === '--dport' || word === '--dports') take({ ports: list(readPorts) });
    else if (word === '-j' || word === '-g') [jump, i] = [value, i + 1];
    else if (word === '--to-destination') [destination, i] = [value, i + 1];
  }
  return { conditions: problem === '' ? conditions : problem, jump, destination };
}
