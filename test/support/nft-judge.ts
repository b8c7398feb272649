/**
 * nftables as an independent judge: the same rows as an nft ruleset with a named counter each, at the ingress hook of
 * a veth, the first hook a frame meets. It knows nothing of tiers 1–5, so it gets plain packets only.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ANY, type AddressMatch, type Match, type PortMatch } from '../../src/model/match';
import { type Family, formatPrefix, prefixCovers } from '../../src/model/prefix';
import { PORT_PROTOCOLS, PROTOCOL } from '../../src/model/protocol';
import type { Ruleset } from '../../src/model/ruleset';
import { compileHost } from './compile-c';
import type { FrameBatch } from './generate/frame-batch';
import { joinByVeth, Namespace } from './netns';
import { must } from './process';

const LINK = 'judge';
/** Before every counter's name, since `all` and `default` are words of nft. */
const PREFIX = 'row-';
/** Source MAC of generated frames; everything else on the link is none of ours. */
const SENDER_MAC = '02:00:5e:00:53:01';
/** Not the destination of generated frames: behind the hook the stack takes no notice of them. */
const JUDGE_MAC = '02:00:5e:00:53:0f';

/** The UDP switch, rows, SSH row and default of the inbound section as an nft script for the netdev family. */
export function nftScript(ruleset: Ruleset): string {
  const { rules, ssh, udp, default: otherwise } = ruleset.inbound;
  const verdict = (action: string): string => (action === 'allow' ? 'accept' : 'drop');
  const counted = (lines: readonly string[], name: string, action: string): string[] =>
    lines.map((line) => `${line} counter name "${PREFIX}${name}" ${verdict(action)}`);
  const rows = rules.filter(({ enabled }) => enabled);
  const sshPorts = ssh && (ssh.from === 'anyone' || otherwise === 'allow') ? ssh.ports : [];
  return [
    'table netdev judge {',
    ...['all', 'udp-off', ...rows.map(({ id }) => id), 'ssh', 'default'].map((name) => `counter ${PREFIX}${name} { }`),
    'chain ingress {',
    `type filter hook ingress device "${LINK}" priority 0; policy accept;`,
    `ether saddr != ${SENDER_MAC} drop`,
    `counter name "${PREFIX}all"`,
    ...(udp === 'off' ? counted(['meta l4proto 17'], 'udp-off', 'deny') : []),
    ...rows.flatMap(({ id, action, match }) => counted(conditions(match), id, action)),
    ...(sshPorts.length > 0
      ? counted(
          [`meta l4proto 6 th dport { ${sshPorts.join(', ')} }`],
          'ssh',
          ssh?.from === 'anyone' ? 'allow' : 'deny',
        )
      : []),
    ...counted([''], 'default', otherwise),
    '}',
    '}',
  ].join('\n');
}

/** A line for each family and ICMP type in which the match can hold; none where it never does. */
function conditions(match: Match): string[] {
  return ([4, 6] as const).flatMap((family) => {
    if (match.family !== ANY && match.family !== family) return [];
    const source = addresses(match.from, family, 'saddr');
    const destination = addresses(match.to, family, 'daddr');
    const services = service(match, family);
    if (source === null || destination === null) return [];
    const network = [`meta protocol ${family === 4 ? 'ip' : 'ip6'}`, source, destination];
    return services.map((line) => [...network, line].filter(Boolean).join(' '));
  });
}

/** The condition, '' for any address, or null where no address of the family is named. */
function addresses(match: AddressMatch, family: Family, side: 'saddr' | 'daddr'): string | null {
  if (match === ANY) return '';
  const own = match.filter((prefix) => prefix.family === family);
  if (own.length === 0) return null;
  if (own.some(({ length }) => length === 0)) return '';
  // nft refuses a set whose elements overlap: of two nested prefixes, or two equal ones, the first wide one is enough.
  const widest = own.filter(
    (prefix, i) => !own.some((other, j) => prefixCovers(other, prefix) && (other.length < prefix.length || j < i)),
  );
  return `${family === 4 ? 'ip' : 'ip6'} ${side} { ${widest.map(formatPrefix).join(', ')} }`;
}

