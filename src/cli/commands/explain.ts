import { isServer } from '../../analyse/decisions';
import type { Command } from 'commander';
import type { Answer } from '../../model/answer';
import type { Decision } from '../../model/evaluate';
import type { Limit } from '../../model/limit';
import { formatAddress, formatPrefix } from '../../model/prefix';
import type { FlowKey } from '../../model/packet';
import type { Direction, Ruleset, Server } from '../../model/ruleset';
import { owns } from '../../model/server';
import { directionOf } from '../../parse/rule-line';
import { formatProtocol } from '../../model/protocol-names';
import { tierWords } from '../../model/verdict';
import { REASON_WORDS } from '../../model/reason';
import { listInterfaces } from '../../kernel/interfaces';
import { hasCapabilities } from '../../kernel/capabilities';
import { readEnforcement } from '../../operate/enforcement';
import { explainCandidate, explainEnforced, type FullExplanation } from '../../operate/explain';
import { formatMoment } from '../../parse/time';
import { parseProbe, type Probe, type ProbeReading } from '../../parse/probe';
import { requireCandidate } from '../candidate';
import type { Ban } from '../../operate/ban-file';
import { EXIT, type ExitCode } from '../exit-code';
import { UsageError } from '../output';
import { onRun, type Run } from '../run';
import { addServerOption, type ServerOption } from '../server-option';
import { span } from '../table';

interface ExplainOptions extends ServerOption {
  readonly model?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('explain')
    .description(
      'which tier and rule decides about a packet, and why not an earlier one: sluice explain tcp from 78.168.1.2 to 198.51.100.7 port 14541',
    )
    .argument(
      '<packet...>',
      'the packet in words, or as "tcp A:5555 -> B:14541"; out before it: a first packet that goes out',
    )
    .option('--model', 'by the scan alone; needs no privilege');
  addServerOption(command, 'to (with out before it: from) this server, by its address where the words name none');
  onRun<ExplainOptions>(command, async (run, words: string[]): Promise<ExitCode> => {
    const named = directionOf(words[0]);
    const { probe, line } = readProbe(words.slice(named ? 1 : 0).join(' '));
    const direction = named ?? line?.direction ?? 'in';
    const { explanation, key, ruleset, generation } = await explain(run, probe, direction);
    run.output.line(formatExplanation(key, explanation, ruleset));
    const judgedBy = line?.generation ?? null;
    if (judgedBy !== null && judgedBy !== generation) run.output.line(formatOther(judgedBy, generation));
    const bans = explanation.bans.map(({ prefix }) => formatPrefix(prefix));
    const of = judgedBy === null ? {} : { lineGeneration: judgedBy };
    run.output.document({ ruleset, direction, generation, ...of, ...explanation, bans });
    return EXIT.DONE;
  });
}

/** By the enforced ruleset, unless a file is named or nothing enforces. */
async function explain(
  run: Run<ExplainOptions>,
  probe: Probe,
  direction: Direction,
): Promise<{ explanation: FullExplanation; key: FlowKey; ruleset: string; generation: number | null }> {
  const unprivileged = run.options.model === true || !hasCapabilities();
  const context = unprivileged ? null : await run.context();
  const addresses = context
    ? (await listInterfaces(context.kernel, context.netns)).flatMap((device) => device.addresses)
    : [];
  const { server } = run.options;
  const completed = ({ servers = [] }: Ruleset): FlowKey =>
    server === undefined
      ? completeProbe(probe, direction === 'in' ? addresses : [])
      : probeOfServer(probe, direction, server, servers);
  const enforcement = context && run.options.file === undefined ? await readEnforcement(context) : null;
  if (context && enforcement?.record) {
    const { record } = enforcement;
    const key = completed(record.ruleset);
    return {
      key,
      explanation: await explainEnforced(context, { ...enforcement, record }, key, direction),
      ruleset: `the enforced ruleset (generation ${enforcement.generation})`,
      generation: enforcement.generation,
    };
  }
  const candidate = await requireCandidate(run, await run.readText(), 'nothing was explained.');
  const key = completed(candidate.ruleset);
  return {
    key,
    explanation: await explainCandidate(candidate, key, context, direction),
    ruleset: `${candidate.file} (not enforced)`,
    generation: null,
  };
}

function readProbe(text: string): ProbeReading & { readonly probe: Probe } {
  const reading = parseProbe(text);
  const { probe, findings } = reading;
  if (probe) return { ...reading, probe };
  throw new UsageError(
    findings.map(({ message }) => message).join('; '),
    findings[0]?.hint ?? 'sluice explain tcp from 78.168.1.2 to 198.51.100.7 port 14541',
  );
}

/** The line was written when another ruleset judged. */
function formatOther(judgedBy: number, generation: number | null): string {
  const now = generation === null ? 'this is what the file above says' : `generation ${generation} enforces now`;
  return `note: the line is of generation ${judgedBy}, ${now}: what decided then is what its RULE= and REASON= say`;
}

