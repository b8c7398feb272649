/** The running firewall of a network namespace as one object: what the commands do, for programs. */
import type { FlowKey } from '../model/packet';
import type { Snapshot } from '../observe/snapshot';
import { SluiceError } from '../kernel/errors';
import { banOfAddress } from '../model/ban';
import type { Prefix } from '../model/prefix';
import { parseAddressText } from '../parse/address';
import { disable } from './disable';
import type { ApplyOptions, FirewallApplied } from './apply-file';
import { type BanOutcome, banSources } from './ban-sources';
import { type BanList, listBans, type UnbanOutcome, unbanSources } from './bans';
import { confirmAll } from './confirm-all';
import { confirmSections, takeBackSections } from './confirm-sections';
import { isConfirmTime, MAX_CONFIRM_SECONDS } from './confirm-time';
import { type Context, openContext } from './context';
import { isDigestText } from './digest';
import type { EndedRules } from './end-rules';
import { readEnforcement, takeSnapshot } from './enforcement';
import { explainEnforced, type FullExplanation } from './explain';
import { isGatePending, rollbackPending, settle } from './pending';
import type { Spare } from '../load/spare';
import { SecondThread } from './thread/second-thread';

export type { ApplyOptions, FirewallApplied } from './apply-file';

/** How `Firewall.ban` goes about it. */
export interface BanOptions {
  /** When the bans end; left out: never. */
  readonly until?: Date;
  /** An IPv6 address is banned alone, not with its /64. */
  readonly exact?: boolean;
  /** Also the source of the caller's own SSH session. */
  readonly force?: boolean;
}

/**
 * The firewall of one network namespace. It lives in the kernel, not in this object: whoever opens it later, in another
 * process, finds the same one.
 */
export class Firewall {
  /** What reads rulesets is done there: one rule changed is one part of the image compiled anew. */
  private readonly thread: SecondThread;

  private constructor(private readonly context: Context) {
    this.thread = new SecondThread(context);
  }

  /**
   * Opens the firewall of a namespace, given by name (as `ip netns` lists it) or path; left out, that of the process.
   * Nothing is attached by this; what a change left that nobody confirmed in time is tidied up. Throws
   * `PrivilegeError` without CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.
   */
  static async open(options: { readonly netns?: string } = {}): Promise<Firewall> {
    const context = await openContext(options);
    await settle(context);
    return new Firewall(context);
  }

  /**
   * Ends the thread in which rulesets are read, where one runs; what it is at fails with `SluiceError` `operate/thread`.
   * What enforces goes on, and the next `apply` starts a thread again. Not needed where the process ends.
   */
  async close(): Promise<void> {
    await this.thread.close();
  }

  /**
   * Reads, checks, compiles and enforces a ruleset file, which becomes the enforced one. Until its last step what
   * enforced before goes on, and a failure leaves it. Throws `LockoutError` when a live SSH session would be cut,
   * `KeepReachableError` when it keeps less reachable.
   */
  async apply(file: string, options: ApplyOptions = {}): Promise<FirewallApplied> {
    const { confirmSeconds, seen } = options;
    if (seen && !isDigestText(seen.digest))
      throw new RangeError(`seen.digest: the first 7 digits or more of a digest, not "${seen.digest}"`);
    if (confirmSeconds !== undefined && !isConfirmTime(confirmSeconds))
      throw new RangeError(`confirmSeconds: whole seconds up to ${MAX_CONFIRM_SECONDS}, not ${confirmSeconds}`);
    return this.thread.ask('applyFile', file, options);
  }

  /**
   * Loads programs for the next change while nobody waits for them (a quarter of a second): the next `apply` whose
   * ruleset uses the same kinds of rules is spared the verifier, whichever process makes it. For programs that change
   * rules often; the daemon does it by itself. Null where nothing enforces, or it would take more than 64 MiB.
   */
  async prepare(): Promise<Spare | null> {
    return this.thread.ask('makeReady');
  }

  /**
   * What waits to be confirmed holds from now on, with all sections that wait by themselves; with `section` (`inbound`,
   * `outbound`, `guard` or the name of a server) only what waits for that one. The generation that judges then. Throws
   * `SluiceError` `operate/nothing-pending` where nothing waits, or it comes too late, and `operate/not-active` where somebody
   * disabled as soon as it was confirmed.
   */
  async confirm(section?: string): Promise<number> {
    const { context } = this;
    if (section === undefined) await confirmAll(context);
    else await confirmSections(context, { section });
    const enforcement = await readEnforcement(context);
    if (enforcement) return enforcement.generation;
    const hint = 'everything passes; apply the file again if that was not meant';
    throw new SluiceError(
      'operate/not-active',
      'it was confirmed, and nothing is enforced any more: somebody disabled',
      {
        hint,
      },
    );
  }

