/**
 * A server that waits to be confirmed by itself, before its owner: he sees that it does, and decides what he himself has
 * changed. What his provider tries is his provider's to say, and other servers are nobody's affair here.
 */
import type { Author } from '../change-note';
import { confirmSections, type SectionsMeant, takeBackSections } from '../confirm-sections';
import type { Context } from '../context';
import type { Enforcement } from '../enforcement';
import type { PendingSection } from '../generation-record';
import { readHistory } from '../history';
import { NothingPendingError } from '../pending';
import { whenWords } from '../render-history';
import { type LiveTrial, waits } from '../trial-state';
import { lateOwn } from './own-history';
import type { OwnedServer } from './owned-server';
import { type InTurn, withPatience } from './patience';
import { OwnerRefusal } from './refusal';

/** Longest time in which an owner may say that his change is right: what waits is in his provider's way. */
export const OWNERS_CONFIRM_SECONDS = 3600;

type Own = Pick<OwnedServer, 'name' | 'owner'>;

/** That his server waits, as he is told. */
export interface OwnWaiting {
  /** ISO time. */
  readonly deadline: string;
  /** Rounded up. */
  readonly secondsLeft: number;
  /** Who has changed it, and says whether it is right. */
  readonly by: 'owner' | 'provider';
}

/** What waits of his server; undefined where nothing does. */
export function ownTrial({ trials }: Pick<Enforcement, 'trials'>, own: Own): LiveTrial | undefined {
  return trials.find((trial) => trial.previous.name === own.name && waits(trial));
}

/** The same in words that are his. */
export function ownWaiting(enforcement: Pick<Enforcement, 'trials'>, own: Own): OwnWaiting | null {
  const trial = ownTrial(enforcement, own);
  if (!trial) return null;
  const leftMs = Number(trial.leftNs / 1_000_000n);
  return {
    ...{ deadline: new Date(Date.now() + leftMs).toISOString(), secondsLeft: Math.ceil(leftMs / 1000) },
    by: isOwn(trial, own) ? 'owner' : 'provider',
  };
}

/** Throws where his provider is trying something with the server: a change of the owner's would be part of that. */
export function requireNoOther(enforcement: Pick<Enforcement, 'trials'>, own: Own): void {
  const trial = ownTrial(enforcement, own);
  if (trial && !isOwn(trial, own)) throw providersTrial('try again when that is over');
}

/** What his own change that waits is in the way of. */
export function stillWaiting(): OwnerRefusal {
  return new OwnerRefusal(
    'owner/pending',
    'your rows wait to be confirmed: you have not said yet that they are right',
    {
      hint: 'nothing was changed; confirm keeps them, rollback takes them back; with --confirm 60s this change waits with them',
    },
  );
}

/** What he says of it. */
export interface Decision {
  readonly own: Own;
  readonly author: Author;
  readonly word: 'confirmed' | 'taken-back';
  /** As it was when he asked. */
  readonly enforcement: Pick<Enforcement, 'trials'>;
}

/** Keeps what he has changed, or takes it back. Throws an `OwnerRefusal` where there is nothing, or it is not his. */
export async function decideOwn(
  context: Context,
  { own, author, word, enforcement }: Decision,
  inTurn: InTurn,
): Promise<void> {
  // Who asks again and again is in nobody's way.
  if (enforcement.trials.every(({ previous }) => previous.name !== own.name)) throw nothingWaits(context, own);
  const meant: SectionsMeant = {
    ...{ section: own.name, by: author, patienceMs: 0 },
    require: (decided) => {
      if (!decided.every((trial) => trial.previous.name === own.name && isOwn(trial, own)))
        throw providersTrial('he confirms it, or takes it back');
    },
  };
  const decide = word === 'confirmed' ? confirmSections : takeBackSections;
  try {
    await withPatience(inTurn, () => decide(context, meant));
  } catch (error) {
    throw error instanceof NothingPendingError ? nothingWaits(context, own) : error;
  }
}

function nothingWaits({ folder }: Context, own: Own): OwnerRefusal {
  const late = lateOwn(readHistory(folder), own);
  if (late === null)
    return new OwnerRefusal('owner/not-pending', 'nothing of yours waits to be confirmed', {
      hint: 'history says what became of your changes',
    });
  const message = `your change of ${whenWords(late.at)} UTC was not confirmed in time: your rows before judge again`;
  return new OwnerRefusal('owner/not-pending', message, { hint: 'it came too late' });
}

/** Whether every change that waits with it came through the socket of the group that has the server now. */
function isOwn({ began }: PendingSection, { owner }: Own): boolean {
  return began.length > 0 && began.every(({ group }) => group === owner.group);
}

function providersTrial(hint: string): OwnerRefusal {
  return new OwnerRefusal(
    'owner/pending',
    'a change of your server that your provider has made waits to be confirmed',
    {
      hint: `nothing was changed; ${hint}`,
    },
  );
}
