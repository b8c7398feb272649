/** xdp-filter of xdp-tools: exact addresses, ports and MAC addresses, one policy. */
import { formatPrefix } from '../../../src/model/prefix';
import { must, run } from '../../support/process';
import type { Namespace } from '../../support/netns';
import { Generator } from '../measure/generator';
import type { Port } from '../measure/lab';
import type { BenchSet } from '../sets/bench-set';
import { NO_ROW } from '../sets/scan';
import type { Trace } from '../sets/trace';
import type { Peer, PeerMaker } from './peer';

/** One process an address, about 10 ms each. */
const LARGEST = 1000;

class XdpFilterPeer implements Peer {
  readonly name = 'xdp-filter';
  private loaded = false;

  constructor(
    private readonly namespace: Namespace,
    readonly port: Port,
  ) {}

  refuses(set: BenchSet): string | null {
    if (set.name !== 'hosts') return 'exact addresses only: see the set hosts';
    return set.size > LARGEST ? `one process an address, not tried above ${LARGEST}` : null;
  }

  async install(set: BenchSet): Promise<number> {
    const began = performance.now();
    if (this.loaded) await this.command('unload', this.port.link);
    this.loaded = false;
    await this.command('load', '-m', 'native', '-p', 'allow', '-f', `ipv${set.family}`, this.port.link);
    this.loaded = true;
    for (const prefix of set.list!) await this.command('ip', '-m', 'src', formatPrefix(prefix));
    return performance.now() - began;
  }

  /** It passes what it does not list, so the drops of a part of the trace are compared in sum. */
  async check(set: BenchSet, trace: Trace): Promise<{ checked: number; wrong: number }> {
    const generator = await Generator.open(trace.packets, { replay: false });
    try {
      const { sent, passed, lost } = await generator.send(this.port, trace.packets.count);
      const listed = set.list ? 0 : NO_ROW;
      let expected = 0;
      for (let i = 0; i < sent; i++) if (trace.rows[i % trace.packets.count] === listed) expected++;
      return { checked: sent, wrong: Math.abs(sent - lost - passed - expected) };
    } finally {
      generator.close();
    }
  }

  private async command(...words: readonly string[]): Promise<void> {
    const { status, stderr, stdout } = await run(this.namespace.argv(['xdp-filter', ...words]));
    if (status !== 0) throw new Error(`xdp-filter ${words[0]}: ${(stderr || stdout).trim().split('\n')[0]}`);
  }

  /** Its programs and maps stay pinned otherwise. */
  remove(): void {
    if (this.loaded) must(this.namespace.argv(['xdp-filter', 'unload', this.port.link]));
    this.loaded = false;
  }
}

export const makeXdpFilter: PeerMaker = async ({ lab }) => {
  const found = await run(['sh', '-c', 'command -v xdp-filter'], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  });
  if (found.status !== 0) return 'missing: apt-get install xdp-tools';
  const namespace = lab.namespace('bench-xdpf');
  const peer = new XdpFilterPeer(namespace, lab.port('xdpf', namespace));
  lab.beforeEnd(() => peer.remove());
  return peer;
};
