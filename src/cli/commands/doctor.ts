import { type Command, InvalidArgumentError, Option } from 'commander';
import { SluiceError } from '../../kernel/errors';
import { formatAddress, hostPrefix, type Prefix } from '../../model/prefix';
import type { Ruleset, Server } from '../../model/ruleset';
import { parseEventLine } from '../../observe/events';
import type { Context } from '../../operate/context';
import { examineDoor, isAddress } from '../../operate/doctor';
import { type Enforcement, readEnforcement } from '../../operate/enforcement';
import { lookAtServers } from '../../operate/servers-seen';
import { examineMachine } from '../../operate/machine';
import { waits } from '../../operate/trial-state';
import { optionFor } from '../../operate/trials';
import { type TicketInput, ticketLines } from '../../operate/ticket';
import { isSourceTold, type Waited } from '../../operate/wait-at-door';
import type { Sighting } from '../../operate/watch-door';
import { parseAddressText } from '../../parse/address';
import { EXIT, type ExitCode } from '../exit-code';
import { remedyText } from '../../operate/render-obstacle';
import { readDoor } from '../../operate/door-words';
import { formatDoctor } from '../format-doctor';
import { formatMachine } from '../format-machine';
import { logPath, newestLines } from '../../serve/log-file';
import { parseDuration } from '../../parse/time';
import { UsageError } from '../output';
import { packageVersion } from '../../operate/package-version';
import { requireServer } from '../require-server';
import { waitForPacket } from '../wait-for-packet';
import { callerAddress } from '../row-words';
import { onRun, type Run } from '../run';
import { addServerOption, type ServerOption, withServer } from '../server-option';

const EXAMPLE = 'sluice doctor 8000/tcp 203.0.113.9';

export function register(program: Command): void {
  const command = program
    .command('doctor')
    .description(
      `whether the machine is as it should be; with a port why somebody cannot get in, and the lines that let him in: ${EXAMPLE}, sluice doctor ssh me`,
    )
    .argument(
      '[port-and-address...]',
      'left out: whether this machine is as it should be; else the port he wants to reach (8000, 8000/udp, https), before it the server it is a port of, behind it his ' +
        'address, or me; without one: who can reach it at all',
    );
  command
    .addOption(
      new Option('--wait [time]', 'let him connect now, and look what becomes of it: for 30s, or so long')
        .argParser(readWait)
        .preset('30s'),
    )
    .addOption(new Option('--report', 'of a server: a text for a ticket, without anything about others'));
  addServerOption(command, 'the server whose port it is, as before the port');
  onRun<{ readonly wait?: number; readonly report?: boolean } & ServerOption>(
    command,
    async (run, given: string[]): Promise<ExitCode> => {
      if (given.length === 0) return doctorOfMachine(run);
      const words = withServer(run.options, given);
      const context = await run.context();
      const enforcement = await readEnforcement(context);
      const ruleset = enforcement?.record?.ruleset ?? null;
      if (enforcement && !ruleset)
        throw new SluiceError('operate/no-record', 'something is filtered, but the record of the rules is lost', {
          hint: 'sluice apply FILE enforces a file, and writes the record anew',
        });
      const { server, port, protocol = 'tcp', rest } = readDoor(words, ruleset, EXAMPLE);
      const door = { port, protocol };
      const named = await readSource(rest, context);
      const judge = enforcement && ruleset ? { enforcement, ruleset } : null;
      const { wait, report: asTicket } = run.options;
      if (asTicket && !server) throw new UsageError('a report is about a server: name one before the port', EXAMPLE);
      let report = await examineDoor(context, door, named, judge, server);
      if (named && !report.key) {
        const who = server ? server.name : 'this machine';
        throw new UsageError(`${who} has no IPv${named.family} address at which it could be reached`, EXAMPLE);
      }
      let waited: Waited | null = null;
      if (wait !== undefined) {
        if (!judge) throw new UsageError('nothing is filtered, so nothing is seen of who connects', 'sluice enable');
        const watched = { door, server, source: named?.words ?? null };
        const reader = asTicket ? 'ticket' : 'operator';
        waited = await waitForPacket(
          context,
          judge.ruleset,
          { watched, key: report.key, ms: wait, reader },
          run.output,
        );
        const { sighting } = waited;
        const seen =
          sighting?.by === 'event' && isSourceTold(sighting, { watched, reader })
            ? hostPrefix(sighting.key.family, sighting.key.source)
            : named;
        report = await examineDoor(context, door, seen, judge, server);
      }
      const facts = wordsOf(enforcement, report.server?.name ?? 'inbound');
      const text = formatDoctor(`${door.port}/${door.protocol}`, report, facts);
      if (asTicket && server && judge) {
        const who = report.key ? [formatAddress(report.key.family, report.key.source)] : [];
        const asked = { words: [`${door.port}/${door.protocol}`, ...who], waited: waited?.lines ?? [] };
        const lines = await writeTicket(context, { ...judge, server }, asked);
        run.output.line(lines.join('\n'));
        run.output.document({ server: server.name, report: lines });
        return EXIT.DONE;
      }
      for (const line of waited?.lines ?? []) run.output.line(line);
      run.output.line(text);
      const { diagnosis, key, filtered, notFiltered, listeners, ufw, nat } = report;
      run.output.document({
        ...{
          door,
          server: server?.name ?? null,
          source: key && formatAddress(key.family, key.source),
          filtered,
          notFiltered,
          listeners,
          ufw,
          ...(nat !== undefined && { nat }),
        },
        decision: diagnosis?.decision ?? null,
        obstacles: diagnosis?.obstacles.map(({ what, decision, row, remedy }) => ({
          ...{ what, decision, row: row && { number: row.number, id: row.rule.id, text: row.rule.text } },
          remedy: remedy && remedyText(remedy),
        })),
        afterwards: diagnosis?.afterwards ?? null,
        ...(waited && { seen: waited.sighting && sightingToJson(waited.sighting) }),
      });
      return EXIT.DONE;
    },
  );
}

