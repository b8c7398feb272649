import { setTimeout as sleep } from 'node:timers/promises';

/** A fresh probe is sent every 100 ms; so many of them may be asked before one gets through. */
export const BACK_WITHIN_PROBES = 3;
/** The clock of who asks tells whole milliseconds, and is another than the kernel's. */
export const CLOCKS_MS = 20;
/** Probes begin so long before: one that is asked too early is none of the first. */
const EARLIER_MS = 200;

/** Whether one of the first probes that are asked after `over`, of the wall clock, gets through. */
export async function isBackAt(over: number, getsThrough: () => Promise<boolean>): Promise<boolean> {
  await sleep(over - Date.now() - EARLIER_MS);
  const probes: Promise<boolean>[] = [];
  while (probes.length < BACK_WITHIN_PROBES) {
    const isAfter = Date.now() > over + CLOCKS_MS;
    const probe = getsThrough();
    if (isAfter) probes.push(probe);
    await sleep(100);
  }
  return (await Promise.all(probes)).includes(true);
}
