/** A request of an owner → its answer: the one place that says what owners may do, and what they see. */
import type { CheckMemory } from '../check-memory';
import { type JsonDiagnostic } from '../../diagnostics/json';
import type { Diagnostic } from '../../diagnostics/diagnostic';
import type { Ruleset, Server } from '../../model/ruleset';
import { formatAddress } from '../../model/prefix';
import type { PacketEvent } from '../../observe/events';
import type { ServerSection } from '../../observe/server-page';
import type { SnapshotOpening, SnapshotRoom, SnapshotSection } from '../../observe/snapshot';
import type { OwnerRequest } from '../../parse/schema';
import type { Author } from '../change-note';
import { judgeText } from '../check';
import type { Context } from '../context';
import { readEnd, withEnd } from '../edit/row-words';
import { type Edit, type EditVerb, ROW_VERBS, VERBS } from '../edit/verbs';
import { type Judging, readJudging } from '../enforcement';
import { readConfirmTime } from '../confirm-time';
import { readHistory } from '../history';
import { planRuleset } from '../plan';
import { renderSectionPlan } from '../render-plan';
import type { RulesetText } from '../ruleset-file';
import { readEnforcedText, type StateFolder } from '../state-files';
import { packageVersion } from '../package-version';
import { ticketLines } from '../ticket';
import { judgingRuleset } from '../trial-state';
import { lookAtServers, type ServersSeen } from '../servers-seen';
import { UsageError } from '../usage-error';
import { isSourceTold } from '../wait-at-door';
import { changeRows, type OwnerChange, ownFindings } from './change';
import { doctorOwn, explainOwn, type OwnerPlace, type OwnerView, watchedDoor, whoReachesOwn } from './doctor';
import type { OwnerEvent } from './events';
import type { OwnedServer } from './owned-server';
import { openOwn, readOpening } from './own-opening';
import { ownChangeLine, ownChanges, ownServerAt, rollBackOwn } from './own-history';
import { type Decision, decideOwn, OWNERS_CONFIRM_SECONDS, type OwnWaiting, ownWaiting } from './own-trial';
import { findWrong, ownHint, rowsAmong } from './own-words';
import type { InTurn } from './patience';
import { ChangeRate, useOf } from './quota';
import { forOwner, noSuchServer } from './refusal';
import { SharedLook } from './shared-look';
import { type OwnWaited, OwnerWaits } from './wait';

/** What goes back through the socket, as one line of JSON. */
export interface OwnerAnswer {
  readonly schemaVersion: 1;
  readonly ok: boolean;
  readonly server: string;
  /** For people; of `status` only that something waits: the rest is data. */
  readonly lines: readonly string[];
  /** What was found about his rows. */
  readonly findings: readonly OwnerFinding[];
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
  readonly [key: string]: unknown;
}

/** A finding without its place: the file is the provider's. */
export type OwnerFinding = Pick<JsonDiagnostic, 'code' | 'severity' | 'message' | 'hint'> & {
  readonly notes: readonly string[];
};

/** A request with whose it is. */
export interface OwnerQuestion {
  readonly server: string;
  /** The group that the socket was for when he connected. */
  readonly group: string;
  readonly author: Author;
  readonly request: OwnerRequest;
  /** Path of the socket it came through. */
  readonly socket: string;
  /** What was told of his server lately; left out where he does not ask for it. */
  readonly events?: readonly OwnerEvent[];
  /** The same as they are, for a report. */
  readonly log?: readonly PacketEvent[];
  /** Does work when it is his turn; who waits for somebody else's change has none. */
  readonly inTurn: InTurn;
}

/** An answer that may hold findings about his rows. */
type OwnView = OwnerView & { readonly findings?: readonly Diagnostic[] };

/** His server in what enforces. */
interface Owned {
  readonly server: OwnedServer;
  readonly ruleset: Ruleset;
  readonly enforcement: Judging | null;
}

/** What goes back to him, and what of a failure his provider should know. */
export interface DeskAnswer {
  readonly answer: OwnerAnswer;
  readonly detail: string | null;
}

/** Findings that are told. */
const MOST_FINDINGS = 100;
/** Characters behind a verb that writes no row. */
const MOST_CHARACTERS = 4096;

/** Answers owners, one after the other; it keeps how often they change something. */
export class OwnerDesk {
  readonly #rates = new Map<string, ChangeRate>();
  readonly #waits = new OwnerWaits();
  readonly #seen: SharedLook<ServersSeen>;

