/** Firewalls that sit in netfilter's PREROUTING hook, behind an XDP program that passes everything. */
import { formatPrefix, type Prefix } from '../../../src/model/prefix';
import { must, run } from '../../support/process';
import type { Namespace } from '../../support/netns';
import { Generator } from '../measure/generator';
import type { Port } from '../measure/lab';
import type { BenchSet } from '../sets/bench-set';
import { NO_ROW } from '../sets/scan';
import type { Trace } from '../sets/trace';
import { layersOf } from './layers';
import type { Peer, PeerMaker, PeerStand, Verdicts } from './peer';
import { iptablesRules, nftElements, nftRule } from './rule-texts';

const TIMEOUT_MS = 60_000;
/** Nanoseconds a check may take: linear peers are checked with fewer packets. */
const CHECK_NS = 3e9;
const MAX_LAYERS = 256;

/** Counts what the peer let through, and ends it: the peer's own hook comes earlier. */
const TALLY = `table inet tally {
  chain after {
    type filter hook prerouting priority 100; policy drop;
    counter
  }
}
`;

/** How a peer's rules are written and loaded. */
interface Language {
  readonly name: string;
  readonly tool: string;
  /** Another tool that it needs. */
  readonly also?: string;
  readonly debianPackage: string;
  readonly largest: number;
  /** Why it cannot say what the set says. */
  readonly refuses?: (set: BenchSet) => string | null;
  /** Commands with their input, in order. */
  readonly commands: (set: BenchSet, verdicts: Verdicts) => { argv: string[]; input: string }[];
}

/** The addresses of a list as an interval set of nft. */
function nftList(list: readonly Prefix[]): string {
  const type = list[0].family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  return `  set blocked { type ${type}; flags interval; auto-merge; elements = { ${list.map(formatPrefix).join(', ')} } }\n`;
}

function nftFile(sets: string, rules: readonly string[]): { argv: string[]; input: string }[] {
  const chain = `  chain filter {\n    type filter hook prerouting priority -300; policy drop;\n    ${rules.join('\n    ')}\n  }\n`;
  const input = `table inet peer\ndelete table inet peer\ntable inet peer {\n${sets}${chain}}\n`;
  return [{ argv: ['nft', '-f', '-'], input }];
}

function listRule(set: BenchSet): string[] {
  return set.list ? [`${set.family === 4 ? 'ip' : 'ip6'} saddr @blocked drop`] : [];
}

const NFT_LINEAR: Language = {
  name: 'nft',
  tool: 'nft',
  debianPackage: 'nftables',
  largest: 10_000,
  refuses: ({ list }) => (list ? 'a list is a set: see nft-maps' : null),
  commands: (set, verdicts) =>
    nftFile(
      '',
      set.rules.map((rule) => nftRule(rule, verdicts)),
    ),
};

const NFT_MAPS: Language = {
  name: 'nft-maps',
  tool: 'nft',
  debianPackage: 'nftables',
  largest: 10_000,
  refuses: ({ list, rules }) => {
    if (list) return null;
    const layers = layersOf(rules).length;
    return layers > MAX_LAYERS ? `overlaps need ${layers} maps in a row` : null;
  },
  commands: (set, verdicts) => {
    const ip = set.family === 4 ? 'ip' : 'ip6';
    if (set.list) {
      return nftFile(nftList(set.list), [...listRule(set), ...set.rules.map((rule) => nftRule(rule, verdicts))]);
    }
    const key = `${ip} saddr . ${ip} daddr . meta l4proto . th sport . th dport`;
    const layers = layersOf(set.rules);
    const maps = layers.map((rules, layer) => {
      const elements = rules.flatMap((rule) => nftElements(rule, verdicts)).join(',\n');
      return `  map l${layer} { typeof ${key} : verdict; flags interval; elements = { ${elements} } }\n`;
    });
    return nftFile(
      maps.join(''),
      layers.map((_, layer) => `${key} vmap @l${layer}`),
    );
  },
};

function restore(set: BenchSet, rules: readonly string[]): { argv: string[]; input: string } {
  const argv = [set.family === 4 ? 'iptables-legacy-restore' : 'ip6tables-legacy-restore'];
  return { argv, input: `*raw\n:PREROUTING DROP [0:0]\n${rules.join('\n')}\nCOMMIT\n` };
}

