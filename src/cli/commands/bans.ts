import { readFileSync } from 'node:fs';
import { Argument, type Command } from 'commander';
import { diagnosticsToJson } from '../../diagnostics/json';
import { MAX_BANS } from '../../kernel/datapath-maps';
import { banOfAddress } from '../../model/ban';
import { formatPrefix, type Prefix } from '../../model/prefix';
import type { Ban } from '../../operate/ban-file';
import { type EndOptions, readEnd } from '../../operate/edit/row-words';
import { hasErrors } from '../../operate/check';
import { banSources } from '../../operate/ban-sources';
import { listBans, unbanSources } from '../../operate/bans';
import { parseAddressText } from '../../parse/address';
import { parsePrefixList } from '../../parse/prefix-list';
import { explainReadError, readRegularFile } from '../../parse/read-file';
import { showFindings } from '../candidate';
import { EXIT, type ExitCode } from '../exit-code';
import { Exit, UsageError } from '../output';
import { onRun, type Run } from '../run';
import { callerAddress } from '../row-words';
import { ago, renderTable, span } from '../table';

interface BanOptions extends EndOptions {
  readonly exact?: boolean;
  readonly force?: boolean;
  readonly import?: string;
}

export function register(program: Command): void {
  const ban = program
    .command('ban')
    .description('drop everything from a source, above all rules, from now on: sluice ban 192.0.2.1 --for 1h')
    .argument('[source...]', 'addresses and prefixes; an IPv6 address stands for its /64')
    .option('--for <time>', 'how long: 90s, 30m, 1h30m, 7d; without end when left out')
    .option('--until <moment>', 'until when: 2027-01-31, 2027-01-31T18:00')
    .option('--exact', 'an IPv6 address alone, not its /64')
    .option('--import <file>', 'also the sources of a file, one a line ("-" is the standard input)')
    .option('--force', 'also the source of your own session');
  onRun<BanOptions>(ban, runBan);
  const unban = program
    .command('unban')
    .description('end a ban before its time: sluice unban 192.0.2.1, sluice unban me')
    .argument('[source...]', 'addresses and prefixes as they were banned')
    .option('--exact', 'an IPv6 address alone, not its /64')
    .option('--all', 'end all bans');
  onRun<{ exact?: boolean; all?: boolean }>(unban, runUnban);
  const bans = program
    .command('bans')
    .description('who is banned, for how long, and what that stopped')
    .addArgument(new Argument('[source]', 'only the bans that hold this address'));
  onRun(bans, runBans);
}

async function runBan(run: Run<BanOptions>, words: string[]): Promise<ExitCode> {
  const { options, output } = run;
  const nowMs = Date.now();
  const untilMs = readEnd(options, nowMs, 'sluice unban ends a ban');
  const sources = [
    ...(await withOwn(run, words)).map((word) => readSource(run, word, options.exact ?? false)),
    ...(options.import === undefined ? [] : importSources(run, options.import)),
  ];
  if (sources.length === 0) throw new UsageError('nobody to ban', 'sluice ban 192.0.2.1 --for 1h');
  const outcome = await banSources(await run.context(), sources, {
    untilMs,
    force: options.force ?? false,
    leaveOut: options.import !== undefined,
  });
  const how = untilMs === null ? 'without end' : `for ${span(untilMs - nowMs)}`;
  if (options.import === undefined) {
    for (const { ban, before } of outcome.banned)
      output.line(`banned ${formatPrefix(ban.prefix)} ${how}${before ? ` (it was ${lasting(before, nowMs)})` : ''}`);
  } else {
    output.line(`banned ${outcome.banned.length} sources ${how}; ${outcome.total} bans in all`);
  }
  for (const { prefix, why } of outcome.leftOut) output.say(`warning: ${formatPrefix(prefix)} is not banned: ${why}`);
  sayInactive(run, outcome.active);
  output.document({
    banned: options.import === undefined ? outcome.banned.map(({ ban }) => banToJson(ban)) : outcome.banned.length,
    leftOut: outcome.leftOut.map(({ prefix, why }) => ({ source: formatPrefix(prefix), why })),
    active: outcome.active,
    total: outcome.total,
  });
  return EXIT.DONE;
}

