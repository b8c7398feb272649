/** A steady stream of frames towards a filtered host that can be held while figures are compared. */
import { kernel } from '../../src/kernel/native';
import { type EdgeHost, NEIGHBOUR } from './edge-host';
import { Injector } from './injector';
import { compose, ethernet, ipv4, udp } from './packet';

/** Less than the driver takes in one go: what comes is done with before more does, also on a busy machine. */
const FRAMES_A_CALL = 32;
const PAUSE_MS = 3;
/** To a MAC address nobody has: what passes the filter is dropped first thing in the stack. */
const FRAME = compose(ethernet({ to: '02:00:00:00:00:77' }), ipv4(), udp());

export class Traffic {
  #flowing = false;
  #atClose: number | undefined;
  #loop: Promise<void> = Promise.resolve();
  /** Whether every frame was sent while an XDP program stood at the other end, so that each must be counted. */
  whole = false;

  private constructor(private readonly injector: Injector) {}

  /** Frames leave the neighbour's link, their destination ports taken from the list in turn; the host counts them in. */
  static async open(host: EdgeHost, ports: readonly number[]): Promise<Traffic> {
    const ring = Array.from({ length: 8 }, (_, i) => ports[i % ports.length]);
    const traffic = new Traffic(await Injector.open(kernel(), host.wire.path, NEIGHBOUR.link, ring));
    host.numbers.alsoSent(() => traffic.total());
    return traffic;
  }

  /** Frames sent so far. */
  private total(): number {
    return this.#atClose ?? [...this.injector.sent().values()].reduce((sum, count) => sum + count, 0);
  }

  /** From now on every frame is expected to be counted; call it before the first frame. */
  begin(): void {
    this.whole = true;
    this.resume();
  }

  resume(): void {
    if (this.#flowing) return;
    this.#flowing = true;
    this.#loop = (async () => {
      while (this.#flowing) {
        await this.injector.send(FRAME, FRAMES_A_CALL);
        await new Promise((done) => setTimeout(done, PAUSE_MS));
      }
    })();
  }

  /** Holds the stream; resolves when the last frame has left. */
  async pause(): Promise<void> {
    this.#flowing = false;
    await this.#loop;
  }

  /** Frames sent so far to that port. */
  sent(port: number): number {
    return this.injector.sent().get(port) ?? 0;
  }

  async close(): Promise<void> {
    await this.pause();
    this.#atClose = this.total();
    this.injector.close();
  }
}
