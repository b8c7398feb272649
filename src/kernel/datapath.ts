/** The compiled datapath object: opened with the sizes and switches of one use. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LAYOUT, RODATA, SLC_LIMITS } from '../abi/layout.gen';
import type { IcmpMode } from '../model/ruleset';
import { SluiceError } from './errors';
import type { BpfMap, BpfObject, BpfProgram, Kernel } from './kernel';

/** Every map of the object; what a use does not name is left out of the load. */
const MAPS = [
  'slc_image',
  'slc_counters',
  'slc_state',
  'slc_confirm',
  'slc_programs',
  'slc_egress',
  'slc_gate_counters',
  'slc_clock',
  'slc_result',
] as const;
export type DatapathMap = (typeof MAPS)[number];

export type DatapathProgram = 'slc_ingress' | 'slc_gate_xdp' | 'slc_read_clock';

/** Switches of the ingress program; the verifier prunes by them. */
export interface IngressSwitches {
  /** Size of the image map in 8-byte slots. */
  readonly imageSlots: number;
  readonly counterSlots: number;
  readonly icmpEssentials: boolean;
  /** At most 16. */
  readonly ethertypes: readonly number[];
  /** Writes nothing but `slc_result`. */
  readonly dryRun: boolean;
}

/** Switches of the ingress program for a compiled image. */
export function ingressSwitches(
  image: {
    readonly bytes: { readonly length: number };
    readonly counterSlots: number;
    readonly features: { readonly icmp: IcmpMode; readonly ethertypes: readonly number[] };
  },
  dryRun: boolean,
): IngressSwitches {
  return {
    imageSlots: image.bytes.length / 8,
    counterSlots: image.counterSlots,
    icmpEssentials: image.features.icmp === 'essentials',
    ethertypes: image.features.ethertypes,
    dryRun,
  };
}

let cached: Uint8Array | undefined;

/** The object file of this package. */
export function datapathObject(): Uint8Array {
  // src/kernel and dist/kernel lie at the same depth, so one path serves both.
  const path = join(__dirname, '../../dist/bpf/sluice.bpf.o');
  try {
    cached ??= readFileSync(path);
  } catch (cause) {
    throw new SluiceError('kernel/object', `the datapath object "${path}" cannot be read`, {
      hint: 'build it: npm run build',
      cause,
    });
  }
  return cached;
}

/** Opens the object for one program: `maps` are existing ones to use, `create` those to make. */
export function openDatapath(
  kernel: Kernel,
  program: DatapathProgram,
  maps: { reuse?: Partial<Record<DatapathMap, BpfMap>>; create?: readonly DatapathMap[] },
): BpfObject {
  const object = kernel.openObject(datapathObject(), 'sluice');
  object.setPrograms([program]);
  for (const name of MAPS) {
    const reuse = maps.reuse?.[name];
    if (reuse) object.setMap(name, { reuse });
    else object.setMap(name, { create: maps.create?.includes(name) ?? false });
  }
  return object;
}

/** Sizes of the two maps every generation has of its own. */
export function createGenerationMaps(kernel: Kernel, switches: IngressSwitches): { image: BpfMap; counters: BpfMap } {
  const image = createImageMap(kernel, switches.imageSlots);
  const counters = kernel.createMap({
    type: 'array',
    name: 'slc_counters',
    keySize: 4,
    valueSize: switches.counterSlots * LAYOUT.slc_counter.size,
    maxEntries: switches.dryRun ? 1 : kernel.possibleCpus(),
    flags: ['mmapable'],
  });
  return { image, counters };
}

/** An empty image map of that many 8-byte slots. */
export function createImageMap(kernel: Kernel, slots: number): BpfMap {
  return kernel.createMap({
    type: 'array',
    name: 'slc_image',
    keySize: 4,
    valueSize: slots * 8,
    maxEntries: 1,
    flags: ['mmapable'],
  });
}

/** Loads the ingress program over its maps. The caller closes what is returned. */
export async function loadIngress(
  kernel: Kernel,
  switches: IngressSwitches,
  maps: { image: BpfMap; counters: BpfMap; result?: BpfMap },
): Promise<{ program: BpfProgram; instructions: number }> {
  const result = maps.result ?? createResultMap(kernel);
  const object = openDatapath(kernel, 'slc_ingress', {
    reuse: { slc_image: maps.image, slc_counters: maps.counters, slc_result: result },
  });
  try {
    setSwitches(object, switches);
    await object.load();
    return { program: object.program('slc_ingress'), instructions: object.verifierStats().slc_ingress.instructions };
  } finally {
    object.close();
    if (!maps.result) result.close();
  }
}

/** A map for what the dry twin decides. */
export function createResultMap(kernel: Kernel): BpfMap {
  return kernel.createMap({
    type: 'array',
    name: 'slc_result',
    keySize: 4,
    valueSize: LAYOUT.slc_result.size,
    maxEntries: 1,
    flags: ['mmapable'],
  });
}

function setSwitches(object: BpfObject, switches: IngressSwitches): void {
  const set = (
    name: 'slc_dry_run' | 'slc_image_slots' | 'slc_counter_slots' | 'slc_icmp_essentials' | 'slc_ethertype_count',
    value: number,
  ): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    object.setRodata(RODATA[name].offset, bytes);
  };
  set('slc_dry_run', Number(switches.dryRun));
  set('slc_image_slots', switches.imageSlots);
  set('slc_counter_slots', switches.counterSlots);
  set('slc_icmp_essentials', Number(switches.icmpEssentials));
  if (switches.ethertypes.length > SLC_LIMITS.MAX_ETHERTYPES) throw new RangeError('at most 16 ethertypes');
  set('slc_ethertype_count', switches.ethertypes.length);
  object.setRodata(RODATA.slc_ethertypes.offset, new Uint8Array(Uint16Array.from(switches.ethertypes).buffer));
}
