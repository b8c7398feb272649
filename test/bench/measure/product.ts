/** The product on a port of the lab: gate, ingress program and counters, put there by its own `apply`. */
import type { Image } from '../../../src/compile/image';
import { createGenerationMaps, type GenerationMaps } from '../../../src/kernel/datapath-maps';
import { datapathSwitches } from '../../../src/kernel/datapath-switches';
import { loadProgram } from '../../../src/kernel/load-program';
import type { CounterFigures } from '../../../src/kernel/counters';
import { kernel } from '../../../src/kernel/native';
import type { BpfProgram } from '../../../src/kernel/kernel';
import type { Interface } from '../../../src/kernel/interfaces';
import { applyImage } from '../../../src/load/apply';
import { resolveInterfaces } from '../../../src/load/attach';
import { generationCounters } from '../../../src/load/generations';
import type { SharedState } from '../../../src/load/state';
import { unload } from '../../../src/load/unload';
import type { Context } from '../../../src/operate/context';
import { testContext } from '../../support/context';
import type { Namespace } from '../../support/netns';
import type { Lab, Port } from './lab';

export class Product {
  private generation = 0;

  private constructor(
    readonly port: Port,
    private readonly context: Context,
    private readonly interfaces: readonly Interface[],
    private readonly removeContext: () => void,
  ) {}

  /** `name`: of its port, where there are several. */
  static async open(lab: Lab, name = 'product'): Promise<Product> {
    const namespace: Namespace = lab.namespace(`bench-${name}`);
    const port = lab.port(name, namespace);
    const { context, destroy } = await testContext(namespace.path);
    const interfaces = await resolveInterfaces(context.kernel, [port.link], namespace.path);
    return new Product(port, context, interfaces, destroy);
  }

  /**
   * Enforces the image; answers with the milliseconds from the image to the stored gate word and cleared slots. `fill`
   * puts into the state what is to be there, such as bans, before anything is filtered.
   */
  async install(image: Image, fill: (state: SharedState) => Promise<void> = () => Promise.resolve()): Promise<number> {
    const began = performance.now();
    const { generation } = await applyImage(this.context.kernel, this.context.pins, {
      image,
      interfaces: this.interfaces,
      mode: 'native',
      netns: this.port.namespace.path,
      firstGeneration: () => 1,
      record: () => Promise.resolve(),
      fold: () => Promise.resolve(),
      fillState: fill,
    });
    this.generation = generation;
    return performance.now() - began;
  }

  /** What was counted since the image was installed, by rank. */
  counted(): ReadonlyMap<number, CounterFigures> {
    return generationCounters(this.context.kernel, this.context.pins, this.generation);
  }

  async close(): Promise<void> {
    await unload(this.context, () => Promise.resolve());
    this.removeContext();
  }
}

/** The ingress program alone with its image and counters, for plain test runs. */
export async function loadAlone(image: Image, shared: Pick<GenerationMaps, 'confirm'> = {}): Promise<BpfProgram> {
  const switches = datapathSwitches(image, false);
  const maps = createGenerationMaps(kernel(), switches);
  try {
    const region = maps.image.mmap({ writable: true });
    await region.write(0, image.bytes);
    region.close();
    return (await loadProgram(kernel(), 'slc_ingress', switches, { ...maps, ...shared })).program;
  } finally {
    maps.image.close();
    maps.counters.close();
  }
}
