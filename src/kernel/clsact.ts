/** What hangs at the hooks of the clsact queueing discipline, as rtnetlink tells it (rtnetlink(7), tc-bpf(8)). */
import type { Kernel } from './kernel';
import { netlinkAttributes, netlinkMessages, netlinkNumber, netlinkText } from './rtnetlink';

/** A filter of traffic control. */
export interface Filter {
  /** `bpf`, `flower`, `u32` … */
  readonly kind: string;
  readonly priority: number;
  readonly handle: number;
  /** Of kind `bpf`: the name it was given, and its program's id. */
  readonly name?: string;
  readonly programId?: number;
}

const AF_UNSPEC = 0;
const RTM_NEWQDISC = 36;
const RTM_GETQDISC = 38;
const RTM_NEWTFILTER = 44;
const RTM_GETTFILTER = 46;
/** Size of tcmsg; its fields: interface at 4, handle at 8, parent at 12, info at 16 (priority in the upper half). */
const TCMSG = 20;
const TCA = { kind: 1, options: 2 } as const;
const TCA_BPF = { name: 7, id: 11 } as const;
/** The one place for clsact, and for the older `ingress`, which has no hook for what goes out. */
const PARENT = 0xfffffff1;
const HOOKS = { ingress: 0xfffffff2, egress: 0xfffffff3 } as const;

/** What stands at clsact's place, by interface: `clsact`, or `ingress`; nothing for the other interfaces. */
export async function listDisciplines(kernel: Kernel, netns?: string): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  const dump = await kernel.netlinkDump({
    type: RTM_GETQDISC,
    family: AF_UNSPEC,
    tc: { ifindex: 0, parent: 0 },
    netns,
  });
  for (const { type, body } of netlinkMessages(dump)) {
    if (type !== RTM_NEWQDISC || body.length < TCMSG || body.readUInt32LE(12) !== PARENT) continue;
    const kind = netlinkAttributes(body.subarray(TCMSG)).get(TCA.kind);
    if (kind !== undefined) found.set(body.readInt32LE(4), netlinkText(kind));
  }
  return found;
}

/** Filters at a hook of an interface that has a clsact discipline, in the order in which packets meet them. */
export async function listFilters(
  kernel: Kernel,
  ifindex: number,
  hook: keyof typeof HOOKS,
  netns?: string,
): Promise<Filter[]> {
  const tc = { ifindex, parent: HOOKS[hook] };
  return decodeFilters(await kernel.netlinkDump({ type: RTM_GETTFILTER, family: AF_UNSPEC, tc, netns }));
}

/** The same from a recorded dump. */
export function decodeFilters(dump: Uint8Array): Filter[] {
  const found: Filter[] = [];
  for (const { type, body } of netlinkMessages(dump)) {
    if (type !== RTM_NEWTFILTER || body.length < TCMSG) continue;
    const attributes = netlinkAttributes(body.subarray(TCMSG));
    const kind = attributes.get(TCA.kind);
    const handle = body.readUInt32LE(8);
    // A classifier tells of itself before its filters: without options.
    const options = attributes.get(TCA.options);
    if (kind === undefined || options === undefined) continue;
    const inner = netlinkAttributes(options);
    const name = inner.get(TCA_BPF.name);
    const programId = netlinkNumber(inner.get(TCA_BPF.id));
    const isBpf = netlinkText(kind) === 'bpf';
    found.push({
      kind: netlinkText(kind),
      priority: body.readUInt32LE(16) >>> 16,
      handle,
      ...(isBpf && name !== undefined && { name: netlinkText(name) }),
      ...(isBpf && programId !== undefined && { programId }),
    });
  }
  return found;
}
