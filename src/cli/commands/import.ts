import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { findNatDrift, forwardedBy, proposeServers, unownedOf } from '../../migrate/nat-servers';
import type { Server } from '../../model/ruleset';
import type { Context } from '../../operate/context';
import { readEnforcement } from '../../operate/enforcement';
import { ownAddresses, readNatTable } from '../../operate/nat-table';
import { requireCandidate } from '../candidate';
import { EXIT, type ExitCode } from '../exit-code';
import { driftToJson, formatDrift, formatProposal, formatSplit, forwardedToJson } from '../format-nat';
import { UsageError } from '../output';
import { onRun, type Run } from '../run';

interface ImportOptions {
  readonly exitCode?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('import')
    .description(
      'nat: servers as the NAT table of nft or iptables suggests them, to be pasted, and where those of the ruleset differ from it',
    )
    .argument('<what>')
    .option('--exit-code', 'end with 4 where servers and NAT table differ');
  onRun<ImportOptions>(command, (run, what: string) => {
    if (what !== 'nat')
      throw new UsageError(
        `"${what}" cannot be imported`,
        'sluice import nat; the rules of a local ufw stand as comments in what sluice init --print shows',
      );
    return importNat(run);
  });
}

async function importNat(run: Run<ImportOptions>): Promise<ExitCode> {
  const { output, options } = run;
  const context = await run.context();
  const { kernel, netns } = context;
  const listing = await readNatTable(netns);
  for (const missing of listing.missing) output.say(`note: ${missing}`);
  for (const { words, why } of listing.unread) output.say(`note: left out: ${words}: ${why}`);
  const { forwarded, split } = forwardedBy(listing.rules, await ownAddresses(kernel, netns));
  for (const one of split) output.say(`note: ${formatSplit(one)}`);
  const { servers, dir } = await serversOf(run, context);
  const drift = findNatDrift(forwarded, servers);
  const proposed = proposeServers(unownedOf(forwarded, servers), new Set(servers.map(({ name }) => name)));
  if (servers.length > 0) {
    for (const one of drift) output.line(`# ${formatDrift(one)}`);
    if (drift.length === 0) output.line(`# ${servers.length} servers and the NAT table agree`);
  }
  if (proposed.length > 0) output.line(formatProposal(proposed, dir));
  else if (forwarded.length === 0) output.say('note: the NAT table sends nothing elsewhere');
  const code = drift.length > 0 && options.exitCode ? EXIT.DIFFERENCE : EXIT.DONE;
  output.document(
    {
      forwarded: forwarded.map(forwardedToJson),
      drift: drift.map(driftToJson),
      proposed: proposed.length === 0 ? null : formatProposal(proposed, dir),
      leftOut: [...listing.unread, ...split.map((one) => ({ words: one.rules[1].words, why: formatSplit(one) }))],
      missing: listing.missing,
    },
    code,
  );
  return code;
}

/** Those of `--file`, else of what enforces, else of the file that would; none where there is none yet. */
async function serversOf(
  run: Run<object>,
  context: Context,
): Promise<{ readonly servers: readonly Server[]; readonly dir?: string }> {
  const record = run.options.file === undefined ? (await readEnforcement(context))?.record : null;
  if (record) return withFolder(record.ruleset.servers, record.source.file);
  if (run.options.file === undefined && !existsSync(run.path())) return { servers: [] };
  const { ruleset, file } = await requireCandidate(run, await run.readText(), 'nothing was compared.');
  return withFolder(ruleset.servers, file);
}

/** With the folder of their files, where they have such. */
function withFolder(
  servers: readonly Server[] = [],
  file: string,
): { readonly servers: readonly Server[]; readonly dir?: string } {
  const own = servers.at(0)?.source.file ?? file;
  return { servers, ...(own !== file && { dir: dirname(own) }) };
}
