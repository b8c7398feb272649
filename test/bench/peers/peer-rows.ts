/** Rows of other firewalls, measured in the same way beside the same floor. */
import { Generator } from '../measure/generator';
import { measureRounds } from '../measure/rounds';
import { lossNote, packetFigures } from '../product-rows';
import { type Row, rowOf } from '../row';
import type { BenchSet } from '../sets/bench-set';
import type { Trace } from '../sets/trace';
import { makeWitness } from './lpm-witness';
import { NETFILTER_PEERS } from './netfilter';
import type { Peer, PeerMaker, PeerStand } from './peer';
import { makeXdpFilter } from './xdp-filter';

const MAKERS: Readonly<Record<string, PeerMaker>> = {
  'kernel-lpm': makeWitness,
  ...NETFILTER_PEERS,
  'xdp-filter': makeXdpFilter,
};

/** The peers of one run; each is made when it is first asked, and stays. */
export class Peers {
  private readonly made = new Map<string, Peer | string>();

  constructor(private readonly stand: PeerStand) {}

  /** One row a peer and traffic; a peer that is missing or cannot hold the set says so in its row. */
  async rows(set: BenchSet, traces: Readonly<Record<'hit' | 'miss', Trace | null>>, rounds: number): Promise<Row[]> {
    const rows: Row[] = [];
    for (const name of Object.keys(MAKERS)) {
      const common = { subject: name, set: set.name, family: set.family, rules: set.size };
      try {
        const peer = await this.peer(name);
        const reason = typeof peer === 'string' ? peer : peer.refuses(set);
        if (typeof peer === 'string' || reason !== null) rows.push(rowOf({ ...common, note: `skipped: ${reason}` }));
        else rows.push(...(await this.measure(peer, set, traces, rounds)));
      } catch (error) {
        rows.push(rowOf({ ...common, note: `failed: ${(error as Error).message.split('\n')[0]}` }));
      }
    }
    return rows;
  }

  /** Which peers are not there, and what installs them; null where all are. */
  async missing(): Promise<string | null> {
    const names: string[] = [];
    const packages = new Set<string>();
    for (const name of Object.keys(MAKERS)) {
      const peer = await this.peer(name);
      if (typeof peer !== 'string') continue;
      names.push(name);
      for (const word of peer.replace(/^.*apt-get install /, '').split(' ')) packages.add(word);
    }
    return names.length === 0 ? null : `left out: ${names.join(', ')} (apt-get install ${[...packages].join(' ')})`;
  }

  private async peer(name: string): Promise<Peer | string> {
    let peer = this.made.get(name);
    if (peer === undefined) this.made.set(name, (peer = await MAKERS[name](this.stand)));
    return peer;
  }

  private async measure(
    peer: Peer,
    set: BenchSet,
    traces: Readonly<Record<'hit' | 'miss', Trace | null>>,
    rounds: number,
  ): Promise<Row[]> {
    const rows: Row[] = [];
    for (const traffic of ['hit', 'miss'] as const) {
      const trace = traces[traffic];
      if (!trace) continue;
      const loadMs = await peer.install(set, 'deny');
      const generator = await Generator.open(trace.packets, { replay: false });
      try {
        const { drop } = this.stand;
        const subjects = [drop, peer.port].map((port) => (count: number) => generator.send(port, count));
        const measured = await measureRounds(subjects, rounds);
        const answers = await peer.check(set, trace, measured.ns[1]);
        rows.push(
          rowOf({
            subject: peer.name,
            set: set.name,
            family: set.family,
            rules: set.size,
            ...packetFigures(measured, 1),
            ...answers,
            traffic,
            mode: 'native',
            load_ms: loadMs,
            note: lossNote(measured) ?? '',
          }),
        );
      } finally {
        generator.close();
      }
    }
    return rows;
  }
}