/** Protocol, ports and ICMP type: alternatives, of which none is empty text for "any". */
function service({ protocols, fromPorts, toPorts, icmpTypes }: Match, family: Family): string[] {
  const needsPorts = fromPorts !== ANY || toPorts !== ANY;
  if (icmpTypes !== ANY) {
    const own = family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6;
    if (protocols === ANY || !protocols.includes(own) || needsPorts) return [];
    const name = family === 4 ? 'icmp' : 'icmpv6';
    return icmpTypes.map(({ type, code }) =>
      [`meta l4proto ${own} ${name} type ${type}`, code === undefined ? '' : `${name} code ${code}`].join(' '),
    );
  }
  const named = protocols === ANY && needsPorts ? [...PORT_PROTOCOLS.keys()] : protocols;
  if (named === ANY) return [''];
  const able = needsPorts ? named.filter((protocol) => PORT_PROTOCOLS.has(protocol)) : named;
  if (able.length === 0) return [];
  const lanes = [ports(fromPorts, 'sport'), ports(toPorts, 'dport')];
  return [[`meta l4proto { ${able.join(', ')} }`, ...lanes].join(' ')];
}

function ports(match: PortMatch, side: 'sport' | 'dport'): string {
  if (match === ANY) return '';
  const sorted = [...match].sort((a, b) => a.first - b.first);
  const apart: { first: number; last: number }[] = [];
  for (const { first, last } of sorted) {
    const before = apart.at(-1);
    if (before && first <= before.last) before.last = Math.max(before.last, last);
    else apart.push({ first, last });
  }
  return `th ${side} { ${apart.map(({ first, last }) => (first === last ? first : `${first}-${last}`)).join(', ')} }`;
}

/** A veth pair whose far end has the judge at its ingress hook. */
export class NftJudge {
  private constructor(
    private readonly sender: Namespace,
    private readonly judge: Namespace,
  ) {}

  static create(name: string): NftJudge {
    const sender = Namespace.create(`${name}-sender`);
    const judge = Namespace.create(`${name}-judge`);
    joinByVeth(
      { namespace: sender, name: 'out', mac: SENDER_MAC, addresses: [] },
      { namespace: judge, name: LINK, mac: JUDGE_MAC, addresses: [] },
    );
    return new NftJudge(sender, judge);
  }

  /** Replaces the ruleset; counters begin at 0. */
  install(ruleset: Ruleset): void {
    // `destroy` is newer than Debian 12: make the table, so that it can be deleted.
    const input = `table netdev judge\ndelete table netdev judge\n${nftScript(ruleset)}\n`;
    must(this.judge.argv(['nft', '-f', '-']), { input });
  }

  /** Sends every frame through the veth and returns packets by row: rule ids, `udp-off`, `ssh`, `default`. */
  async count(batch: FrameBatch): Promise<Map<string, number>> {
    const helper = compileHost(join(__dirname, 'send-frames.c'));
    const { status, stdout, stderr } = await this.sender.run([helper, 'out'], { input: prefixed(batch) });
    if (status !== 0 || Number(stdout) !== batch.count) throw new Error(`send-frames: ${stdout} ${stderr}`);
    const deadline = Date.now() + 60_000;
    for (;;) {
      const counters = this.counters();
      if (counters.get('all') === batch.count) {
        counters.delete('all');
        return counters;
      }
      if (Date.now() > deadline) throw new Error(`nft saw ${counters.get('all')} of ${batch.count} frames`);
      await sleep(20);
    }
  }

  private counters(): Map<string, number> {
    const text = must(this.judge.argv(['nft', '-j', 'list', 'counters', 'table', 'netdev', 'judge']));
    const { nftables } = JSON.parse(text) as { nftables: { counter?: { name: string; packets: number } }[] };
    return new Map(
      nftables.flatMap(({ counter }) =>
        counter ? [[counter.name.slice(PREFIX.length), counter.packets] as const] : [],
      ),
    );
  }

  destroy(): void {
    this.sender.destroy();
    this.judge.destroy();
  }
}

/** Each frame behind its length, as send-frames.c reads them. */
function prefixed(batch: FrameBatch): Uint8Array {
  const whole = Buffer.alloc(batch.frames.length + 4 * batch.count);
  let at = 0;
  for (let i = 0; i < batch.count; i++) {
    const frame = batch.frame(i);
    at = whole.writeUInt32LE(frame.length, at);
    whole.set(frame, at);
    at += frame.length;
  }
  return whole;
}