  constructor(
    private readonly context: Context,
    /** A change of one server compiles that one. */
    private readonly memory: CheckMemory,
  ) {
    this.#seen = new SharedLook(() => lookAtServers(context));
  }

  /** Never throws. */
  async answer(question: OwnerQuestion): Promise<DeskAnswer> {
    const { server } = question;
    try {
      const { lines, findings = [], data } = await this.#askInTurn(question);
      const refused = findings.some(({ severity }) => severity === 'error') && data.changed === false;
      const error = { code: 'owner/ruleset', message: 'your rows would have errors: nothing was changed' };
      const told = findings.slice(0, MOST_FINDINGS).map((finding) => withOwnHint(finding, question));
      const more = findings.length - told.length;
      const said = more > 0 ? [...lines, `of ${findings.length} findings the first ${MOST_FINDINGS} are told`] : lines;
      const answer = { ...answerOf(server, !refused, said, told), ...(refused && { error }), ...data };
      return { answer, detail: null };
    } catch (thrown) {
      const { refusal, detail } = forOwner(thrown);
      const { code, message, hint } = refusal;
      return { answer: refusedAnswer(server, withOwnHint({ code, message, hint }, question)), detail };
    }
  }

  /** Forgets what it kept of servers that are none of these. */
  keep(servers: ReadonlySet<string>): void {
    for (const name of this.#rates.keys()) if (!servers.has(name)) this.#rates.delete(name);
  }

  async #askInTurn(question: OwnerQuestion): Promise<OwnView> {
    const { request, inTurn } = question;
    const { verb, wait: seconds, words } = request;
    // What waits for somebody takes no turn meanwhile.
    if (isChanging(verb) || verb === 'confirm' || verb === 'allow-all') return this.#ask(question);
    if (verb !== 'doctor' || seconds === undefined) return inTurn(() => this.#ask(question));
    const place = await inTurn(async () => {
      const { ruleset, server: own } = this.#owned(question);
      this.#seen.forget(); // what was before is not what is seen
      await this.#seen.take();
      return { ruleset, server: own, group: question.group };
    });
    const section = async (): Promise<ServerSection | null> => (await this.#seen.take()).section(question.server);
    const waited = await this.#waits.wait(this.context, place, { words, seconds }, section);
    return inTurn(() => this.#ask(question, waited));
  }

  /** An event of a server, for whoever waits there. */
  tellWaiting(server: string, group: string, event: PacketEvent): void {
    this.#waits.tell(server, group, event);
  }

  /** Nobody is waited for any more. */
  endWaiting(): void {
    this.#waits.endAll();
  }

  #owned({ server: name, group }: OwnerQuestion): Owned {
    const enforcement = readJudging(this.context);
    const owned = ownedIn(enforcement, name);
    // It has changed hands since he connected.
    if (owned.server.owner.group !== group) throw noSuchServer();
    return { ...owned, enforcement };
  }

  /** `waited`: what he saw, where he has waited. */
  async #ask(question: OwnerQuestion, waited: OwnWaited | null = null): Promise<OwnView> {
    const { request, socket, events = [] } = question;
    const { context } = this;
    const { server, ruleset, enforcement } = this.#owned(question);
    if (!isRowVerb(request.verb)) refuseEnd(request, request.verb === 'allow-all');
    if (!isRowVerb(request.verb)) refuseLength(request);
    if (!isChanging(request.verb)) refuseChange(request, request.verb === 'allow-all');
    if (request.verb !== 'doctor') refuseWait(request);
    switch (request.verb) {
      case 'status':
        refuseWords(request);
        return this.#status(server, ownWaiting(enforcement!, server));
      case 'confirm':
        refuseWords(request);
        return this.#decide(question, { own: server, word: 'confirmed', enforcement: enforcement! });
      case 'check':
        refuseWords(request);
        this.#take(server);
        return this.#check(server, enforcement!);
      case 'allow-all':
        return this.#open(server, question);
      case 'explain':
        return explainOwn({ context, ruleset, server, socket }, request.words);
      case 'doctor':
        return this.#doctor({ context, ruleset, server, socket }, question, waited);
      case 'who-reaches':
        return whoReachesOwn({ context, ruleset, server, socket }, request.words);
      case 'events':
        refuseWords(request);
        return { lines: events.map(({ time, text }) => `${time} ${text}`), data: { events } };
      case 'history':
        refuseWords(request);
        return this.#history(server);
      case 'diff':
        this.#take(server);
        return this.#diff(server, ruleset, enforcement!, request.words);
      default:
        if (request.verb !== 'rollback' || request.words.length > 0)
          return this.#change(server, question, request.verb);
        refuseChange(request);
        return this.#decide(question, { own: server, word: 'taken-back', enforcement: enforcement! });
    }
  }

  /** Why somebody does not get in, with what was seen of him; for a ticket all of it in one text. */
  async #doctor(place: OwnerPlace, { request, log = [] }: OwnerQuestion, waited: OwnWaited | null): Promise<OwnerView> {
    const [port, ...source] = request.words;
    const seen = source.length === 0 && waited?.sighting?.by === 'event' ? waited.sighting : null;
    const isTold = seen && isSourceTold(seen, { ...watchedDoor(place.server, [port]), reader: 'owner' });
    const words = isTold ? [port, formatAddress(seen.key.family, seen.key.source)] : request.words;
    const lines = waited?.lines ?? [];
    if (!request.report) {
      const view = await doctorOwn(place, words);
      return { lines: [...lines, ...view.lines], data: { ...view.data, ...(waited && { seen: lines }) } };
    }
    const { takenAt, section } = await this.#section(place.server);
    const report = await ticketLines({
      ...{ place, section, words, takenAt, version: packageVersion(), waited: lines },
      events: [...log, ...(waited?.events ?? [])],
    });
    return { lines: report, data: { report } };
  }