const IPTABLES: Language = {
  name: 'iptables-legacy',
  tool: 'iptables-legacy',
  debianPackage: 'iptables',
  largest: 100_000,
  refuses: ({ list }) => (list ? 'a list is a set: see ipset' : null),
  commands: (set, verdicts) => [
    restore(
      set,
      set.rules.flatMap((rule) => iptablesRules(rule, verdicts)),
    ),
  ],
};

const IPSET: Language = {
  name: 'ipset',
  tool: 'ipset',
  // A rule of iptables asks the set.
  also: 'iptables-legacy',
  debianPackage: 'ipset iptables',
  largest: 1_000_000,
  refuses: ({ list }) => (list ? null : 'has no ordered set of 5-tuples'),
  commands: (set, verdicts) => {
    const { list, family, rules } = set;
    const elements = list!.map((prefix) => `add blocked ${formatPrefix(prefix)}`).join('\n');
    const create = `create blocked hash:net family inet${family === 4 ? '' : '6'} hashsize 65536 maxelem 2000000`;
    const match = '-A PREROUTING -m set --match-set blocked src -j DROP';
    return [
      restore(set, []),
      { argv: ['ipset', 'destroy'], input: '' },
      { argv: ['ipset', 'restore'], input: `${create}\n${elements}\n` },
      restore(set, [match, ...rules.flatMap((rule) => iptablesRules(rule, verdicts))]),
    ];
  },
};

class NetfilterPeer implements Peer {
  readonly name: string;

  constructor(
    private readonly language: Language,
    private readonly namespace: Namespace,
    readonly port: Port,
  ) {
    this.name = language.name;
  }

  refuses(set: BenchSet): string | null {
    if (set.size > this.language.largest) return `not tried above ${this.language.largest}`;
    return this.language.refuses?.(set) ?? null;
  }

  async install(set: BenchSet, verdicts: Verdicts): Promise<number> {
    const commands = this.language.commands(set, verdicts);
    const began = performance.now();
    for (const { argv, input } of commands) {
      const { status, stderr } = await run(this.namespace.argv(argv), { input, timeout: TIMEOUT_MS });
      if (status === 137) throw new Error(`${argv[0]} does not end in ${TIMEOUT_MS / 1000} s`);
      if (status !== 0) throw new Error(`${argv[0]}: ${stderr.trim().split('\n')[0]}`);
    }
    return performance.now() - began;
  }

  /** The peer has no answer a packet, so what it lets through of a part of the trace is compared in sum. */
  async check(set: BenchSet, trace: Trace, packetNs: number): Promise<{ checked: number; wrong: number }> {
    await this.install(set, 'mixed');
    must(this.namespace.argv(['nft', '-f', '-']), { input: `table inet tally\ndelete table inet tally\n${TALLY}` });
    const generator = await Generator.open(trace.packets, { replay: false });
    try {
      const { sent } = await generator.send(this.port, Math.min(trace.packets.count, Math.ceil(CHECK_NS / packetNs)));
      const text = must(this.namespace.argv(['nft', 'list', 'table', 'inet', 'tally']));
      const passed = Number(/counter packets (\d+)/.exec(text)?.[1] ?? NaN);
      let expected = 0;
      for (let i = 0; i < sent; i++) if (allows(set, trace.rows[i % trace.packets.count])) expected++;
      return { checked: sent, wrong: Math.abs(passed - expected) };
    } finally {
      generator.close();
      must(this.namespace.argv(['nft', 'delete', 'table', 'inet', 'tally']));
    }
  }
}

function allows(set: BenchSet, row: number): boolean {
  if (row === NO_ROW || (set.list && row === 0)) return false;
  return set.rules[set.list ? row - 1 : row].action === 'allow';
}

function maker(language: Language): PeerMaker {
  return async ({ lab, pass }: PeerStand): Promise<Peer | string> => {
    const found = await run(
      ['sh', '-c', `command -v ${language.tool} && command -v ${language.also ?? language.tool}`],
      {
        env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
      },
    );
    if (found.status !== 0) return `missing: apt-get install ${language.debianPackage}`;
    const namespace = lab.namespace(`bench-${language.name}`);
    const port = lab.port(language.name.slice(0, 10), namespace);
    await lab.attach(port, pass);
    return new NetfilterPeer(language, namespace, port);
  };
}

export const NETFILTER_PEERS: Readonly<Record<string, PeerMaker>> = Object.fromEntries(
  [NFT_LINEAR, NFT_MAPS, IPTABLES, IPSET].map((language) => [language.name, maker(language)]),
);
