import type { Command } from 'commander';
import { SluiceError } from '../../kernel/errors';
import { formatAddress, type Prefix } from '../../model/prefix';
import { formatPorts, portInRanges } from '../../model/port-range';
import { PROTOCOL } from '../../model/protocol';
import type { Server } from '../../model/ruleset';
import type { Context } from '../../operate/context';
import { type Door, examineDoor, isAddress } from '../../operate/doctor';
import { type Enforcement, readEnforcement } from '../../operate/enforcement';
import { examineMachine } from '../../operate/machine';
import { parseAddressText } from '../../parse/address';
import { BUILTIN_SERVICES, DEFAULT_SSH_PORTS } from '../../parse/services';
import { EXIT, type ExitCode } from '../exit-code';
import { remedyText } from '../../operate/render-obstacle';
import { formatDoctor } from '../format-doctor';
import { formatMachine } from '../format-machine';
import { UsageError } from '../output';
import { callerAddress } from '../row-words';
import { onRun, type Run } from '../run';

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
  onRun(command, async (run, words: string[]): Promise<ExitCode> => {
    if (words.length === 0) return doctorOfMachine(run);
    const context = await run.context();
    const enforcement = await readEnforcement(context);
    const ruleset = enforcement?.record?.ruleset ?? null;
    if (enforcement && !ruleset)
      throw new SluiceError('operate/no-record', 'something is filtered, but the record of the rules is lost', {
        hint: 'sluice apply FILE enforces a file, and writes the record anew',
      });
    const server = readServer(words, ruleset?.servers ?? []);
    const [port, ...from] = server ? words.slice(1) : words;
    const door = readDoor(port, (server ?? ruleset?.inbound)?.ssh?.ports ?? DEFAULT_SSH_PORTS);
    if (server?.ports && !portInRanges(server.ports, door.port))
      throw new UsageError(`${door.port} is not a port of ${server.name}: ${formatPorts(server.ports)}`, EXAMPLE);
    const source = await readSource(from, context);
    const judge = enforcement && ruleset ? { enforcement, ruleset } : null;
    const report = await examineDoor(context, door, source, judge, server);
    if (source && !report.key) {
      const who = server ? server.name : 'this machine';
      throw new UsageError(`${who} has no IPv${source.family} address at which it could be reached`, EXAMPLE);
    }
    run.output.line(formatDoctor(`${door.port}/${door.protocol}`, report, wordsOf(enforcement)));
    const { diagnosis, key, filtered, notFiltered, listeners, ufw } = report;
    run.output.document({
      ...{
        door,
        server: server?.name ?? null,
        source: key && formatAddress(key.family, key.source),
        filtered,
        notFiltered,
        listeners,
        ufw,
      },
      decision: diagnosis?.decision ?? null,
      obstacles: diagnosis?.obstacles.map(({ what, decision, row, remedy }) => ({
        ...{ what, decision, row: row && { number: row.number, id: row.rule.id, text: row.rule.text } },
        remedy: remedy && remedyText(remedy),
      })),
      afterwards: diagnosis?.afterwards ?? null,
    });
    return EXIT.DONE;
  });
}

/** 1 where something is to be mended. */
async function doctorOfMachine({ output, options }: Run<object>): Promise<ExitCode> {
  const checks = await examineMachine(options.netns === undefined ? {} : { netns: options.netns });
  const warnings = checks.filter(({ state }) => state === 'warn').length;
  output.line(formatMachine(checks));
  output.document({ checks, warnings });
  return warnings > 0 ? EXIT.SYSTEM : EXIT.DONE;
}

function wordsOf(enforcement: Enforcement | null): Parameters<typeof formatDoctor>[2] {
  const left = enforcement?.pending?.leftNs;
  return {
    file: enforcement?.enforced?.file ?? 'the ruleset',
    generation: enforcement?.generation ?? null,
    secondsLeft: left === undefined ? null : Math.ceil(Number(left) / 1e9),
  };
}

/** The server that is named before the port; null where none is. */
function readServer([first, second]: readonly string[], servers: readonly Server[]): Server | null {
  if (second === undefined || !isPort(second)) return null;
  const found = servers.find(({ name }) => name === first);
  if (found) return found;
  const names = servers.map(({ name }) => name);
  const known = names.length > 0 ? ` (there are: ${names.slice(0, 8).join(', ')}${names.length > 8 ? ' …' : ''})` : '';
  throw new UsageError(`"${first}" is no server${known}`, EXAMPLE);
}

function isPort(text: string): boolean {
  return /^\d{1,5}(?:\/(?:tcp|udp))?$/i.test(text) || BUILTIN_SERVICES.has(text.toLowerCase()) || /^ssh$/i.test(text);
}

/** `8000`, `8000/udp`, `https`; `ssh` is the port of the section. TCP where neither says otherwise. */
function readDoor(text: string, sshPorts: readonly number[]): Door {
  const [, digits, protocol = 'tcp'] = /^(\d{1,5})(?:\/(tcp|udp))?$/i.exec(text) ?? [];
  if (digits !== undefined) {
    const port = Number(digits);
    if (port >= 1 && port <= 65_535) return { port, protocol: protocol.toLowerCase() as Door['protocol'] };
  }
  const name = text.toLowerCase();
  if (name === 'ssh') return { port: sshPorts[0], protocol: 'tcp' };
  const service = BUILTIN_SERVICES.get(name);
  if (!service)
    throw new UsageError(`"${text}" is no port: expected 1 to 65535, with /tcp or /udp, or a service`, EXAMPLE);
  return { port: service.ports[0].first, protocol: service.protocols.includes(PROTOCOL.TCP) ? 'tcp' : 'udp' };
}

/** One address, with or without `from` before it; null where there is none. */
async function readSource(words: readonly string[], context: Context): Promise<Prefix | null> {
  const [text, ...rest] = words[0]?.toLowerCase() === 'from' ? words.slice(1) : words;
  if (text === undefined && words.length === 0) return null;
  if (text === undefined || rest.length > 0)
    throw new UsageError(`expected one address, found "${words.join(' ')}"`, EXAMPLE);
  const reading = parseAddressText(text.toLowerCase() === 'me' ? await callerAddress(context) : text);
  if (reading.kind === 'refused') throw new UsageError(reading.problem.message, reading.problem.hint);
  if (!isAddress(reading.prefix)) throw new UsageError(`"${text}" is a network: name one address of it`, EXAMPLE);
  return reading.prefix;
}
