import { type Command, Option } from 'commander';
import { parseDuration } from '../../parse/time';
import { allowAll, endAllowAll, enforcedSections, MAX_OPEN_SECONDS } from '../../operate/allow-all';
import type { Opening } from '../../operate/opening-file';
import { currentOpenings, type LiveOpening } from '../../operate/openings';
import { authorWords, whenWords } from '../../operate/render-history';
import { openedWords, openingEndWords, reportLines } from '../../operate/render-openings';
import { confirm } from '../ask';
import { addMessageOption } from '../change-option';
import { EXIT, type ExitCode } from '../exit-code';
import { UsageError } from '../output';
import { onRun, type Run } from '../run';
import { addServerOption, type ServerOption } from '../server-option';
import { span } from '../table';

const EXAMPLE = 'sluice allow-all gpu-17 --for 10m';

interface AllowAllOptions extends ServerOption {
  readonly for?: string;
  readonly everything?: boolean;
  readonly yes?: boolean;
  readonly message?: string;
}

export function register(program: Command): void {
  const command = program
    .command('allow-all')
    .description(
      `let in for a while what the rows of a server, or of inbound, refuse: ${EXAMPLE}; the kernel ends it by itself, ` +
        'and who looks is told what would have been refused. sluice allow-all off gpu-17 ends it now; without words: what is open',
    )
    .argument('[words...]', 'a server, or inbound (left out where there are no servers); or off, and what')
    .addOption(new Option('--for <time>', `for how long: 90s, 10m, 2h; at most ${MAX_OPEN_SECONDS / 3600} h`))
    .addOption(new Option('--everything', 'inbound and all servers, whatever their number'))
    .option('-y, --yes', 'do not ask (--everything)');
  addServerOption(command, 'the server that is meant, as in words');
  onRun<AllowAllOptions>(addMessageOption(command), (run, given: string[]): Promise<ExitCode> => {
    const { for: time, everything = false, server } = run.options;
    const words = server === undefined || given.at(-1) === server ? given : [...given, server];
    if (words[0]?.toLowerCase() === 'off') return end(run, words.slice(1));
    if (words.length > 1) throw new UsageError(`"${words.join(' ')}" is more than one server`, EXAMPLE);
    if (words.length === 0 && time === undefined && !everything) return list(run);
    if (time === undefined)
      throw new UsageError(
        'for how long? ALLOW ALL always has an end',
        `${EXAMPLE}; at most ${MAX_OPEN_SECONDS / 3600} h`,
      );
    const seconds = readSeconds(time);
    if (everything && words.length > 0)
      throw new UsageError(
        `--everything is more than ${words[0]}`,
        `${EXAMPLE}; or: sluice allow-all --everything --for ${time}`,
      );
    return open(run, everything ? null : words.at(0), seconds);
  });
}

/** `section`: null is the whole edge, undefined what there is where there are no servers. */
async function open(run: Run<AllowAllOptions>, section: string | null | undefined, seconds: number): Promise<ExitCode> {
  const context = await run.context();
  const sections = await enforcedSections(context);
  if (section === undefined && sections.length > 1)
    throw new UsageError(
      `which of ${sections.length} sections? ${shorten(sections)}`,
      `sluice allow-all ${sections[1]} --for ${run.options.for}; all of them: sluice allow-all --everything --for ${run.options.for}`,
    );
  if (section === null) {
    run.output.say(`this opens ${sections.length} sections: ${shorten(sections)}`);
    run.output.say('sanity checks, bans and the guard go on; nothing else of what comes in is refused');
    if (!(await confirm(`open the whole edge for ${span(seconds * 1000)}?`, run.options.yes ?? false))) {
      run.output.line('nothing was changed');
      run.output.document({ outcome: 'kept' }, EXIT.REFUSED);
      return EXIT.REFUSED;
    }
  }
  const { message: reason } = run.options;
  const meant = section === undefined ? sections[0] : section;
  const { opening, wasOpen } = await allowAll(context, meant, { seconds, ...(reason !== undefined && { reason }) });
  const what = section === null ? 'the whole edge' : opening.section;
  run.output.line(
    `${what} ${wasOpen ? 'stays' : 'is'} under ALLOW ALL until ${whenWords(opening.until)} UTC (${span(seconds * 1000)}): the kernel ends it by itself`,
  );
  run.output.say('bans, the guard and sanity checks go on; sluice status tells which rows would have refused what');
  run.output.document({ outcome: wasOpen ? 'prolonged' : 'opened', allowAll: toJson(opening) });
  return EXIT.DONE;
}

