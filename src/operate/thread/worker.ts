/** What runs in the second thread: it does what it is asked, and answers. What a task needs is loaded when it is asked for. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Answered, Asked, ThreadPlace } from './second-thread';
import { packThrown } from './thrown';

type Tasks = Readonly<Record<string, (...args: unknown[]) => unknown>>;

let opened: Promise<Tasks> | null = null;

async function open(): Promise<Tasks> {
  const [{ openContext }, { Work }] = await Promise.all([import('../context'), import('./work')]);
  return new Work(await openContext(workerData as ThreadPlace)) as unknown as Tasks;
}

async function perform({ task, args }: Asked): Promise<unknown> {
  if (task === 'judge') return ((await import('./judge')) as unknown as Tasks).judge(...args);
  // Where it cannot be opened now, it may be later.
  opened ??= open().catch((error: unknown) => {
    opened = null;
    throw error;
  });
  return (await opened)[task](...args);
}

async function answer(asked: Asked): Promise<Answered> {
  const { number } = asked;
  try {
    return { number, result: await perform(asked) };
  } catch (error) {
    return { number, thrown: packThrown(error) };
  }
}

/** What need not be copied: bytes that are nothing's but the answer's. */
function movable({ result }: Answered): ArrayBuffer[] {
  return result instanceof Uint8Array && !Buffer.isBuffer(result) ? [result.buffer as ArrayBuffer] : [];
}

const port = parentPort!;
port.on(
  'message',
  (asked: Asked) => void answer(asked).then((answered) => port.postMessage(answered, movable(answered))),
);