  async #section({ name }: Server): Promise<Pick<ServersSeen, 'takenAt' | 'active'> & { section: ServerSection }> {
    const { takenAt, active, section: sectionOf } = await this.#seen.take();
    const section = sectionOf(name);
    if (!section) throw noSuchServer();
    return { takenAt, active, section };
  }

  async #status(server: OwnedServer, waiting: OwnWaiting | null): Promise<OwnerView> {
    const { takenAt, active, section } = await this.#section(server);
    const { rules, entries, changes } = server.owner.quotas;
    const used = useOf(server);
    const quotas = {
      rules: { used: used.rules, most: rules },
      entries: { used: used.entries, most: entries },
      changes,
    };
    const lines = waiting ? [waitingLine(waiting)] : [];
    return { lines, data: { takenAt, active, section: asOwn(section, waiting), quotas } };
  }

  #check(server: OwnedServer, { enforced }: Judging): OwnerView & { readonly findings: readonly Diagnostic[] } {
    const { path, text } = enforcedText(this.context, enforced);
    const findings = ownFindings(judgeText(path, text, { memory: this.memory }).diagnostics, text, server, path);
    return { lines: [`${server.name}: ok, ${server.rules.length} rules`], findings, data: {} };
  }

  #history(server: OwnedServer): OwnerView {
    const changes = ownChanges(readHistory(this.context.folder), server);
    return {
      lines: changes.length === 0 ? ['nothing was changed yet'] : changes.map(ownChangeLine),
      data: { changes },
    };
  }

  /** What a change of his section, or what was between two of them, did to his rows. */
  #diff(server: OwnedServer, ruleset: Ruleset, { enforced }: Judging, words: readonly string[]): OwnerView {
    const [from, to, extra] = words;
    if (from === undefined || extra !== undefined)
      throw new UsageError('diff compares two digests of history, or one with what is now', 'diff 1a2b3c4d5e6f');
    const { folder } = this.context;
    const source = enforcedText(this.context, enforced);
    const history = readHistory(folder);
    const at = (reference: string): Server => ownServerAt(folder, { history, own: server, source, reference });
    const [then, now] = [at(from), to === undefined ? server : at(to)];
    const plan = planRuleset({ ...ruleset, servers: [then] }, { ...ruleset, servers: [now] });
    const section = plan.sections.find(({ section: name }) => name === server.name) ?? null;
    return { lines: renderSectionPlan(section), data: { plan: section } };
  }

  async #change(
    server: OwnedServer,
    { author, request, inTurn }: OwnerQuestion,
    verb: ChangingVerb,
  ): Promise<OwnerView & { readonly findings?: readonly Diagnostic[] }> {
    const ends = {
      ...(request.for !== undefined && { for: request.for }),
      ...(request.until && { until: request.until }),
    };
    const confirmSeconds =
      request.confirm === undefined ? undefined : readConfirmTime(request.confirm, OWNERS_CONFIRM_SECONDS);
    const words = withEnd(request.words, readEnd(ends, Date.now(), 'delete ends a rule'));
    if (words.length === 0) throw new UsageError(`"${verb}" needs words behind it`);
    const { folder } = this.context;
    const edit = verb === 'rollback' ? backTo(folder, words) : editBy(VERBS[verb](words), server.name);
    this.#take(server);
    for (const row of verb === 'rollback' ? [] : rowsAmong(verb, words)) {
      const findings = findWrong(server, row);
      if (findings.length > 0) return { lines: [], findings, data: { changed: false } };
    }
    const what = [verb, ...words].join(' ');
    const changed = await changeRows(
      this.context,
      {
        ...{
          server: server.name,
          edit,
          ifDigest: request.ifDigest,
          author: { ...author, group: server.owner.group },
          what,
          confirmSeconds,
          memory: this.memory,
        },
        ...(request.message !== undefined && { reason: request.message }),
      },
      inTurn,
    );
    this.#seen.forget();
    switch (changed.kind) {
      case 'refused':
        return { lines: [], findings: changed.findings, data: { changed: false } };
      case 'unchanged':
        return { lines: [changed.message], data: { changed: false } };
      case 'applied':
        return {
          lines: [changed.message, 'applied', ...(changed.waiting ? [waitingLine(changed.waiting)] : [])],
          findings: changed.findings,
          data: { changed: true, ...(changed.waiting && { waiting: changed.waiting }) },
        };
    }
  }

  /** Costs none of his changes a minute: there are no more of it than of those. */
  async #decide({ author, inTurn }: OwnerQuestion, decision: Omit<Decision, 'author'>): Promise<OwnerView> {
    const by = { ...author, group: decision.own.owner.group };
    await decideOwn(this.context, { ...decision, author: by }, inTurn);
    this.#seen.forget();
    if (decision.word === 'confirmed') return { lines: ['confirmed: your rows hold'], data: { changed: false } };
    return { lines: ['taken back: your rows before judge again'], data: { changed: true } };
  }

  async #open({ name, owner }: OwnedServer, { author, request, inTurn }: OwnerQuestion): Promise<OwnerView> {
    const { words, for: time, message: reason } = request;
    const seconds = readOpening(words, time);
    this.#take({ name, owner });
    const wanted = {
      ...{ server: name, author: { ...author, group: owner.group } },
      ...(seconds !== undefined && { seconds }),
      ...(reason !== undefined && { reason }),
    };
    const view = await openOwn(this.context, wanted, inTurn);
    this.#seen.forget();
    return view;
  }

  #take({ name, owner }: Pick<OwnedServer, 'name' | 'owner'>): void {
    let rate = this.#rates.get(name);
    if (!rate) this.#rates.set(name, (rate = new ChangeRate()));
    rate.take(owner.quotas.changes, performance.now());
  }
}

