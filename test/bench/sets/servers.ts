/** Servers behind one NIC, eight on an address, each with rows about its own hundred ports. */
import { formatAddress } from '../../../src/model/prefix';
import type { Ruleset, Server } from '../../../src/model/ruleset';
import { PROTOCOL } from '../../../src/model/protocol';
import { type Bounds, type PlainRule, prefix4, ruleOf } from '../../support/generate/plain-rule';
import { Random } from '../../support/generate/random';

/** Rows of a server; and where there are as many servers as a ruleset can have. */
export const SERVER_ROWS = 50;
export const EDGE_ROWS = 25;
const SERVERS_OF_ADDRESS = 8;
const PORTS = 100;
/** 198.18.0.0/15 is for benchmarks (RFC 2544). */
const ADDRESSES = 0xc6120000;

/** What is asked for in all, one server's rows after the other's. */
export function serverRules(size: number, rowsOfEach: number, seed = 11): PlainRule[] {
  const random = new Random(seed);
  return Array.from({ length: size }, (_, row): PlainRule => {
    const server = Math.floor(row / rowsOfEach);
    const [first, last] = portsOf(server);
    const port = random.between(first, last);
    return {
      from: prefix4(random.word(), random.pick([16, 24, 24, 24, 24, 24, 32, 32, 32])),
      to: prefix4(ADDRESSES + Math.floor(server / SERVERS_OF_ADDRESS), 32),
      fromPorts: [1, 65535],
      toPorts: random.chance(0.1) ? [port, random.between(port, last)] : [port, port],
      protocol: random.chance(0.5) ? null : PROTOCOL.TCP,
      action: random.chance(0.7) ? 'allow' : 'deny',
    };
  });
}

/** The rows in sections of their own, where they deny, or do as they say. */
export function serversOf(rules: readonly PlainRule[], rowsOfEach: number): NonNullable<Ruleset['servers']> {
  return Array.from({ length: Math.ceil(rules.length / rowsOfEach) }, (_, number): Server => {
    const first = number * rowsOfEach;
    const [from, to] = portsOf(number);
    return {
      ...{ name: nameOf(number), default: 'deny', addresses: [rules[first].to], ports: [{ first: from, last: to }] },
      rules: rules.slice(first, first + rowsOfEach).map((rule, i) => ruleOf(rule, first + i)),
      source: { file: 'bench.yaml', line: 1, column: 1, offset: 0, length: 0 },
    };
  });
}

/** Names ascend with the numbers. */
export function nameOf(server: number): string {
  return `s${String(server).padStart(4, '0')}`;
}

function portsOf(server: number): Bounds {
  const first = 14_000 + (server % SERVERS_OF_ADDRESS) * PORTS;
  return [first, first + PORTS - 1];
}

/** The servers of a ruleset file. */
export function serversText(
  rules: readonly PlainRule[],
  rowsOfEach: number,
  rowText: (rule: PlainRule, index: number) => string,
): string {
  const servers = serversOf(rules, rowsOfEach).map(({ name, addresses: [{ words, family }], ports = [] }, number) => {
    const first = number * rowsOfEach;
    const rows = rules.slice(first, first + rowsOfEach).map((rule, i) => `      - ${rowText(rule, first + i)}`);
    const head = `    address: "${formatAddress(family, words)}"\n    ports: ${ports[0].first}-${ports[0].last}\n    udp: on`;
    return `  ${name}:\n${head}\n    rules:\n${rows.join('\n')}\n`;
  });
  return `servers:\n${servers.join('')}`;
}
