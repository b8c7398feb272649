import type { Command } from 'commander';
import { type OpenSections, withOpen } from '../../model/allow-all';
import { formatPrefix, hostPrefix, type Prefix } from '../../model/prefix';
import type { Ruleset } from '../../model/ruleset';
import { listBans } from '../../operate/bans';
import { readEnforcement } from '../../operate/enforcement';
import { findListeners } from '../../operate/exposed';
import { openSections } from '../../operate/openings';
import { reachedToJson, renderReached, whoReaches } from '../../operate/who-reaches';
import { requireCandidate } from '../candidate';
import { readDoor, requirePort } from '../../operate/door-words';
import { UsageError } from '../output';
import { onRun, type Run } from '../run';
import { addServerOption, type ServerOption, withServer } from '../server-option';

const EXAMPLE = 'sluice who-reaches gpu-17 14511/tcp';

export function register(program: Command): void {
  const command = program
    .command('who-reaches')
    .description('exactly which sources get in at a port of a server, or of this machine; with --file, by that ruleset')
    .argument('<server-and-port...>', 'gpu-17 14511, gpu-17 ssh, 443/tcp; without /tcp or /udp both');
  addServerOption(command, 'the server whose port it is, as before the port');
  onRun<ServerOption>(command, async (run, given: string[]) => {
    const words = withServer(run.options, given);
    requirePort(words, EXAMPLE);
    const { ruleset, bans, open } = run.options.file === undefined ? await enforced(run) : await written(run);
    const { server, port, protocol, rest } = readDoor(words, ruleset, EXAMPLE);
    if (rest.length > 0) throw new UsageError(`expected a server and a port, found "${words.join(' ')}"`, EXAMPLE);
    const addresses = server ? server.addresses : await ownAddresses(run);
    const protocols = protocol ? [protocol] : (['tcp', 'udp'] as const);
    const reached = whoReaches(ruleset, { port, protocols, addresses, bans });
    const of = server ? `${server.name}, ${server.addresses.map(formatPrefix).join(', ')}` : 'this machine';
    const isOpen = open === 'everything' || open.has(server?.name ?? ruleset.inbound.name);
    run.output.line(`who gets in at ${of}${isOpen ? ', while it is under ALLOW ALL' : ''}:`);
    run.output.line(renderReached(reached));
    run.output.document({ server: server?.name ?? null, reached: reached.map((one) => reachedToJson(one)) });
    return undefined;
  });
}

/** Who may get in, and the sections under ALLOW ALL, which the ruleset knows as open. */
interface Judging {
  readonly ruleset: Ruleset;
  readonly bans: readonly Prefix[];
  readonly open: OpenSections;
}

/** What enforces at this moment: with bans, and what is under ALLOW ALL. */
async function enforced(run: Run<object>): Promise<Judging> {
  const context = await run.context();
  const ruleset = (await readEnforcement(context))?.record?.ruleset;
  if (!ruleset) throw new UsageError('nothing is enforced, so everybody gets in', 'of a file: --file rules.yaml');
  const { bans } = await listBans(context);
  const open = openSections(context);
  return { ruleset: withOpen(ruleset, open), bans: bans.map(({ prefix }) => prefix), open };
}

async function written(run: Run<object>): Promise<Judging> {
  const { ruleset } = await requireCandidate(run, await run.readText(), 'nobody can be named');
  return { ruleset, bans: [], open: new Set() };
}

async function ownAddresses(run: Run<object>): Promise<readonly Prefix[]> {
  const { kernel, netns } = await run.context();
  const { own } = await findListeners(kernel, netns);
  return ([4, 6] as const).flatMap((family) => own[family].map((words) => hostPrefix(family, words)));
}