/** What a change that waits says of itself, and his status until it does not. */
function waitingLine({ secondsLeft, by }: OwnWaiting): string {
  const left = `not confirmed yet: ${secondsLeft} s left, then your rows before judge again by themselves`;
  return by === 'owner'
    ? `${left} (confirm keeps these, rollback takes them back now)`
    : `${left} (your provider decides)`;
}

/**
 * The section without what of ALLOW ALL is not his: who opened it, why, and what it let in elsewhere. `waiting` says whose
 * it is to confirm.
 */
function asOwn(section: SnapshotSection, waiting: OwnWaiting | null): OwnSection {
  const { allowAll, ...own }: SnapshotSection = section;
  delete (own as { waiting?: unknown }).waiting;
  const server = own.server && { ...own.server, room: own.server.room && asOwnRoom(own.server.room) };
  const told = { ...own, ...(server && { server }), ...(waiting && { waiting }) } as OwnSection;
  if (!allowAll) return told;
  const { until, secondsLeft, rows } = allowAll;
  return { ...told, allowAll: { until, secondsLeft, rows: rows.filter((row) => row.section === section.name) } };
}

/** Shares as powers of two: what each has is what there is by the number of servers, which is nobody else's affair. */
function asOwnRoom({ flows, limits, events }: SnapshotRoom): SnapshotRoom {
  const least = <T extends { readonly share: number }>(room: T): T => ({
    ...room,
    share: 2 ** Math.floor(Math.log2(room.share)),
  });
  return { flows: least(flows), limits: least(limits), events: least(events) };
}

