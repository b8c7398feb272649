import type { Context } from '../operate/context';
import { NothingPendingError } from '../operate/pending';
import { describeReturned, readReturned } from '../operate/returned';
import type { Output } from './output';

/** Does what tidies up by itself, and says what became of changes that nobody confirmed, unless its error does. */
export async function tellReturned<T>(context: Context, output: Output, work: () => Promise<T>): Promise<T> {
  const told = new Set(readReturned(context.folder).map(describeReturned));
  const tell = (): void => {
    for (const text of readReturned(context.folder).map(describeReturned))
      if (!told.has(text)) output.say(`note: ${text}`);
  };
  try {
    const done = await work();
    tell();
    return done;
  } catch (error) {
    if (error instanceof NothingPendingError) for (const late of error.late) told.add(describeReturned(late));
    tell();
    throw error;
  }
}
