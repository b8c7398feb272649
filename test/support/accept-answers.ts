/** Lets a veth take what its filtered peer answers from XDP, as every real NIC's wire does. */
import { join } from 'node:path';
import type { BpfLink } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { compileBpf } from './compile-c';
import type { Namespace } from './netns';

/** Attaches a program that passes everything. It goes with the link's handle, or with the device. */
export async function acceptAnswers(namespace: Namespace, link: string): Promise<BpfLink> {
  const object = kernel().openObject(compileBpf(join(__dirname, 'pass.bpf.c')), 'pass');
  try {
    object.setPrograms(['pass']);
    await object.load();
    const program = object.program('pass');
    const ifindex = namespace.ifindex(link);
    const attached = await kernel().attachXdp(program, { ifindex, mode: 'native', netns: namespace.path });
    program.close();
    return attached;
  } finally {
    object.close();
  }
}