async function end(run: Run<AllowAllOptions>, words: readonly string[]): Promise<ExitCode> {
  const { for: time, everything = false } = run.options;
  if (time !== undefined) throw new UsageError('off takes no --for: it ends now', 'sluice allow-all off gpu-17');
  if (words.length > 1 || (everything && words.length > 0))
    throw new UsageError(`"off ${words.join(' ')}" is more than one`, 'sluice allow-all off gpu-17');
  const context = await run.context({ tidyUp: false });
  const [name] = words;
  const ended = await endAllowAll(context, everything ? null : (name ?? { all: true }));
  const open = currentOpenings(context);
  // One that had just ended by itself is told of too, and is not the one that is meant.
  const isMeant = ({ section }: Opening): boolean => name === undefined || section === name;
  if (!ended.some(isMeant)) {
    const what = everything ? 'the whole edge is' : name === undefined ? 'nothing is' : `${name} is`;
    const not = name === undefined && !everything ? '' : ' not';
    run.output.line(`${what}${not} under ALLOW ALL`);
  }
  for (const opening of ended) {
    run.output.line(`ALLOW ALL of ${openedWords(opening)} ${openingEndWords(opening)} UTC`);
    for (const line of reportLines(opening)) run.output.line(line);
  }
  if (open.length > 0) run.output.say(`still under ALLOW ALL: ${open.map(openedWords).join(', ')}`);
  run.output.document({ outcome: ended.length > 0 ? 'ended' : 'not-open', ended: ended.map(toJson) });
  return EXIT.DONE;
}

async function list(run: Run<AllowAllOptions>): Promise<ExitCode> {
  const openings = currentOpenings(await run.context());
  if (openings.length === 0) run.output.line('nothing is under ALLOW ALL');
  for (const opening of openings) {
    const { until, author, reason } = opening;
    const why = reason === undefined ? '' : ` (${reason})`;
    run.output.line(
      `${openedWords(opening)}: until ${whenWords(until)} UTC, ${leftWords(opening)}, by ${authorWords(author)}${why}`,
    );
    for (const line of reportLines(opening)) run.output.line(line);
  }
  run.output.document({ allowAll: openings.map(toJson) });
  return EXIT.DONE;
}

function leftWords({ leftNs }: LiveOpening): string {
  return leftNs > 0n ? `${span(Number(leftNs / 1_000_000n))} left` : 'over';
}

/** As the file keeps it, without what only the next fold needs. */
function toJson(opening: Opening): Omit<Opening, 'folded' | 'instance'> {
  const { section, at, until, author, reason, ended, packets, bytes, unlisted, rows } = opening;
  return {
    ...{ section, at, until, author, packets, bytes, unlisted, rows },
    ...(reason !== undefined && { reason }),
    ...(ended && { ended }),
  };
}

/** Names that a line tells. */
const NAMED = 8;

function shorten(names: readonly string[]): string {
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return `${names.slice(0, NAMED).join(', ')}${more}`;
}

function readSeconds(text: string): number {
  const reading = parseDuration(text);
  if (reading.kind === 'refused') throw new UsageError(reading.problem.message, reading.problem.hint);
  const seconds = reading.ms / 1000;
  if (seconds > MAX_OPEN_SECONDS)
    throw new UsageError(`--for "${text}" is more than ${MAX_OPEN_SECONDS / 3600} h, the longest ALLOW ALL`, EXAMPLE);
  return seconds;
}
