/** All that waits to be confirmed, as a whole and by itself, at one word. */
import { SluiceError } from '../kernel/errors';
import type { Context } from './context';
import { confirmSections, waitingSections } from './confirm-sections';
import { confirmPending, isGatePending, NothingPendingError } from './pending';

/** What holds from now on: the change that waited as a whole (null: none), and sections that waited by themselves. */
export interface ConfirmedAll {
  readonly whole: { readonly generation: number; readonly atBoot: boolean } | null;
  readonly sections: readonly string[];
}

/** Each is in time or not by its own deadline. Throws as `confirmSections` where nothing was. */
export async function confirmAll(context: Context): Promise<ConfirmedAll> {
  if (!isGatePending(context)) return { whole: null, sections: (await confirmSections(context)).sections };
  let late: NothingPendingError | null = null;
  const inTime = async <T>(confirm: () => Promise<T>): Promise<T | null> => {
    try {
      return await confirm();
    } catch (error) {
      if (!(error instanceof NothingPendingError)) throw error;
      late ??= error;
      return null;
    }
  };
  const whole = await inTime(() => confirmPending(context));
  const isAlone = (await waitingSections(context)).length > 0;
  const kept = isAlone ? await inTime(() => confirmSections(context)).catch(failed(whole)) : null;
  if (!whole && !kept && late) throw late as NothingPendingError;
  return { whole, sections: kept?.sections ?? [] };
}

/** What was confirmed before something else failed is said too. */
function failed(whole: ConfirmedAll['whole']): (error: unknown) => never {
  return (error) => {
    if (!whole || !(error instanceof SluiceError)) throw error;
    const { code, message, hint } = error;
    throw new SluiceError(code, `generation ${whole.generation} is confirmed, but: ${message}`, {
      ...(hint !== undefined && { hint }),
      cause: error,
    });
  };
}
