/** Whether a program that is measured answers as the scan does. */
import type { BpfProgram } from '../../../src/kernel/kernel';
import type { Trace } from '../sets/trace';

/** include/uapi/linux/bpf.h, enum xdp_action. */
const XDP_PASS = 2;
const MACS = { from: '02:00:00:00:00:01', to: '02:00:00:00:00:02' };
/** Packets of a trace that are looked at: it is in random order. */
const LOOKED_AT = 8192;

/**
 * Runs the first packets of the trace through the program, an ingress program or the gate before one; `passes`: what the
 * scan says of a packet by its row. Answers with how many were looked at. Throws where one differs.
 */
export async function requireAnswers(
  subject: string,
  program: BpfProgram,
  { packets, rows }: Trace,
  passes: (row: number) => boolean,
): Promise<number> {
  const count = Math.min(LOOKED_AT, packets.count);
  const size = packets.frameBytes;
  const frames = new Uint8Array(count * size);
  for (let i = 0; i < count; i++) packets.writeFrame(frames, i * size, i, MACS);
  const { returnValues } = await program.testRunBatch({ frames, lengths: new Uint32Array(count).fill(size) });
  for (let i = 0; i < count; i++) {
    if ((returnValues[i] === XDP_PASS) !== passes(rows[i]))
      throw new Error(`${subject}: packet ${i}, of row ${rows[i]}, was answered with ${returnValues[i]}`);
  }
  return count;
}