async function runUnban(run: Run<{ exact?: boolean; all?: boolean }>, words: string[]): Promise<ExitCode> {
  const { options, output } = run;
  const sources = (await withOwn(run, words)).map((word) => readSource(run, word, options.exact ?? false));
  if (options.all ? sources.length > 0 : sources.length === 0)
    throw new UsageError('whom to unban? sources, or --all', 'sluice unban 192.0.2.1');
  const outcome = await unbanSources(await run.context(), options.all ? 'all' : sources);
  const nowMs = Date.now();
  if (options.all) output.line(`ended ${outcome.ended.length} bans`);
  else for (const { prefix } of outcome.ended) output.line(`unbanned ${formatPrefix(prefix)}`);
  for (const prefix of outcome.unknown) output.line(`${formatPrefix(prefix)} is not banned`);
  for (const ban of outcome.remaining.slice(0, MAX_NAMED))
    output.say(`note: the ban of ${formatPrefix(ban.prefix)} stays, ${lasting(ban, nowMs)}`);
  if (outcome.remaining.length > MAX_NAMED)
    output.say(`note: and ${outcome.remaining.length - MAX_NAMED} more: sluice bans`);
  sayInactive(run, outcome.active);
  output.document({
    ended: options.all ? outcome.ended.length : outcome.ended.map(banToJson),
    unknown: outcome.unknown.map(formatPrefix),
    remaining: outcome.remaining.map(banToJson),
    active: outcome.active,
    total: outcome.total,
  });
  return EXIT.DONE;
}

async function runBans(run: Run<object>, word: string | undefined): Promise<ExitCode> {
  const { output } = run;
  const [named] = await withOwn(run, word === undefined ? [] : [word]);
  const source = named === undefined ? null : readSource(run, named, true);
  const list = await listBans(await run.context(), source);
  const now = new Date();
  if (list.warning !== undefined) output.say(`warning: ${list.warning}`);
  if (list.bans.length > 0) {
    const columns = [{ title: 'Source' }, { title: 'Ends' }, { title: 'Hits', right: true }, { title: 'Last hit' }];
    const rows = list.bans.map((ban) => [
      formatPrefix(ban.prefix),
      ban.untilMs === null ? 'never' : `in ${span(ban.untilMs - now.getTime())}`,
      ban.packets.toString(),
      ago(isoOf(ban.lastHitMs), now.toISOString()),
    ]);
    output.line(renderTable(columns, rows));
  } else {
    output.line(source ? `${formatPrefix(source)} is not banned` : 'nobody is banned');
  }
  sayInactive(run, list.active);
  output.document({ bans: list.bans.map(banToJson), active: list.active });
  return EXIT.DONE;
}

/** Bans that a note names. */
const MAX_NAMED = 5;

function sayInactive({ output }: Run<object>, active: boolean): void {
  if (!active) output.say('note: nothing is enforced; bans hold from sluice enable on');
}

/** Sources with the caller's address in place of `me`. */
async function withOwn(run: Run<object>, words: readonly string[]): Promise<string[]> {
  if (!words.some(isMe)) return [...words];
  const own = await callerAddress(await run.context());
  return words.map((word) => (isMe(word) ? own : word));
}

function isMe(word: string): boolean {
  return word.toLowerCase() === 'me';
}

function readSource({ output }: Run<object>, word: string, exact: boolean): Prefix {
  if (/^[a-z][\w-]*$/i.test(word)) {
    throw new UsageError(
      `"${word}" is not an address or a prefix, which is what a ban is about`,
      `a set stays out by a rule: sluice deny from ${word}; the lines of a file: sluice ban --import FILE`,
    );
  }
  const reading = parseAddressText(word);
  if (reading.kind === 'refused') throw new UsageError(reading.problem.message, reading.problem.hint);
  if (reading.warning) output.say(`warning: ${reading.warning.message}`);
  // Written with its length an address is meant exactly so.
  const prefix = banOfAddress(reading.prefix, exact || word.includes('/'));
  if (prefix !== reading.prefix) output.say(`note: ${word} stands for its /64 here; the address alone: --exact`);
  return prefix;
}

/** The sources of a list; findings about it end the command. */
function importSources(run: Run<BanOptions>, file: string): Prefix[] {
  let bytes: Uint8Array;
  try {
    bytes = file === '-' ? readFileSync(0) : readRegularFile(file);
  } catch (error) {
    throw new UsageError(`"${file}" cannot be read: ${explainReadError(error).why}`);
  }
  const name = file === '-' ? 'standard input' : file;
  const { prefixes, diagnostics, overflow } = parsePrefixList(bytes, name, MAX_BANS);
  const text = Buffer.from(bytes).toString('utf8');
  const failed = hasErrors(diagnostics);
  showFindings(run, { path: name, text, digest: '' }, diagnostics, failed ? 'nobody was banned.' : undefined);
  if (overflow) throw new UsageError(`"${name}" has more than ${MAX_BANS} lines, the most bans there can be`);
  if (failed) {
    run.output.document({ diagnostics: diagnosticsToJson(diagnostics) }, EXIT.RULESET);
    throw new Exit(EXIT.RULESET);
  }
  return prefixes.map((prefix) => banOfAddress(prefix, run.options.exact ?? false));
}

function lasting({ untilMs }: Ban, nowMs: number): string {
  return untilMs === null ? 'without end' : `for another ${span(untilMs - nowMs)}`;
}

function isoOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function banToJson({ prefix, untilMs, packets, lastHitMs }: Ban): object {
  return {
    source: formatPrefix(prefix),
    until: isoOf(untilMs),
    packets: packets.toString(),
    lastHit: isoOf(lastHitMs),
  };
}
