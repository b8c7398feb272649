/**
 * What a boot needs: the last rulesets that enforced, as they were compiled (sets resolved, so that nothing an editor or
 * a download has touched since counts), and from what the built-in one is made where none of them loads.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { linkAtomically, syncFolder } from './atomic-write';
import type { Kernel } from '../kernel/kernel';
import { listTcpSockets, socketOwners } from '../kernel/sockets';
import type { Prefix } from '../model/prefix';
import { SluiceError } from '../kernel/errors';
import type { AttachMode, Rule, Ruleset, Server } from '../model/ruleset';
import { parseRuleset } from '../parse/parse';
import type { Context } from './context';
import { type GenerationRecord, generationFile, readRecordFile } from './generation-record';
import { contentDigest } from './digest';
import { readSetFile } from './ruleset-file';
import type { StateRead } from './sealed-file';
import { packLists, unpackLists, walkRules } from './shared-lists';
import { isSshServer, sshServerPortsOf } from './ssh-server';
import {
  type EnforcedState,
  makeFolder,
  readStateFile,
  type StateFolder,
  textFile,
  writeStateFile,
} from './state-files';
import { errnoOf, fileError } from './system-error';

/** What the next boot does, and what it needs when no saved ruleset loads. */
export interface BootPlan {
  /** `nothing` since `disable`. */
  readonly load: 'ruleset' | 'nothing';
  /** Generation that enforced when this was written, and its installation. */
  readonly instance: string;
  readonly generation: number;
  /** Digests of that ruleset's image and text; empty where there was none. */
  readonly digest: string;
  readonly textDigest: string;
  readonly builtIn: BuiltInFacts;
}

/** Facts of the last ruleset and its machine that the built-in one keeps. */
export interface BuiltInFacts {
  /** `open`: better no filter than the built-in one (`boot: open`). */
  readonly boot: 'closed' | 'open';
  readonly interfaces: readonly string[];
  readonly mode: AttachMode;
  /** Ports of the SSH row and those on which an SSH server listened. */
  readonly sshPorts: readonly number[];
  readonly keepReachable: readonly Rule[];
}

/** A ruleset that enforced once, and its text. */
export interface SavedRuleset {
  readonly record: GenerationRecord;
  readonly text: string;
}

/** Rulesets that are kept: the last one, and those to fall back to. */
export const SAVED_RULESETS = 3;

const PLAN = 'boot.json';
const PLAN_SCHEMA = 2;
/** In which each row has its own copies of the lists of addresses it names. */
const PLAN_WITHOUT_LISTS = 1;

/**
 * Keeps what enforces now for the next boot. Its record and its text are in the folder already: they get a second name,
 * which costs nothing however large they are. `instead`: in the place of the newest that is kept.
 */
export async function saveForBoot(
  { kernel, folder, netns }: Context,
  ruleset: Ruleset,
  enforced: EnforcedState & { readonly instance: string },
  { instead = false } = {},
): Promise<void> {
  const { generation, instance, interfaces, mode, rulesetDigest: digest, textDigest } = enforced;
  keepRuleset(folder, enforced, instead);
  const listening = await listeningSshPorts(kernel, netns);
  // The daemon may not look at whose sockets they are, when it ends a rule: then what was known before holds.
  const known = listening.length > 0 ? listening : (readBootPlan(folder).value?.builtIn.sshPorts ?? []);
  const sshPorts = [...(ruleset.inbound.ssh?.ports ?? []), ...known];
  const builtIn: BuiltInFacts = {
    boot: ruleset.boot ?? 'closed',
    interfaces,
    mode,
    sshPorts: [...new Set(sshPorts)].sort((a, b) => a - b),
    keepReachable: ruleset.guard.keepReachable,
  };
  const plan: BootPlan = { load: 'ruleset', instance, generation, digest, textDigest, builtIn };
  writePlan(folder, plan);
}

function writePlan(folder: StateFolder, plan: BootPlan): void {
  const { lists, packed } = packLists(plan.builtIn.keepReachable, walkRules);
  const builtIn = { ...plan.builtIn, keepReachable: packed };
  writeStateFile(folder, PLAN, PLAN_SCHEMA, { ...plan, builtIn, lists });
}

async function listeningSshPorts(kernel: Kernel, netns: string | undefined): Promise<number[]> {
  const sockets = await listTcpSockets(kernel, netns);
  const inodes = sockets.filter(({ state }) => state === 'listen').map(({ inode }) => inode);
  return sshServerPortsOf(sockets, socketOwners(inodes, isSshServer));
}

/** From now on a boot loads nothing; what was saved is kept. */
export function saveNothingForBoot(folder: StateFolder): void {
  const plan = readBootPlan(folder).value;
  if (plan?.load === 'nothing') return;
  const builtIn: BuiltInFacts = { boot: 'closed', interfaces: [], mode: 'auto', sshPorts: [], keepReachable: [] };
  const kept = plan ?? { instance: '', generation: 0, digest: '', textDigest: '', builtIn };
  writePlan(folder, { ...kept, load: 'nothing' });
}