type OwnSection = Omit<SnapshotSection, 'allowAll' | 'waiting'> & {
  readonly allowAll?: OwnOpening;
  readonly waiting?: OwnWaiting;
};

/** An ALLOW ALL that his section is under, whatever else is. */
type OwnOpening = Pick<SnapshotOpening, 'until' | 'secondsLeft' | 'rows'>;

/** The same with lines that he can paste. */
function withOwnHint<T extends { readonly hint?: string | undefined }>(told: T, { server, socket }: OwnerQuestion): T {
  return told.hint === undefined ? told : { ...told, hint: ownHint(told.hint, server, socket) };
}

/** The answer to what is no request, or came where nobody may ask. */
export function refusedAnswer(
  server: string,
  { code, message, hint }: { readonly code: string; readonly message: string; readonly hint?: string | undefined },
): OwnerAnswer {
  return { ...answerOf(server, false, [], []), error: { code, message, ...(hint !== undefined && { hint }) } };
}

function answerOf(server: string, ok: boolean, lines: readonly string[], findings: readonly Diagnostic[]): OwnerAnswer {
  return {
    ...{ schemaVersion: 1, ok, server, lines },
    findings: findings.map(({ code, severity, message, hint, notes }) => ({
      ...{ code, severity, message, hint: hint ?? null },
      notes: notes.map((note) => note.message),
    })),
  };
}

/** Verbs of a request that change something. */
type ChangingVerb = (EditVerb & OwnerRequest['verb']) | 'rollback';

function isChanging(verb: OwnerRequest['verb']): verb is ChangingVerb {
  return verb in VERBS || verb === 'rollback';
}

function editBy(edit: Edit, server: string): OwnerChange['edit'] {
  return ({ text, path }) => edit({ text, file: path }, server);
}

function backTo(folder: StateFolder, [reference, extra]: readonly string[]): OwnerChange['edit'] {
  if (extra !== undefined) throw new UsageError(`"${extra}" has no place behind the digest`, 'rollback 1a2b3c4d5e6f');
  return (source, history, own) => rollBackOwn(folder, { history, own, source, reference });
}

function ownedIn(enforcement: Judging | null, name: string): Pick<Owned, 'server' | 'ruleset'> {
  const { record, trials } = enforcement ?? {};
  const ruleset = record && judgingRuleset(record.ruleset, trials ?? []);
  const server = ruleset?.servers?.find((one) => one.name === name);
  if (!ruleset || !server?.owner) throw noSuchServer();
  return { ruleset, server: { ...server, owner: server.owner } };
}

/** The text that is enforced, which its file may not hold any more. */
function enforcedText({ folder }: Context, enforced: Judging['enforced']): RulesetText {
  const text = enforced && readEnforcedText(folder, enforced);
  if (!enforced || text === null) throw noSuchServer();
  return { path: enforced.file, text, digest: enforced.textDigest };
}

function isRowVerb(verb: string): boolean {
  return (ROW_VERBS as readonly string[]).includes(verb);
}

/** What belongs to a change of rows alone. */
function refuseChange(request: OwnerRequest, mayTellWhy = false): void {
  for (const key of ['ifDigest', 'confirm', 'message'] as const)
    if (request[key] !== undefined && !(key === 'message' && mayTellWhy))
      throw new UsageError(`"${request.verb}" alone changes no rows`, `${key} belongs to what does`);
}

function refuseEnd({ verb, for: time, until }: OwnerRequest, mayBeFor = false): void {
  if ((time !== undefined && !mayBeFor) || until !== undefined)
    throw new UsageError(`"${verb}" has no end`, 'for and until belong to allow, deny, reject, limit and insert');
}

/** A list of addresses is long; what else he says is read without end only to be refused. */
function refuseLength({ verb, words }: OwnerRequest): void {
  const length = words.join(' ').length;
  if (length > MOST_CHARACTERS)
    throw new UsageError(`${length} characters behind ${verb}, at most ${MOST_CHARACTERS} are read`);
}

function refuseWait({ verb, wait, report }: OwnerRequest): void {
  if (wait !== undefined || report !== undefined)
    throw new UsageError(`"${verb}" waits for nobody, and makes no report`, 'wait and report belong to doctor');
}

function refuseWords({ verb, words }: OwnerRequest): void {
  if (words.length > 0) throw new UsageError(`"${words.join(' ')}" has no place behind ${verb}`, verb);
}