  /**
   * What waits to be confirmed is taken back: the change that waits as a whole, or else all sections that wait by themselves;
   * with `section` only what waits for that one. The generation that judges then, null where nothing does. Throws as `confirm`.
   */
  async rollback(section?: string): Promise<number | null> {
    const { context } = this;
    if (section === undefined && isGatePending(context)) return (await rollbackPending(context)).previous;
    await takeBackSections(context, { section });
    return (await readEnforcement(context))?.generation ?? null;
  }

  /** Ends enforcement: off every interface, nothing left in the kernel; file and counters are kept. */
  async disable(): Promise<{ wasActive: boolean; interfaces: readonly string[] }> {
    return disable(this.context);
  }

  /**
   * Ends rules whose end (`until`) has come, as the daemon does within a second of it: what is enforced goes on without
   * them, and their file stays as it is. Null where there are none. Throws `SluiceError` `operate/moment` for a date that
   * is none.
   */
  async endRules(now: Date = new Date()): Promise<EndedRules | null> {
    return this.thread.ask('endRules', momentOf(now));
  }

  /**
   * Bans sources, addresses or prefixes: whatever comes from them drops above all rules, from this moment until the
   * given one, by the kernel's own clock, whoever runs. An IPv6 address stands for its /64 unless `exact`, or written
   * with its length. Throws `BanRefusedError` where the caller's SSH session comes from one of them, unless `force`, and
   * where the enforced keep-reachable names one, `SluiceError` `operate/moment` where the end has passed or is no date;
   * then nobody was banned.
   */
  async ban(sources: readonly string[], options: BanOptions = {}): Promise<BanOutcome> {
    return banSources(this.context, readSources(sources, options.exact ?? false), {
      untilMs: options.until === undefined ? null : endOf(options.until),
      force: options.force ?? false,
      leaveOut: false,
    });
  }

  /** Ends the bans of exactly these sources, or all; what holds them still, as part of a wider ban, is among the outcome. */
  async unban(sources: readonly string[] | 'all', options: Pick<BanOptions, 'exact'> = {}): Promise<UnbanOutcome> {
    return unbanSources(this.context, sources === 'all' ? 'all' : readSources(sources, options.exact ?? false));
  }

  /** The bans that hold now, with what they stopped; with `source` only those that hold all of it. */
  async bans(source?: string): Promise<BanList> {
    return listBans(this.context, source === undefined ? null : readSources([source], true)[0]);
  }

  /** Rules with their hits, interfaces filtered and not, reasons of drops: the firewall at this moment. */
  async snapshot(): Promise<Snapshot> {
    return takeSnapshot(this.context);
  }

  /**
   * Why a packet gets its verdict from what enforces now, by the model and by the program in the kernel. Null where
   * nothing enforces, or where the record of what does is lost. Throws `SluiceError` should the two disagree.
   */
  async explain(packet: FlowKey): Promise<FullExplanation | null> {
    const enforcement = await readEnforcement(this.context);
    if (!enforcement?.record) return null;
    return explainEnforced(this.context, { ...enforcement, record: enforcement.record }, packet);
  }
}

/** Milliseconds since 1970; `new Date('31.12.2026')` makes a date that has none. */
function momentOf(date: Date): number {
  const ms = date.getTime();
  if (Number.isFinite(ms)) return ms;
  throw new SluiceError('operate/moment', 'the date is no moment: expected a valid Date, found "Invalid Date"', {
    hint: "nothing was changed; write it as in new Date('2027-01-31T18:00')",
  });
}

/** The end of something that begins now. */
function endOf(date: Date): number {
  const ms = momentOf(date);
  if (ms > Date.now()) return ms;
  throw new SluiceError('operate/moment', `"${date.toISOString()}" has passed`, {
    hint: 'nothing was changed; give a moment to come, or none for no end',
  });
}

function readSources(words: readonly string[], exact: boolean): Prefix[] {
  return words.map((word) => {
    const reading = parseAddressText(word);
    if (reading.kind === 'prefix') return banOfAddress(reading.prefix, exact || word.includes('/'));
    const { message, hint } = reading.problem;
    throw new SluiceError('operate/source', message, hint === undefined ? {} : { hint });
  });
}