/** What the next boot does; null where nothing was ever enforced, or the file is lost. */
export function readBootPlan(folder: StateFolder): StateRead<BootPlan> {
  const check = (body: unknown): BootPlan => {
    const { lists, ...plan } = (body ?? {}) as Partial<BootPlan> & { lists?: readonly (readonly Prefix[])[] };
    const { interfaces, sshPorts, keepReachable, boot } = plan.builtIn ?? {};
    const sound =
      (plan.load === 'ruleset' || plan.load === 'nothing') &&
      (boot === 'closed' || boot === 'open') &&
      [plan.instance, plan.digest, plan.textDigest].every((text) => typeof text === 'string') &&
      Number.isSafeInteger(plan.generation) &&
      [interfaces, sshPorts, keepReachable].every(Array.isArray);
    if (!sound) throw new Error('fields are missing');
    const sure = plan as BootPlan;
    if (!lists) return sure;
    const packed = sure.builtIn.keepReachable;
    return { ...sure, builtIn: { ...sure.builtIn, keepReachable: unpackLists({ lists, packed }, walkRules) } };
  };
  return readStateFile(folder, PLAN, PLAN_SCHEMA, check, PLAN_WITHOUT_LISTS);
}

/** Numbers of the saved rulesets, newest first. */
export function savedRulesets(folder: StateFolder): number[] {
  let names: string[];
  try {
    names = fs.readdirSync(folder.path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw fileError('state/read', 'read', folder.path, error);
  }
  return names
    .flatMap((name) => /^saved-(\d{1,15})\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => b - a);
}

/**
 * Reads a saved ruleset; without its text it is as good as lost, since nobody could tell what enforces. Rows of servers, which
 * all that are saved may share a file of, are read from that text where the file is lost: then there is a warning too.
 */
export function readSavedRuleset(folder: StateFolder, number: number): StateRead<SavedRuleset> {
  const lost: string[] = [];
  const fromText = ({ source }: GenerationRecord, why: string): readonly Server[] => {
    const text = readSavedText(folder, number, source.textDigest);
    const { ruleset } = parseRuleset(text, { file: source.file, readFile: readSetFile });
    if (!ruleset) throw new Error(why);
    lost.push(`${why}; servers are read from the text that was applied, with lists of addresses as they are today`);
    return ruleset.servers ?? [];
  };
  const { value: record, warning = lost.at(0) } = readRecordFile(folder, savedFile(number), fromText);
  const told = warning !== undefined && { warning };
  if (!record) return { value: null, ...told };
  try {
    return { value: { record, text: readSavedText(folder, number, record.source.textDigest) }, ...told };
  } catch (error) {
    if (error instanceof SluiceError) return { value: null, warning: error.message };
    throw error;
  }
}

function readSavedText(folder: StateFolder, number: number, digest: string): string {
  const file = join(folder.path, savedText(number));
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw fileError('state/read', 'read', file, error);
  }
  if (contentDigest(text) === digest) return text;
  throw new SluiceError('state/read', `"${file}" is not the text that "${savedFile(number)}" names`);
}

/** The text first: a record without its text does not count. What is the same as the newest takes its place. */
function keepRuleset(
  folder: StateFolder,
  { generation, textDigest, rulesetDigest }: EnforcedState,
  instead: boolean,
): void {
  makeFolder(folder);
  const numbers = savedRulesets(folder);
  const newest = readBootPlan(folder).value;
  const same = newest?.digest === rulesetDigest && newest.textDigest === textDigest;
  const number = same && numbers.length > 0 ? numbers[0] : (numbers[0] ?? 0) + 1;
  link(textFile(folder, textDigest), join(folder.path, savedText(number)));
  link(join(folder.path, generationFile(generation)), join(folder.path, savedFile(number)));
  syncFolder(folder.path);
  const others = numbers.filter((kept) => kept !== number && !(instead && kept === numbers[0]));
  const gone = numbers.filter((kept) => kept !== number && !others.slice(0, SAVED_RULESETS - 1).includes(kept));
  for (const old of gone) {
    fs.rmSync(join(folder.path, savedFile(old)), { force: true });
    fs.rmSync(join(folder.path, savedText(old)), { force: true });
  }
}

/** Gives a file a second name, in place of what had it. */
function link(file: string, name: string): void {
  try {
    linkAtomically(file, name);
  } catch (error) {
    throw fileError('state/write', 'write', name, error);
  }
}

function savedFile(number: number): string {
  return `saved-${number}.json`;
}

function savedText(number: number): string {
  return `saved-${number}.text`;
}
