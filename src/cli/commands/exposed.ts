import type { Command } from 'commander';
import type { Sources } from '../../analyse/space';
import { withOpen } from '../../model/allow-all';
import { type Family, formatPrefix } from '../../model/prefix';
import { resolveInterfaces } from '../../load/attach';
import { listBans } from '../../operate/bans';
import { readEnforcement } from '../../operate/enforcement';
import { type ExposedSocket, type Exposure, findExposed } from '../../operate/exposed';
import { openSections } from '../../operate/openings';
import { requireCandidate } from '../candidate';
import { EXIT, type ExitCode } from '../exit-code';
import { reachText } from '../../operate/render-reach';
import { onRun } from '../run';
import { renderTable } from '../table';

export function register(program: Command): void {
  const command = program
    .command('exposed')
    .description('what listens here, which program that is, and who can reach it by the enforced rules (or by FILE)')
    .argument('[file]', 'judge by this ruleset instead');
  onRun(command, async (run, file: string | undefined): Promise<ExitCode> => {
    const context = await run.context();
    const { kernel, netns } = context;
    const enforcement = await readEnforcement(context);
    const candidate =
      file === undefined ? null : await requireCandidate(run, await run.readText(file), 'nothing was looked at.');
    const enforced = enforcement?.record && withOpen(enforcement.record.ruleset, openSections(context));
    const ruleset = candidate?.ruleset ?? enforced ?? null;
    const filtered = candidate
      ? (await resolveInterfaces(kernel, candidate.ruleset.interfaces, netns)).map(({ name }) => name)
      : (enforcement?.attachments ?? []).map(({ name }) => name);
    const bans = ruleset ? (await listBans(context)).bans.map(({ prefix }) => prefix) : [];
    const exposure = await findExposed(kernel, netns, { ruleset, filtered, bans });
    if (!ruleset) run.output.line('nothing is filtered: everybody reaches all that does not listen on loopback alone');
    else if (exposure.notFiltered.length > 0)
      run.output.line(`not filtered: ${exposure.notFiltered.join(', ')}; whoever is there reaches all but loopback`);
    run.output.line(formatSockets(exposure));
    run.output.document({ filtered: ruleset ? filtered : [], ...toJson(exposure) });
    return EXIT.DONE;
  });
}

function formatSockets({ sockets }: Exposure): string {
  if (sockets.length === 0) return 'nothing listens';
  const rows = sockets.map((socket) => [
    `${socket.port}/${socket.protocol}`,
    socket.address ?? (socket.families.length === 2 ? 'any' : `any IPv${socket.families[0]}`),
    socket.owner ? `${socket.owner.command}[${socket.owner.pid}]` : 'unknown',
    whoReaches(socket),
  ]);
  return renderTable([{ title: 'Port' }, { title: 'Address' }, { title: 'Program' }, { title: 'Reached by' }], rows);
}

function whoReaches({ loopback, reach }: ExposedSocket): string {
  if (loopback) return 'this machine only';
  const families = (Object.keys(reach) as ('4' | '6')[]).map((key) => Number(key) as Family);
  const texts = families.map((family) => reachText(reach[family] ?? null));
  if (new Set(texts).size === 1 && (texts.length === 1 || !/\d/.test(texts[0]))) return texts[0];
  return families.map((family, i) => (/\d/.test(texts[i]) ? texts[i] : `${texts[i]} over IPv${family}`)).join('; ');
}

function toJson({ sockets, notFiltered }: Exposure): Record<string, unknown> {
  const sources = ({ everyoneBut, prefixes }: Sources): object => ({
    everyoneBut,
    prefixes: prefixes.map(formatPrefix),
  });
  return {
    notFiltered,
    sockets: sockets.map(({ reach, ...socket }) => ({
      ...socket,
      reach: Object.fromEntries(
        Object.entries(reach).map(([family, found]) => [
          `ipv${family}`,
          found && { sources: sources(found.sources), partly: sources(found.partly), limited: sources(found.limited) },
        ]),
      ),
    })),
  };
}
