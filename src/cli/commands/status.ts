import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { Snapshot } from '../../observe/snapshot';
import type { NatDrift } from '../../migrate/nat-servers';
import type { Context } from '../../operate/context';
import { natDriftOf } from '../../operate/nat-drift';
import { serversOf } from '../../observe/server-page';
import { orderServers, SERVER_ORDERS, type ServerOrder, serverRates } from '../../observe/server-rates';
import { readEnforcement, takeSnapshot } from '../../operate/enforcement';
import { lookAtServers } from '../../operate/servers-seen';
import { driftToJson, formatDrift } from '../format-nat';
import { formatServers } from '../format-servers';
import { formatServerStatus, formatStatus, type StatusForm } from '../format-status';
import { formatUfwStatus } from '../format-ufw';
import { type Output, UsageError } from '../output';
import { requireServer } from '../require-server';
import { onRun, type Run, tidyUp } from '../run';
import { addServerOption, serverMeant, type ServerOption } from '../server-option';

interface StatusOptions extends ServerOption {
  readonly watch?: boolean;
  readonly format?: 'sluice' | 'ufw';
}

interface ServersOptions {
  readonly watch?: boolean;
  readonly by: ServerOrder;
}

export function register(program: Command): void {
  const command = program
    .command('status')
    .description('what is filtered, by which rules, how often each was hit; of one server: sluice status gpu-17')
    .argument('[server-and-form...]', 'a server (left out: all sections), then numbered or verbose')
    .addOption(
      new Option('--format <whose>', 'the table of sluice, or byte for byte that of ufw').choices(['sluice', 'ufw']),
    )
    .addOption(watchOption());
  addServerOption(command, 'this server alone');
  onRun<StatusOptions>(command, async (run, words: string[]) => {
    const { server: word, form } = readWords(words);
    const name = serverMeant(run.options, word);
    const { format } = run.options;
    if (name !== undefined && format === 'ufw')
      throw new UsageError('ufw knows no servers: its table has inbound and outbound', `sluice status ${name}`);
    await repeat(run, async (context) => {
      if (name !== undefined) {
        const seen = await lookAtServers(context);
        const server = requireServer(seen, name, FORMS);
        const { takenAt, active, pending } = seen;
        return { text: formatServerStatus(server, seen, form), document: { takenAt, active, pending, server } };
      }
      const snapshot = await takeSnapshot(context);
      return {
        text: format === 'ufw' ? await ufwTable(context, form) : formatStatus(snapshot, form),
        document: { snapshot },
        after: () => {
          if (format === 'ufw') sayBesideUfw(snapshot, form, run.output);
        },
      };
    });
    return undefined;
  });

  const list = program
    .command('servers')
    .description(
      'the servers of the enforced ruleset, and how many packets each let in and refused, in all and a second',
    )
    .addOption(new Option('--by <order>', 'most first, by packets a second').choices(SERVER_ORDERS).default('name'))
    .addOption(watchOption());
  onRun<ServersOptions>(list, async (run) => {
    let last: Snapshot | null = null;
    await repeat(run, async (context) => {
      let seen = await takeSnapshot(context);
      // A rate takes two looks.
      if (!last && serversOf(seen).length > 0) {
        last = seen;
        await sleep(RATE_MS);
        seen = await takeSnapshot(context);
      }
      const found = serversOf(seen);
      const seconds = last ? (Date.parse(seen.takenAt) - Date.parse(last.takenAt)) / 1000 : 0;
      const rates = serverRates(last ? serversOf(last) : [], found, seconds);
      last = seen;
      const servers = orderServers(found, rates, run.options.by);
      // Watched, it would be asked of nft and iptables every second.
      const drift = run.options.watch ? null : await natDriftOf(context);
      const none = seen.active ? 'the enforced ruleset has no servers' : 'nothing is enforced';
      const text = servers.length === 0 ? none : formatServers(servers, rates);
      const document = {
        takenAt: seen.takenAt,
        active: seen.active,
        /** What the rates are taken over. */
        seconds,
        servers: servers.map((server) => ({ ...server, rate: rates.get(server.name) ?? null })),
        natDrift: drift?.map(driftToJson),
      };
      return { text, document, after: () => sayDrift(drift ?? [], run.output) };
    });
    return undefined;
  });
}

/** Over how long packets a second are counted. */
const RATE_MS = 1000;

function sayDrift(drift: readonly NatDrift[], output: Output): void {
  if (drift.length === 0) return;
  const [first] = drift;
  const more = drift.length > 1 ? ` and ${drift.length - 1} more` : '';
  output.say(`note: servers and the NAT table differ: ${formatDrift(first)}${more}: sluice import nat`);
}

function watchOption(): Option {
  return new Option('--watch', 'show it again every second; with --json a document a line');
}

/** What is shown of a snapshot; `after`: what goes to stderr behind it. */
interface Shown {
  readonly text: string;
  readonly document: Readonly<Record<string, unknown>>;
  readonly after?: () => void;
}

async function repeat(
  run: Run<{ readonly watch?: boolean }>,
  show: (context: Context) => Promise<Shown>,
): Promise<void> {
  const context = await run.context({ tidyUp: false });
  if (run.options.watch) run.output.documentsAsLines();
  for (;;) {
    await tidyUp(context, run.output);
    const { text, document, after } = await show(context);
    if (run.options.watch) run.output.clear();
    run.output.line(text);
    after?.();
    run.output.document(document);
    if (!run.options.watch || run.output.unread) return;
    await sleep(1000);
  }
}

const FORMS: readonly string[] = ['numbered', 'verbose'];

/** What `status` was asked for: a server, a form, or both in either order. */
export function readWords(words: readonly string[]): { server?: string; form: StatusForm } {
  // The last of them: a server may be called as a form is.
  const at = words.findLastIndex((word) => FORMS.includes(word));
  const form = (at < 0 ? 'plain' : words[at]) as StatusForm;
  const names = words.filter((_, i) => i !== at);
  if (names.length > 1 || words.length > 2)
    throw new UsageError(`"${words.join(' ')}" is more than a server and a form`, 'sluice status gpu-17 verbose');
  return { ...(names.length > 0 && { server: names[0] }), form };
}

async function ufwTable(context: Context, form: StatusForm): Promise<string> {
  const enforcement = await readEnforcement(context);
  const active = enforcement !== null && enforcement.attachments.length > 0;
  return formatUfwStatus(active, enforcement?.record?.ruleset ?? null, form);
}

/** What must not be overlooked has no place in ufw's table: it goes to stderr. */
function sayBesideUfw(snapshot: Snapshot, form: StatusForm, output: Output): void {
  const { notFiltered, warnings } = snapshot;
  if (notFiltered.length > 0) output.say(`not filtered: ${notFiltered.map(({ name }) => name).join(', ')}`);
  if (form === 'numbered') output.say('note: these are the numbers of ufw; verbs take those of sluice status numbered');
  const { length } = serversOf(snapshot);
  if (length > 0) output.say(`note: ufw knows no servers; the rows of ${length} are not in this table: sluice servers`);
  for (const warning of warnings) output.say(`warning: ${warning}`);
}
