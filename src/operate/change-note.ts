/** Who changes what is enforced, from where, how and why: kept with the change itself. */
import { userInfo } from 'node:os';
import { formatAddress } from '../model/prefix';
import type { ChangePlan } from './change-plan';
import type { Context } from './context';
import { changedSections } from './plan';
import { renderDifference } from './render-difference';
import { renderPlan } from './render-plan';
import { type SectionState, statesOf, type WrittenRuleset } from './section-state';
import { callerConnectionOf } from './ssh-sessions';

/** Who ran the command. */
export interface Author {
  /** The user behind sudo, where there is one. */
  readonly user: string;
  readonly uid: number;
  /** Address of the SSH session it came through. */
  readonly from?: string;
  /** The server through whose socket it came: its owner's change. */
  readonly ownerOf?: string;
  /** The group whose server it was then: another customer's may have the same name later. */
  readonly group?: string;
}

/** What the command says of itself. */
export interface Intent {
  /** `apply`, `allow 8000/tcp`, `rollback 3`. */
  readonly what: string;
  readonly reason?: string;
  /** Whose it is; left out: whoever runs this process. */
  readonly author?: Author;
}

/** A change as its generation's record keeps it, before anything judges by it. */
export interface ChangeNote extends Omit<Intent, 'author'> {
  /** ISO time. */
  readonly at: string;
  readonly author: Author;
  /** What it changes in rows and packets, as `apply` prints it. */
  readonly plan: string;
  /** Sections it is about, and `settings` for what lies outside them. */
  readonly sections: readonly string[];
  /** Those sections after it, by name; left out by older versions, and where it ended enforcement. */
  readonly after?: Readonly<Record<string, SectionState>>;
}

/** Longest reason, in characters. */
export const REASON_MAX = 1000;
const WHAT_MAX = 200;
const PLAN_LINES_MAX = 50;
const PLAN_MAX = 16_384;

/** Describes a change; `plan` null: that to nothing, or to what nobody wrote. `to`: what it is a change to. */
export async function describeChange(
  context: Context,
  intent: Intent,
  plan: ChangePlan | null,
  to?: WrittenRuleset,
): Promise<ChangeNote> {
  const { what, reason } = intent;
  const text = plan ? `${renderPlan(plan.plan, PLAN_LINES_MAX)}${renderDifference(plan)}` : '';
  const sections = plan ? changedSections(plan.plan) : [];
  const after = to && statesOf(to, sections);
  return {
    at: new Date().toISOString(),
    what: shorten(what, WHAT_MAX),
    ...(reason !== undefined && { reason: shorten(reason, REASON_MAX) }),
    author: intent.author ?? (await authorOf(context)),
    plan: shorten(text, PLAN_MAX),
    sections,
    ...(after && { after }),
  };
}

/** Who runs this process: behind sudo, whoever called it. */
export async function authorOf({ kernel, netns }: Context, environment = process.env): Promise<Author> {
  const uid = process.getuid?.() ?? 0;
  const { SUDO_USER: user, SUDO_UID: id } = environment;
  const behind = uid === 0 && user !== undefined && user !== '' && /^\d{1,10}$/.test(id ?? '');
  // Where sockets cannot be read, nobody knows where it came from; that stops no change.
  const caller = await callerConnectionOf(kernel, netns, environment).catch(() => null);
  return {
    ...(behind ? { user: shorten(user, WHAT_MAX), uid: Number(id) } : { user: nameOf(uid), uid }),
    ...(caller && { from: formatAddress(caller.family, caller.source) }),
  };
}

/** A uid need not have a name. */
function nameOf(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${uid}`;
  }
}

function shorten(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
