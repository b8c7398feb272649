/** The compiled datapath objects, one a hook: which program and which map is in which, and opened for one of them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from './errors';
import type { BpfMap, BpfObject, Kernel } from './kernel';

/** Every map of the object; what a use does not name is left out of the load. */
const MAPS = [
  'slc_image',
  'slc_counters',
  'slc_state',
  'slc_confirm',
  'slc_moment',
  'slc_programs',
  'slc_egress',
  'slc_pinned',
  'slc_gate_counters',
  'slc_flows',
  'slc_flow_tags',
  'slc_flows_before',
  'slc_flow_shares',
  'slc_flow_stats',
  'slc_fragments',
  'slc_fragment_tags',
  'slc_fragment_stats',
  'slc_noted',
  'slc_windows',
  'slc_attempts',
  'slc_window_shares',
  'slc_limit_stats',
  'slc_echo_budget',
  'slc_reject_budget',
  'slc_reject_stats',
  'slc_told',
  'slc_scratch',
  'slc_copied',
  'slc_open',
  'slc_open_index',
  'slc_ban_hosts',
  'slc_ban_nets',
  'slc_ban_filter',
  'slc_events',
  'slc_event_stats',
  'slc_event_ranks',
  'slc_event_sources',
  'slc_clock',
  'slc_result',
] as const;
export type DatapathMap = (typeof MAPS)[number];

/** Object file of each program. */
const OBJECT_OF = {
  slc_ingress: 'sluice',
  slc_gate_xdp: 'sluice',
  slc_read_clock: 'sluice',
  slc_egress_main: 'egress',
  slc_gate_egress: 'egress',
  slc_gate_clsact: 'egress',
  slc_move_flows: 'egress',
} as const;
export type DatapathProgram = keyof typeof OBJECT_OF;
type DatapathFile = (typeof OBJECT_OF)[DatapathProgram];

const cached = new Map<DatapathFile, Uint8Array>();

/** The object file of this package that holds the program. */
export function datapathObject(program: DatapathProgram): Uint8Array {
  const name = OBJECT_OF[program];
  const found = cached.get(name);
  if (found) return found;
  // src/kernel and dist/kernel lie at the same depth, so one path serves both.
  const path = join(__dirname, `../../dist/bpf/${name}.bpf.o`);
  try {
    const bytes = readFileSync(path);
    cached.set(name, bytes);
    return bytes;
  } catch (cause) {
    throw new SluiceError('kernel/object', `the datapath object "${path}" cannot be read`, {
      hint: 'build it: npm run build',
      cause,
    });
  }
}

/** Which datapath this is: changes with every byte of its objects. */
export function datapathDigest(): string {
  if (digest !== null) return digest;
  const hash = createHash('sha256');
  for (const program of ['slc_ingress', 'slc_egress_main'] as const) hash.update(datapathObject(program));
  return (digest = hash.digest('hex'));
}

/** Of objects that are read once. */
let digest: string | null = null;

/** Opens the object for one program: `maps` are existing ones to use, `create` those to make with so many entries. */
export function openDatapath(
  kernel: Kernel,
  program: DatapathProgram,
  maps: { reuse?: Partial<Record<DatapathMap, BpfMap>>; create?: Partial<Record<DatapathMap, number>> },
): BpfObject {
  const object = kernel.openObject(datapathObject(program), 'sluice');
  object.setPrograms([program]);
  for (const name of MAPS) {
    const reuse = maps.reuse?.[name];
    const entries = maps.create?.[name];
    if (reuse) object.setMap(name, { reuse });
    else if (entries !== undefined) object.setMap(name, { maxEntries: entries });
    else object.setMap(name, { create: false });
  }
  return object;
}
