import { type Command, InvalidArgumentError, Option } from 'commander';
import { type DaemonOptions, runDaemon, stdoutIsJournal } from '../../serve/daemon';
import { LISTEN_HINT, type ListenAddress, readListenAddress } from '../../serve/listen-address';
import { DEFAULT_LOG_BYTES, DEFAULT_LOG_FILE, DEFAULT_LOG_KEEP, logPath } from '../../serve/log-file';
import { DEFAULT_SAVE_SECONDS } from '../../serve/keeper';
import { packageVersion } from '../../operate/package-version';
import { onRun } from '../run';
import { ruleSeriesOption } from './metrics';

interface Options {
  readonly log?: string;
  readonly journal?: boolean;
  readonly logSize: number;
  readonly logKeep: number;
  readonly saveEvery: number;
  readonly owners?: string;
  readonly listen?: ListenAddress;
  readonly ruleSeries: number;
}

export function register(program: Command): void {
  const command = program
    .command('daemon')
    .description(
      'write events to the log, show them to sluice events, end rules at their until, save counts; runs until it is told to end',
    )
    .addOption(new Option('--log <file>', `where to (default: $SLUICE_LOG, else ${DEFAULT_LOG_FILE})`))
    .addOption(
      new Option('--journal', 'to the journal, by stdout; chosen where stdout is the journal’s').conflicts('log'),
    )
    .addOption(
      new Option('--log-size <bytes>', 'rotate the log when it has so many, such as 500k or 10M')
        .argParser(readBytes)
        .default(DEFAULT_LOG_BYTES, '10M'),
    )
    .addOption(
      new Option('--log-keep <files>', 'rotated files that are kept').argParser(readCount).default(DEFAULT_LOG_KEEP),
    )
    .addOption(
      new Option('--save-every <seconds>', 'save counts and bans for the next boot so often')
        .argParser(readSeconds)
        .default(DEFAULT_SAVE_SECONDS),
    )
    .addOption(
      new Option('--owners <folder>', 'a socket in this folder for each server that says who its owner is (owner:)'),
    )
    .addOption(
      new Option(
        '--listen <place>',
        'serve metrics: PORT (on the loopback), ADDRESS:PORT, or the path of a UNIX socket',
      ).argParser(readListen),
    )
    .addOption(ruleSeriesOption());
  onRun<Options>(command, async (run) => {
    const { log, journal, logSize, logKeep, saveEvery, owners, listen, ruleSeries } = run.options;
    const toJournal = journal ?? (log === undefined && !process.env.SLUICE_LOG && stdoutIsJournal());
    const path = logPath(log);
    const ended = new AbortController();
    const end = (): void => ended.abort();
    process.once('SIGTERM', end).once('SIGINT', end);
    const options: DaemonOptions = {
      ...(!toJournal && { log: { path, bytes: logSize, keep: logKeep } }),
      ...(owners !== undefined && { owners }),
      ...(listen && { metrics: { address: listen, ruleSeries, version: packageVersion() } }),
      saveEveryMs: saveEvery * 1000,
      signal: ended.signal,
      say: (text) => run.output.say(text),
    };
    if (listen?.kind === 'tcp' && !listen.loopback)
      run.output.say('note: whoever reaches that port reads the metrics, without TLS and without a password');
    await runDaemon(await run.context(), options);
    run.output.say('the daemon has ended');
    return undefined;
  });
}

function readListen(text: string): ListenAddress {
  const reading = readListenAddress(text);
  if (typeof reading === 'string') throw new InvalidArgumentError(`${reading}; ${LISTEN_HINT}.`);
  return reading;
}

function readBytes(text: string): number {
  const match = /^([1-9]\d{0,8})([kM]?)$/.exec(text);
  if (!match) throw new InvalidArgumentError('expected bytes such as 500k or 10M.');
  return Number(match[1]) * { '': 1, k: 1024, M: 1024 * 1024 }[match[2] as '' | 'k' | 'M'];
}

function readCount(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('expected a number from 0 to 999.');
  return Number(text);
}

function readSeconds(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text) || Number(text) > 3600)
    throw new InvalidArgumentError('expected seconds from 1 to 3600.');
  return Number(text);
}
