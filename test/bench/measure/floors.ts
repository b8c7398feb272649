/** The floors every figure stands beside: a bare XDP_DROP, and the datapath's parsing followed by a drop. */
import { join } from 'node:path';
import { kernel } from '../../../src/kernel/native';
import type { BpfProgram } from '../../../src/kernel/kernel';
import { compileBpf } from '../../support/compile-c';
import type { Lab, Port } from './lab';

const SOURCE = join(__dirname, '../bpf/floors.bpf.c');
const DATAPATH = join(__dirname, '../../../bpf');
/** What the floors are made of: a change of them is a change of the floors. */
export const DATAPATH_HEADERS = ['sluice_abi.h', 'hook-xdp.h', 'hook-tc.h', 'config.h', 'packet.h', 'parse.h'].map(
  (name) => join(DATAPATH, name),
);

export interface Floors {
  readonly drop: BpfProgram;
  readonly parse: BpfProgram;
  /** For what stands in front of netfilter. */
  readonly pass: BpfProgram;
}

export async function loadFloors(): Promise<Floors> {
  const object = kernel().openObject(compileBpf(SOURCE, DATAPATH_HEADERS), 'floors');
  try {
    await object.load();
    return {
      drop: object.program('floor_drop'),
      parse: object.program('floor_parse'),
      pass: object.program('floor_pass'),
    };
  } finally {
    object.close();
  }
}

/** Ports that drop and parse-and-drop. */
export async function floorPorts(lab: Lab, floors: Floors): Promise<{ drop: Port; parse: Port }> {
  const namespace = lab.namespace('bench-floor');
  const ports = { drop: lab.port('drop', namespace), parse: lab.port('parse', namespace) };
  await lab.attach(ports.drop, floors.drop);
  await lab.attach(ports.parse, floors.parse);
  return ports;
}
