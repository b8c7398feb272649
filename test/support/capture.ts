/** Frames as seen by an independent observer on a link: tcpdump into a file, read with our own reader. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CapturedFrame, readCapture } from '../../src/observe/pcap';
import type { Namespace } from './netns';
import type { Background } from './process';

export class LinkCapture {
  readonly #tcpdump: Background;
  readonly #directory: string;
  readonly #file: string;

  private constructor(tcpdump: Background, directory: string, file: string) {
    this.#tcpdump = tcpdump;
    this.#directory = directory;
    this.#file = file;
  }

  /**
   * Starts capturing on a link of a namespace; resolves once frames are seen. `direction` is from that link's point of
   * view: on the router's `to-edge`, `out` is what goes to edge. `filter` is a pcap filter.
   */
  static async start(
    namespace: Namespace,
    link: string,
    options: { direction?: 'in' | 'out' | 'inout'; filter?: string } = {},
  ): Promise<LinkCapture> {
    const directory = mkdtempSync(join(tmpdir(), 'slc-capture-'));
    const file = join(directory, 'frames.pcap');
    const { direction = 'inout', filter = '' } = options;
    const tcpdump = namespace.start([
      'tcpdump',
      ...['-i', link, '-Q', direction, '-w', file, '-U', '--immediate-mode', '-B', '16384', '-n', '-Z', 'root'],
      ...(filter === '' ? [] : [filter]),
    ]);
    await tcpdump.waitFor(/listening on/);
    return new LinkCapture(tcpdump, directory, file);
  }

  /** Stops and returns all frames; fails when tcpdump lost one, since counts would then prove nothing. */
  async stop(): Promise<readonly CapturedFrame[]> {
    try {
      for (let size = -1, stable = 0; stable < 3;) {
        await sleep(30);
        const now = statSync(this.#file).size;
        // asleep it has read all there is; one that waits for a processor has not
        const state = /\) (\S)/.exec(readFileSync(`/proc/${this.#tcpdump.pid}/stat`, 'latin1'))?.[1];
        stable = now === size && state === 'S' ? stable + 1 : 0;
        size = now;
      }
      await this.#tcpdump.stop('SIGINT');
      const { output } = this.#tcpdump;
      const figure = (name: string): number => Number(new RegExp(`(\\d+) packets? ${name}`).exec(output)?.[1] ?? -1);
      const { frames } = readCapture(readFileSync(this.#file));
      if (figure('dropped by kernel') !== 0 || figure('captured') !== frames.length) {
        throw new Error(`tcpdump lost frames, ${frames.length} in the file: ${output}`);
      }
      return frames;
    } finally {
      await this.#tcpdump.stop('SIGKILL');
      rmSync(this.#directory, { recursive: true, force: true });
    }
  }
}
