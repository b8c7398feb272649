import { type Command, InvalidArgumentError, Option } from 'commander';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { prefixContains } from '../../model/prefix';
import {
  type EventFilter,
  eventMatches,
  eventText,
  eventToJson,
  type PacketEvent,
  parseEventLine,
} from '../../observe/events';
import { parseAddressText } from '../../parse/address';
import { parseSince } from '../../parse/time';
import { liveEvents } from '../../serve/live-events';
import { DEFAULT_LOG_FILE, logFiles, logPath, openLog } from '../../serve/log-file';
import { UsageError } from '../output';
import { onRun, type Run } from '../run';
import { addServerOption, type ServerOption } from '../server-option';

interface Options extends ServerOption {
  readonly since?: number;
  readonly log?: string;
  readonly rule?: string;
  readonly source?: NonNullable<EventFilter['source']>;
  readonly port?: number;
  readonly count?: number;
}

export function register(program: Command): void {
  const command = program
    .command('events')
    .description('packets as they are told of, or with --since those of the log: one a line, or a JSON object a line')
    .addOption(
      new Option('--since <time>', 'from the log, from then on: 10m, 2h, 14:05, or 2027-01-31T14:05').argParser(
        readSince,
      ),
    )
    .addOption(new Option('--log <file>', `which log (default: $SLUICE_LOG, else ${DEFAULT_LOG_FILE})`))
    .addOption(new Option('--rule <id>', 'only what this rule decided: its id, or SECTION/ID'))
    .addOption(new Option('--source <prefix>', 'only packets from there').argParser(readSource))
    .addOption(new Option('--port <number>', 'only packets from or to this port').argParser(readNumber))
    .addOption(
      new Option('-n, --count <number>', 'the last so many of the log; without --since end after so many').argParser(
        readNumber,
      ),
    );
  addServerOption(command, 'only what the rows, switches and default of this server decided');
  onRun<Options>(command, async (run) => {
    const { rule, source, port, server, count = Infinity, since } = run.options;
    const filter: EventFilter = {
      ...(server !== undefined && { section: server }),
      ...(rule !== undefined && { rule }),
      ...(source && { source }),
      ...(port !== undefined && { port }),
    };
    const found = matching(since === undefined ? live(run) : logged(run, since), filter);
    let shown = 0;
    for await (const event of since === undefined || count === Infinity ? found : lastOf(found, count)) {
      if (run.output.json) run.output.streamLine(eventToJson(event));
      else run.output.line(`${event.time} ${eventText(event)}`);
      if (++shown >= count || run.output.unread) break;
    }
    return undefined;
  });
}

async function* matching(events: AsyncIterable<PacketEvent>, filter: EventFilter): AsyncGenerator<PacketEvent> {
  for await (const event of events) if (eventMatches(event, filter)) yield event;
}

/** The last so many, oldest first. */
async function* lastOf(events: AsyncIterable<PacketEvent>, count: number): AsyncGenerator<PacketEvent> {
  const last: PacketEvent[] = [];
  let seen = 0;
  // A ring: the one that is written over is the oldest.
  for await (const event of events) last[seen++ % count] = event;
  for (let i = Math.max(0, seen - count); i < seen; i++) yield last[i % count];
}

/** From the daemon, or where none runs from the ring itself: then nobody else gets to see them. */
async function* live(run: Run<Options>): AsyncGenerator<PacketEvent> {
  const context = await run.context();
  const ended = new AbortController();
  const end = (): void => ended.abort();
  process.once('SIGTERM', end).once('SIGINT', end);
  const { events, daemon } = await liveEvents(context, ended.signal, () => run.output.unread);
  if (!daemon) run.output.say('no daemon runs: events are taken from the ring itself, and written nowhere');
  yield* events;
  if (daemon && !ended.signal.aborted) run.output.say('the daemon has ended');
}

/** From the log and its rotated files. */
async function* logged(run: Run<Options>, since: number): AsyncGenerator<PacketEvent> {
  const path = logPath(run.options.log);
  const files = logFiles(path);
  if (files.length === 0) {
    throw new UsageError(
      `there is no log "${path}"`,
      'sluice daemon writes it; what it writes to the journal: journalctl -u sluice-daemon',
    );
  }
  for (const file of files) {
    for await (const line of createInterface({ input: createReadStream(file, { fd: openLog(file) }) })) {
      const event = parseEventLine(line);
      if (event && Date.parse(event.time) >= since) yield event;
    }
  }
}

function readSince(text: string): number {
  const reading = parseSince(text, Date.now());
  if (reading.kind === 'time') return reading.ms;
  const { message, hint } = reading.problem;
  throw new InvalidArgumentError(`${message}; ${hint}.`);
}

function readSource(text: string): NonNullable<EventFilter['source']> {
  const reading = parseAddressText(text);
  if (reading.kind !== 'prefix') throw new InvalidArgumentError(reading.problem.message);
  const { prefix } = reading;
  return (address) => {
    const found = parseAddressText(address);
    return (
      found.kind === 'prefix' && found.prefix.family === prefix.family && prefixContains(prefix, found.prefix.words)
    );
  };
}

function readNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('expected a number.');
  return Number(text);
}
