/**
 * A change of one server's rows by its owner: the enforced file is edited at that server's place, as the operator's verbs
 * with `--server` do, checked, and applied. Nothing else in it changes, and nothing of it is told.
 */
import { dirname, join } from 'node:path';
import type { CheckMemory } from '../check-memory';
import type { Diagnostic } from '../../diagnostics/diagnostic';
import { SluiceError } from '../../kernel/errors';
import type { Server, SourceRange } from '../../model/ruleset';
import { partOf, splitBundle } from '../../parse/bundle';
import { type ApplyOptions, applyRuleset } from '../apply';
import type { Author } from '../change-note';
import { checkRuleset } from '../check';
import type { Context } from '../context';
import { beginDigest } from '../digest';
import { pairAt } from '../edit/edited-section';
import type { EditOutcome, EditRefused } from '../edit/outcome';
import { editServer } from '../edit/excerpt';
import { openSectionFile } from '../edit/section-file';
import { blockEnd, lineStart, nextLine } from '../edit/section-lines';
import { pairEnd } from '../edit/yaml-text';
import { type Candidate, UnfinishedError } from '../enforce';
import { openForEdit } from '../enforced-file';
import { type Judging, readJudging } from '../enforcement';
import { type History, readHistory } from '../history';
import { takeBackInterrupted, withNote } from '../interrupted';
import { withWriterLock } from '../lock';
import { beginLook } from '../look';
import { noteWithoutFolder, type RulesetText, writeRulesetText } from '../ruleset-file';
import { isDigest, sectionDigest, shownDigest } from '../section-digest';
import { beginKeepText } from '../state-files';
import { beginExchange } from '../text-file';
import { judgingRuleset, waits } from '../trial-state';
import { SectionPendingError } from '../trials';
import type { OwnedServer } from './owned-server';
import { ownChangeLine, ownChanges } from './own-history';
import { type OwnWaiting, ownWaiting, requireNoOther, stillWaiting } from './own-trial';
import { type InTurn, withPatience } from './patience';
import { requireQuota, useOf } from './quota';
import { noSuchServer, OwnerRefusal, refusedByProvider } from './refusal';

/** What an owner wants. */
export interface OwnerChange {
  readonly server: string;
  /** What it does to the text; `history` and `own` are as they are then. */
  readonly edit: (document: RulesetText, history: History, own: OwnedServer) => EditOutcome;
  /** Digest of the section that he saw; left out: whatever is there. */
  readonly ifDigest?: string | undefined;
  readonly author: Author;
  /** The verb with its words, and why, for the history. */
  readonly what: string;
  readonly reason?: string;
  /** It waits so long to be confirmed, with nothing of anybody else; left out: it holds at once. */
  readonly confirmSeconds?: number | undefined;
  /** What this process compiled before: the other servers are not compiled again. */
  readonly memory?: CheckMemory;
}

/** What came of it; `findings` are about his rows. */
export type OwnerChanged =
  | { readonly kind: 'refused'; readonly findings: readonly Diagnostic[] }
  | { readonly kind: 'unchanged'; readonly message: string; readonly hint?: string }
  | {
      readonly kind: 'applied';
      readonly message: string;
      readonly findings: readonly Diagnostic[];
      readonly waiting: OwnWaiting | null;
    };

/** The servers that judge and have an owner: what was not confirmed in time has none any more. */
export function ownedIn(enforcement: Pick<Judging, 'record' | 'trials'> | null): OwnedServer[] {
  const { record, trials } = enforcement ?? {};
  const ruleset = record && judgingRuleset(record.ruleset, trials ?? []);
  return (ruleset?.servers ?? []).filter((server): server is OwnedServer => server.owner !== undefined);
}

/**
 * Edits and applies. Throws an `OwnerRefusal`, and whatever reading, writing and applying throw: the file is then as it
 * was. Where the file or what enforces changes under it, it begins anew from what is there then, so that both changes land;
 * each try is made by `inTurn`, and nobody has to wait for what is waited for in between.
 */
export async function changeRows(
  context: Context,
  change: OwnerChange,
  inTurn: InTurn = (work) => work(),
): Promise<OwnerChanged> {
  const attempt = async (): Promise<OwnerChanged> => {
    await takeBackInterrupted(context);
    return tryChange(context, change);
  };
  return withPatience(inTurn, () => withWriterLock(context, attempt, 0));
}