/** What of the log's end is looked through for refusals. */
const LOG_BYTES = 1 << 20;

async function writeTicket(
  context: Context,
  { ruleset, server }: { ruleset: Ruleset; server: Server },
  asked: Pick<TicketInput, 'words' | 'waited'>,
): Promise<string[]> {
  const seen = await lookAtServers(context);
  const lines = newestLines(logPath(), LOG_BYTES);
  return ticketLines({
    place: { context, ruleset, server, socket: null },
    section: requireServer(seen, server.name),
    ...{ ...asked, takenAt: seen.takenAt, version: packageVersion() },
    events: lines && lines.map(parseEventLine).filter((event) => event !== null),
  });
}

function sightingToJson(sighting: Sighting): Record<string, unknown> {
  if (sighting.by === 'counter') return { ...sighting };
  const { key, ...rest } = sighting;
  return { ...rest, source: formatAddress(key.family, key.source), sourcePort: key.sourcePort };
}

/** Longest time that is waited: whoever wants to look on takes `sluice events`. */
const MOST_WAIT_MS = 600_000;

function readWait(text: string): number {
  const reading = parseDuration(text);
  if (reading.kind === 'refused')
    throw new InvalidArgumentError(`${reading.problem.message}; ${reading.problem.hint ?? 'write 30s'}.`);
  if (reading.ms > MOST_WAIT_MS) throw new InvalidArgumentError('at most 10m are waited.');
  return reading.ms;
}

/** 1 where something is to be mended. */
async function doctorOfMachine({
  output,
  options,
}: Run<{ readonly wait?: number; readonly report?: boolean } & ServerOption>): Promise<ExitCode> {
  if (options.wait !== undefined || options.report || options.server !== undefined)
    throw new UsageError('expected a port', EXAMPLE);
  const checks = await examineMachine(options.netns === undefined ? {} : { netns: options.netns });
  const warnings = checks.filter(({ state }) => state === 'warn').length;
  output.line(formatMachine(checks));
  output.document({ checks, warnings });
  return warnings > 0 ? EXIT.SYSTEM : EXIT.DONE;
}

/** `section`: whose rows judge, beside the guard's and those of what goes out. */
function wordsOf(enforcement: Enforcement | null, section: string): Parameters<typeof formatDoctor>[2] {
  const { pending = null, trials = [] } = enforcement ?? {};
  const secondsIn = (ns: bigint): number => Math.ceil(Number(ns) / 1e9);
  const alone = trials.filter((trial) => waits(trial) && [section, 'guard', 'outbound'].includes(trial.previous.name));
  return {
    file: enforcement?.enforced?.file ?? 'the ruleset',
    generation: enforcement?.generation ?? null,
    waiting: [
      ...(pending
        ? [{ what: 'this ruleset waits', secondsLeft: secondsIn(pending.leftNs), confirm: 'sluice confirm' }]
        : []),
      ...alone.map(({ previous: { name }, leftNs }) => ({
        what: `${name} waits`,
        secondsLeft: secondsIn(leftNs),
        confirm: `sluice confirm ${optionFor(name)}`,
      })),
    ],
  };
}

/** One address, with or without `from` before it; null where there is none. */
async function readSource(words: readonly string[], context: Context): Promise<Prefix | null> {
  const [text, ...rest] = words[0]?.toLowerCase() === 'from' ? words.slice(1) : words;
  if (text === undefined && words.length === 0) return null;
  if (text === undefined || rest.length > 0)
    throw new UsageError(`expected one address, found "${words.join(' ')}"`, EXAMPLE);
  const reading = parseAddressText(text.toLowerCase() === 'me' ? await callerAddress(context) : text);
  if (reading.kind === 'refused') throw new UsageError(reading.problem.message, reading.problem.hint ?? EXAMPLE);
  if (!isAddress(reading.prefix)) throw new UsageError(`"${text}" is a network: name one address of it`, EXAMPLE);
  return reading.prefix;
}