/** A probe that comes in without a destination means this machine. */
function completeProbe(probe: Probe, local: readonly { family: number; words: readonly number[] }[]): FlowKey {
  const destination = probe.destination ?? local.find((address) => address.family === probe.family)?.words;
  if (!destination) throw new UsageError('the packet has no destination address', 'add: to ADDRESS');
  return { ...probe, destination };
}

/** A packet of the server: one that comes in without a destination goes to its address of that family. */
function probeOfServer(probe: Probe, direction: Direction, name: string, servers: readonly Server[]): FlowKey {
  const server = servers.find((one) => one.name === name);
  if (!server) throw new UsageError(`there is no server "${name}" to explain it by`, 'sluice servers lists them');
  const { family, source, sourcePort } = probe;
  const usual = direction === 'in' ? server.addresses.find((prefix) => prefix.family === family)?.words : undefined;
  const destination = probe.destination ?? usual;
  if (!destination) throw new UsageError('the packet has no destination address', 'add: to ADDRESS');
  const key = { ...probe, destination };
  const inward =
    direction === 'in'
      ? key
      : {
          ...key,
          source: destination,
          destination: source,
          destinationPort: sourcePort,
          sourcePort: probe.destinationPort,
        };
  if (!owns(server, inward)) throw new UsageError(`that is no packet of ${name}`, 'without --server: whose it is');
  return key;
}

function formatExplanation(key: FlowKey, explanation: FullExplanation, ruleset: string): string {
  const { decision, otherwise, steps, kernel, answer, limit, echo, bans } = explanation;
  const lines = [`${describe(key)}, by ${ruleset}`];
  const deciding = steps.find((step) => step.mismatch === null);
  const { section } = decision;
  const of = isServer(section) ? ` of ${section}` : '';
  const tell = ({ tier, verdict, reason }: Decision, row: typeof deciding): string => {
    const by = row
      ? `${section === 'guard' ? 'row' : 'rule'} ${row.number}${of} "${row.text}" (${row.rule})`
      : `${tierWords(tier)}${of}: ${REASON_WORDS[reason]}`;
    return `${verdict} in ${tier.startsWith('out') ? tier : `tier ${tier}`} by ${by}`;
  };
  lines.push(tell(decision, otherwise ? undefined : deciding));
  if (otherwise) lines.push(`without ALLOW ALL: ${tell(otherwise, deciding)}`);
  if (limit) lines.push(formatLimit(limit));
  if (echo) lines.push(`of these ${echo.perSource} a second pass of a source, ${echo.inAll} in all; more drop`);
  if (answer) lines.push(`${limit ? 'beyond it the sender' : 'the sender'} is told: ${ANSWER_WORDS[answer]}`);
  for (const ban of bans) lines.push(`the ban of ${formatPrefix(ban.prefix)} ${untilWhen(ban)}`);
  lines.push(
    kernel ? 'the model and the datapath program agree' : 'by the model alone; the datapath program was not asked',
  );
  const passed = steps.filter((step) => step.mismatch !== null);
  if (passed.length > 0) lines.push('rules above it that do not match:');
  for (const { number, text, mismatch, until } of passed) {
    const ended = until !== undefined && Date.parse(until) <= Date.now();
    const off = ended ? `has ended (until ${formatMoment(Date.parse(until))})` : 'is switched off';
    lines.push(`  [${String(number).padStart(2)}] ${text}: ${mismatch === 'enabled' ? off : `${mismatch} differs`}`);
  }
  return lines.join('\n');
}

const ANSWER_WORDS: Readonly<Record<Answer, string>> = {
  reset: 'connection refused (TCP RST)',
  'port-unreachable': 'port unreachable (ICMP)',
  prohibited: 'administratively prohibited (ICMP)',
  none: 'nothing, such packets are never answered',
};

function formatLimit({ count, windowMs, verdict, prefix }: Limit): string {
  const refused = verdict === 'reject' ? 'rejected' : 'dropped';
  return `new connections of a source (/${prefix[4]}, /${prefix[6]}): number ${count} within any ${windowMs / 1000} s is ${refused}`;
}

function untilWhen({ untilMs }: Ban): string {
  return untilMs === null ? 'has no end' : `ends in ${span(untilMs - Date.now())}`;
}

function describe(key: FlowKey): string {
  const end = (address: readonly number[], port: number): string => {
    const text = formatAddress(key.family, address);
    if (port === 0) return text;
    return key.family === 6 ? `[${text}]:${port}` : `${text}:${port}`;
  };
  const type = key.icmp ? ` type ${key.icmp.type} code ${key.icmp.code}` : '';
  return `${formatProtocol(key.protocol)}${type} ${end(key.source, key.sourcePort)} -> ${end(key.destination, key.destinationPort)}`;
}