async function tryChange(
  context: Context,
  { server, edit, author, what, reason, confirmSeconds, ifDigest, memory }: OwnerChange,
): Promise<OwnerChanged> {
  const now = readJudging(context);
  const own = ownedIn(now).find(({ name }) => name === server);
  if (!now || !own) throw noSuchServer();
  requireTidy(now);
  requireNoOther(now, own);
  const { source, enforced, record } = await openForEdit(context, '', undefined, now);
  if (!enforced || !record) throw noSuchServer();
  const history = readHistory(context.folder);
  const digest = sectionDigest(record.ruleset, server);
  if (ifDigest !== undefined && !isDigest(ifDigest, digest)) throw changedMeanwhile(history, own, digest, ifDigest);
  const outcome = editServer(source, record, server, (document) => edit(document, history, own));
  if (outcome.kind === 'unchanged') return outcome;
  if (outcome.kind === 'refused') return refusedEdit(outcome, own, source.path);
  const look = beginLook(context, enforced.interfaceOverride ?? record.ruleset.interfaces);
  // Of thousands of servers the text is megabytes: it goes to the disk meanwhile.
  const giveUp = beginKeepText(context.folder, outcome.text);
  const digested = beginDigest(outcome.text);
  const isOneFile = splitBundle(outcome.text).dir === null;
  const exchange = isOneFile ? beginExchange(source.path, outcome.text) : null;
  try {
    const { diagnostics, ruleset, image } = checkRuleset(source.path, outcome.text, memory ? { memory } : {});
    // What stands above his server is as it was: so it begins where it did.
    const findings = ownFindings(diagnostics, outcome.text, own, source.path);
    if (!ruleset || !image) return refusedFor(findings, diagnostics);
    if (isOneFile) noteWithoutFolder(outcome.text);
    const after = ruleset.servers?.find(({ name }) => name === server);
    requireQuota(useOf(own), useOf(after ?? { rules: [] }), own.owner.quotas);
    const { interfaceOverride } = enforced;
    const enforcedRuleset = interfaceOverride ? { ...ruleset, interfaces: interfaceOverride } : ruleset;
    const candidate = {
      ...{ file: source.path, text: outcome.text, ruleset: enforcedRuleset, image },
      ...(interfaceOverride && { interfaceOverride }),
    };
    const intent = { what: `${what} --server ${server}`, author, ...(reason !== undefined && { reason }) };
    const options = { intent, inPlaceOf: record, edited: true, look, ...(memory && { memory }) };
    const waits = confirmSeconds !== undefined && { confirmSeconds, alone: server };
    await Promise.all([exchange?.ready, digested]);
    await writeAndApply(context, source, candidate, { ...options, ...waits });
    const enforcement = readJudging(context);
    const waiting = enforcement && ownWaiting(enforcement, own);
    return { kind: 'applied', message: outcome.message, findings, waiting };
  } catch (error) {
    if (error instanceof SectionPendingError && error.section === server) throw stillWaiting();
    throw error;
  } finally {
    await Promise.all([giveUp(), exchange?.giveUp(), digested]);
  }
}

/** What is over is soon tidied up after; until then texts say something else than what judges. */
function requireTidy({ trials, pending }: Judging): void {
  if (pending || trials.every(waits)) return;
  throw new SluiceError('operate/changed', 'what was not confirmed is being tidied up after');
}

/** He is told what became of his rows since, and by whom: himself, or his provider. */
function changedMeanwhile(history: History, own: OwnedServer, digest: string | null, given: string): OwnerRefusal {
  const now = `your rows are not as you saw them: their digest is ${shownDigest(digest)}, not "${given}"`;
  const lines = ownChanges(history, own).slice(-MENTIONED).map(ownChangeLine);
  return new OwnerRefusal('owner/changed', [now, ...lines].join('\n  '), {
    hint: `nothing was changed; look at them, then --if-digest ${shownDigest(digest)}`,
  });
}

/** Changes that are mentioned where rows are not as somebody saw them. */
const MENTIONED = 3;

async function writeAndApply(
  context: Context,
  source: RulesetText,
  candidate: Candidate,
  options: ApplyOptions & { readonly dryRun?: false },
): Promise<void> {
  const { path: file, digest: before } = source;
  await withNote(context.folder, { file, before: source.text, after: candidate.text }, async () => {
    const written = writeRulesetText(file, candidate.text, before);
    try {
      await applyRuleset(context, candidate, options);
    } catch (error) {
      // What enforces, if unfinished or by somebody who was faster, belongs where it is.
      if (!(error instanceof UnfinishedError) && !isEnforced(context, written.digest))
        writeRulesetText(file, source.text, written.digest);
      throw error;
    }
  });
}

