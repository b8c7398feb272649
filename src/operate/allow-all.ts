/** ALLOW ALL (SPEC §4): a section, or the whole edge, lets in for a while what its rows refuse. The kernel ends it. */
import { RefusedError } from '../kernel/errors';
import { SLC_LIMITS } from '../abi/layout.gen';
import { OpenTableFullError } from '../load/open-table';
import { SharedState } from '../load/state';
import { nearest } from '../parse/nearest';
import { type Author, authorOf } from './change-note';
import type { Context } from './context';
import { readEnforcement } from './enforcement';
import { withLock } from './lock';
import { type Opening, readOpenings, writeOpenings } from './opening-file';
import { idOf, sectionsToOpen, settleOpenings, writeDown } from './openings';
import { RecordLostError } from './record-lost';

/** Longest time for which anything can be under ALLOW ALL. */
export const MAX_OPEN_SECONDS = 24 * 3600;

/** Who does it, where that is not who runs the process, and how long a lock of somebody else's is waited for. */
interface By {
  readonly author?: Author;
  readonly patienceMs?: number;
  /** Throws where he may not end or prolong what is open; asked once nobody else can open or end anything. */
  readonly requireOwn?: (opening: Opening) => void;
}

/** Sections of what enforces that can be opened. Throws `RefusedError` where nothing enforces. */
export async function enforcedSections(context: Context): Promise<string[]> {
  const enforcement = await readEnforcement(context);
  if (!enforcement || enforcement.attachments.length === 0)
    throw new RefusedError('operate/not-active', 'nothing is enforced: everything passes already', {
      hint: 'sluice enable begins it',
    });
  if (!enforcement.record) throw new RecordLostError();
  return sectionsToOpen(enforcement.record.ruleset);
}

/**
 * Opens a section of what enforces, or the whole edge (null), for so many seconds from now; one that is open gets the new
 * end, and goes on counting. Throws `RefusedError` where there is no such section, or no room for another.
 */
export async function allowAll(
  context: Context,
  section: string | null,
  { seconds, reason, author: by, patienceMs, requireOwn }: { readonly seconds: number; readonly reason?: string } & By,
): Promise<{ opening: Opening; wasOpen: boolean }> {
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_OPEN_SECONDS)
    throw new RangeError(`whole seconds up to ${MAX_OPEN_SECONDS}, not ${seconds}`);
  return withLock(
    context,
    async () => {
      await settleOpenings(context);
      const known = await enforcedSections(context);
      if (section !== null && !known.includes(section)) throw new NoSectionError(section, known);
      const { kernel, pins, folder } = context;
      const state = SharedState.find(kernel, pins)!;
      try {
        const author = by ?? (await authorOf(context));
        const now = Date.now();
        const openings = readOpenings(folder).value ?? [];
        const before = openings.find((one) => !one.ended && one.section === section);
        if (before) requireOwn?.(before);
        const opening: Opening = {
          ...(before ?? {
            at: new Date(now).toISOString(),
            packets: '0',
            bytes: '0',
            unlisted: '0',
            rows: [],
            folded: [],
          }),
          ...{ section, instance: state.instance, author, until: new Date(now + seconds * 1000).toISOString() },
          ...(reason !== undefined && { reason }),
        };
        // First who and why: a process that is killed in between has opened nothing.
        writeOpenings(folder, [...openings.filter((one) => one !== before), opening]);
        try {
          state.open.open(section, kernel.bootTimeNs() + BigInt(seconds) * 1_000_000_000n);
        } catch (error) {
          writeOpenings(folder, openings);
          throw error instanceof OpenTableFullError ? new TooManyOpenError() : error;
        }
        return { opening, wasOpen: before !== undefined };
      } finally {
        state.close();
      }
    },
    patienceMs,
  );
}

/**
 * Ends what is open before its time: a section, the whole edge (null), or all that is. What they let in, with those that
 * ended by themselves since anybody looked.
 */
export async function endAllowAll(
  context: Context,
  which: string | null | { all: true },
  { author, patienceMs, requireOwn }: By = {},
): Promise<Opening[]> {
  return withLock(
    context,
    async () => {
      const over = await settleOpenings(context);
      const state = SharedState.find(context.kernel, context.pins);
      if (!state) return over;
      try {
        const isMeant = (id: bigint): boolean => (which !== null && typeof which === 'object') || id === idOf(which);
        const open = (readOpenings(context.folder).value ?? []).filter(({ ended }) => !ended);
        if (requireOwn) open.filter(({ section }) => isMeant(idOf(section))).forEach(requireOwn);
        const entries = state.open.list().filter(({ id }) => isMeant(id));
        for (const { entry } of entries) state.open.close(entry, context.kernel.bootTimeNs());
        return [...over, ...(await writeDown(context, state, entries, 'off', author ?? (await authorOf(context))))];
      } finally {
        state.close();
      }
    },
    patienceMs,
  );
}

/** There is no section of that name in what enforces. */
export class NoSectionError extends RefusedError {
  constructor(section: string, known: readonly string[]) {
    const guess = nearest(section, known);
    super('operate/no-section', `the enforced ruleset has no server "${section}"`, {
      hint:
        guess === undefined ? 'sluice servers lists them; inbound is what no server owns' : `did you mean ${guess}?`,
    });
  }
}

/** All entries are taken. */
export class TooManyOpenError extends RefusedError {
  constructor() {
    super('operate/too-many-open', `${SLC_LIMITS.OPEN_SECTIONS - 1} sections are under ALLOW ALL, which is the most`, {
      hint: 'nothing was changed; end one of them first: sluice allow-all off NAME',
    });
  }
}
