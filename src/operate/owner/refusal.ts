/**
 * What an owner is told where something is not done. He learns nothing of what is not his: neither rows, sources and
 * names of others, nor paths and errors of the provider's machine.
 */
import { SluiceError } from '../../kernel/errors';
import { LockoutError } from '../apply';
import { PendingError } from '../pending';
import { NotAloneError, SectionPendingError } from '../trials';
import { UsageError } from '../usage-error';

/** A refusal in words that are meant for the owner. */
export class OwnerRefusal extends SluiceError {
  constructor(
    code: string,
    message: string,
    options: { readonly hint?: string } = {},
    /** What the provider should know; null: nothing. */
    readonly detail: string | null = null,
  ) {
    super(code, message, options);
  }
}

/** Nothing is wrong with the words, but the provider's settings stand against them. `detail`: which, for him. */
export function refusedByProvider(detail: string | null = null): OwnerRefusal {
  const hint = 'nothing was changed; ask him';
  return new OwnerRefusal('owner/provider', 'the provider’s settings do not allow this', { hint }, detail);
}

/** The server, or the right to change it, is gone. */
export function noSuchServer(): OwnerRefusal {
  return new OwnerRefusal('owner/gone', 'this server is not filtered, or not yours to change, any more', {
    hint: 'ask your provider',
  });
}

/** Errors after which the same is tried again: somebody else was faster. */
const PASSING: ReadonlySet<string> = new Set(['file/changed', 'operate/changed', 'operate/edited', 'operate/locked']);

/** Whether it may go well when it is tried again. */
export function isPassing(error: unknown): boolean {
  return error instanceof SluiceError && PASSING.has(error.code);
}

/** The error as the owner is told; `detail`: what the provider should know, null where it is the owner's own affair. */
export function forOwner(error: unknown): { readonly refusal: SluiceError; readonly detail: string | null } {
  if (error instanceof OwnerRefusal) return { refusal: error, detail: error.detail };
  if (error instanceof UsageError) return { refusal: error, detail: null };
  if (error instanceof LockoutError) return { refusal: refusedByProvider(), detail: error.message };
  if (error instanceof NotAloneError) {
    const refusal = new OwnerRefusal('owner/provider', 'your change cannot wait to be confirmed at this moment', {
      hint: 'nothing was changed; try again, or without --confirm: then it holds at once',
    });
    return { refusal, detail: error.message };
  }
  // Of another server, whose rows this would change too: lists that both name have.
  if (error instanceof PendingError || error instanceof SectionPendingError || isPassing(error)) {
    const refusal = new OwnerRefusal('owner/busy', 'the provider is changing the firewall at this moment', {
      hint: 'nothing was changed; try again in a minute',
    });
    return { refusal, detail: null };
  }
  const refusal = new OwnerRefusal('owner/failed', 'the provider’s firewall could not do this', {
    hint: 'what was enforced goes on; ask your provider, whose log says why',
  });
  return { refusal, detail: error instanceof Error ? error.message : String(error) };
}