function isEnforced(context: Context, digest: string): boolean {
  return readJudging(context)?.enforced?.textDigest === digest;
}

/** An edit that was refused: by what is wrong with the words, or by what the provider has written. */
function refusedEdit({ text, diagnostics }: EditRefused, server: OwnedServer, file: string): OwnerChanged {
  const about = diagnostics.find(({ code }) => code.startsWith('edit/'));
  if (about?.code === 'edit/no-such-server') throw noSuchServer();
  if (about?.code === 'edit/by-hand')
    throw new OwnerRefusal('owner/provider', 'your provider has written your rows in a way that only he can change', {
      hint: 'nothing was changed; ask him',
    });
  return refusedFor(about ? [about] : ownFindings(diagnostics, text, server, file), diagnostics);
}

/** `all`: what was found, of which `findings` are about his rows. */
function refusedFor(findings: readonly Diagnostic[], all: readonly Diagnostic[]): OwnerChanged {
  const isError = ({ severity }: Diagnostic): boolean => severity === 'error';
  if (findings.some(isError)) return { kind: 'refused', findings };
  const why = all.find(isError);
  throw refusedByProvider(why ? `${why.code}: ${why.message}` : null);
}

/** What is found at a server and counts those of others: how much there is in all is the provider's to know. */
const PROVIDERS: ReadonlySet<string> = new Set(['lint/owner-quotas', 'compile/capacity', 'parse/rules-in-all']);

/** Those that are about the server's own section, with the notes that are. */
export function ownFindings(
  diagnostics: readonly Diagnostic[],
  text: string,
  server: WrittenServer,
  file: string,
): readonly Diagnostic[] {
  const isOwn = diagnostics.length === 0 ? null : placesOf(text, server, file);
  if (!isOwn) return [];
  return diagnostics
    .filter(({ source, code }) => isOwn(source) && !PROVIDERS.has(code))
    .map((finding) => ({ ...finding, notes: finding.notes.filter(({ source }) => isOwn(source)) }));
}

/** Whether a place is in the section of the server; null where the text does not say where that begins. */
export function placesOf(
  text: string,
  server: WrittenServer,
  file: string,
): ((source: SourceRange | undefined) => boolean) | null {
  const { name, source } = server;
  const place = (source && linesOf(text, { name, source }, file)) ?? placeOf(text, server, file);
  if (!place) return null;
  const { path, start, end } = place;
  return (source) => source?.file === path && source.offset >= start && source.offset < end;
}

/** A server, and where it stood when it was read, if it was. */
type WrittenServer = Pick<Server, 'name'> & Partial<Pick<Server, 'source'>>;

/** Where a server is written. */
interface WrittenPlace {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** By the lines that begin at the place where it stood; null where these are not its own. */
function linesOf(text: string, { name, source }: Pick<Server, 'name' | 'source'>, file: string): WrittenPlace | null {
  const bundle = splitBundle(text);
  if (bundle.dir !== null) {
    const part = partOf(bundle, name);
    return part ? { path: join(dirname(file), part.path), start: 0, end: part.text.length + 1 } : null;
  }
  const { offset } = source;
  const begin = lineStart(text, offset);
  if (source.file !== file || !/^ +$/.test(text.slice(begin, offset))) return null;
  if (
    !text.startsWith(`${name}:`, offset) ||
    !/^\s*(?:#.*)?$/.test(text.slice(offset + name.length + 1, nextLine(text, offset)))
  )
    return null;
  return { path: file, start: offset, end: blockEnd(text, begin, offset - begin) };
}

/** By the whole document, however it is written; null where there is no such server. */
function placeOf(text: string, { name }: Pick<Server, 'name'>, file: string): WrittenPlace | null {
  const at = openSectionFile(text, file, { server: name });
  const pair = pairAt(at.yaml, { server: name });
  if (pair?.key.range === undefined || String((pair.key as { value?: unknown }).value) !== name) return null;
  const isWholeFile = at.yaml.server !== undefined;
  const [start, end] = isWholeFile ? [0, at.yaml.text.length + 1] : [pair.key.range![0], pairEnd(pair)];
  return { path: at.path, start, end };
}
