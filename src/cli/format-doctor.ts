/** What `doctor` found, as a list that somebody who cannot get in can work through. */
import type { Obstacle } from '../analyse/diagnose';
import { formatAddress } from '../model/prefix';
import type { Server } from '../model/ruleset';
import { REASON_WORDS } from '../model/reason';
import { tierWords } from '../model/verdict';
import type { DoorReport } from '../operate/doctor';
import type { Listening } from '../operate/exposed';
import { obstacleText, remedyText } from '../operate/render-obstacle';
import { reachText } from '../operate/render-reach';

/** One line of the list, and what to paste below it. */
interface Check {
  readonly state: 'ok' | 'NO' | 'look';
  readonly text: string;
  readonly remedy?: string;
}

/** Where the ruleset stands: for what no verb can change. */
export interface DoctorWords {
  readonly file: string;
  readonly generation: number | null;
  /** What waits to be confirmed of all that judges here, as a sentence has it, and the seconds until it takes itself back. */
  readonly waiting: readonly { readonly what: string; readonly secondsLeft: number; readonly confirm: string }[];
}

/** The list, and beneath it the answer. */
export function formatDoctor(door: string, report: DoorReport, words: DoctorWords): string {
  const { key, server } = report;
  const owner = server ? server.name : 'this machine';
  const destination = key ? ` of ${owner} (${formatAddress(key.family, key.destination)})` : ` of ${owner}`;
  const who = key ? formatAddress(key.family, key.source) : 'anybody';
  const checks = [...filterChecks(report, words), ...ruleChecks(report, words), ...behindChecks(report, door)];
  return [
    `${who} to ${door}${destination}`,
    ...checks.flatMap(({ state, text, remedy }) => [
      `  ${state.padEnd(4)}  ${text}`,
      ...(remedy === undefined ? [] : [`          ${remedy}`]),
    ]),
    summary(report, checks),
  ].join('\n');
}

function filterChecks({ filtered, notFiltered }: DoorReport, { file, generation, waiting }: DoctorWords): Check[] {
  if (generation === null) return [{ state: 'look', text: 'nothing is filtered: sluice keeps nobody out' }];
  const names = filtered.map(({ name, mode }) => `${name} (${mode})`).join(', ');
  const others = notFiltered.length > 0 ? `; not filtered: ${notFiltered.join(', ')}` : '';
  return [
    { state: 'ok', text: `filtered: ${names}, by ${file} (generation ${generation})${others}` },
    ...waiting.map(({ what, secondsLeft, confirm }) => ({
      state: 'look' as const,
      text: `${what} to be confirmed: in ${secondsLeft} s what was before judges again`,
      remedy: confirm,
    })),
  ];
}

function ruleChecks({ diagnosis, reach, key }: DoorReport, { file, generation }: DoctorWords): Check[] {
  if (generation === null) return [];
  if (!diagnosis) {
    if (key) return [];
    return Object.entries(reach).map(([family, found]) => ({
      state: 'ok',
      text: `by the rules it is reached over IPv${family} by: ${reachText(found)}`,
    }));
  }
  const { obstacles, afterwards } = diagnosis;
  const checks = obstacles.map((obstacle): Check => ({
    ...{ state: 'NO', text: ownerText(obstacle) + obstacleText(obstacle, file) },
    ...(obstacle.remedy && { remedy: remedyText(obstacle.remedy) }),
  }));
  if (obstacles.length > 0 || !afterwards) return checks;
  const byReason = afterwards.rule === null || afterwards.reason === 'allow-all';
  const by = byReason ? REASON_WORDS[afterwards.reason] : `rule ${afterwards.rule}`;
  return [{ state: 'ok', text: `the rules let it in: ${tierWords(afterwards.tier)}, ${by}` }];
}

/** Whose rows are meant, where they are a server's. */
function ownerText({ remedy }: Obstacle): string {
  return remedy?.server === undefined ? '' : `${remedy.server}: `;
}

function behindChecks({ listeners, ufw, key, server, nat }: DoorReport, door: string): Check[] {
  const reached = listeners.filter(({ loopback, families }) => !loopback && (!key || families.includes(key.family)));
  const checks: Check[] = [];
  if (reached.length > 0) checks.push({ state: 'ok', text: `${reached.map(program).join(', ')} listens on ${door}` });
  else if (listeners.length > 0)
    checks.push({
      state: 'NO',
      text: `${listeners.map(program).join(', ')} listens on ${door}, but only ${where(listeners)}: its own settings say where`,
    });
  else if (server) checks.push(behindNat(server, nat));
  else checks.push({ state: 'look', text: `nothing listens on ${door} here; right where NAT or a container has it` });
  if (ufw)
    checks.push({
      state: 'look',
      text: 'a local ufw filters behind sluice, by rules of its own',
      remedy: 'sudo ufw disable',
    });
  return checks;
}

/** Where it goes on to behind the rules, as the NAT table of this machine says. */
function behindNat({ target, name }: Server, nat: DoorReport['nat']): Check {
  const unseen = 'whether something listens there cannot be seen from here';
  if (target === undefined) return { state: 'look', text: `behind NAT, if there is any, ${unseen}` };
  if (nat === undefined) return { state: 'look', text: `behind NAT, ${target}: ${unseen}` };
  if (nat === null)
    return {
      state: 'look',
      text: `the NAT table of this machine does not send it on to ${target}, the target of ${name}`,
      remedy: 'sluice import nat',
    };
  if (nat.target === target) return { state: 'ok', text: `NAT sends it on to ${target}${portOf(nat)}; ${unseen}` };
  return {
    state: 'look',
    text: `NAT sends it to ${nat.target}${portOf(nat)}, and the target of ${name} is ${target}`,
    remedy: 'sluice import nat',
  };
}

function portOf({ port }: NonNullable<DoorReport['nat']>): string {
  return port === null ? '' : ` port ${port}`;
}

function program({ owner }: Listening): string {
  return owner ? `${owner.command}[${owner.pid}]` : 'a program';
}

function where(listeners: readonly Listening[]): string {
  const places = listeners.map(({ loopback, address, families }) =>
    loopback ? `on ${address}, for this machine alone` : `over IPv${families.join(' and IPv')}`,
  );
  return [...new Set(places)].join(' and ');
}

function summary({ diagnosis, key, filtered }: DoorReport, checks: readonly Check[]): string {
  if (!key) return 'name a source to learn what keeps it out: sluice doctor PORT ADDRESS';
  const remedies = checks.filter(({ state, remedy }) => state === 'NO' && remedy !== undefined).length;
  if (checks.every(({ state }) => state !== 'NO'))
    return filtered.length > 0
      ? 'nothing here keeps it out; if it still cannot connect, look on the way: sluice events, its own network, NAT'
      : 'nothing here keeps it out';
  if (diagnosis?.afterwards === null) return 'it cannot get in, and no row can change that';
  return remedies > 0
    ? `it cannot get in; ${remedies === 1 ? 'the line above lets' : 'the lines above, in their order, let'} it in, by the scan`
    : 'it cannot get in';
}
