/** What `doctor` found, as a list that somebody who cannot get in can work through. */
import type { NumberedRow, Obstacle, Remedy } from '../analyse/diagnose';
import { formatAddress } from '../model/prefix';
import { REASON_WORDS } from '../model/reason';
import { tierWords } from '../model/verdict';
import type { DoorReport } from '../operate/doctor';
import type { Listening } from '../operate/exposed';
import { reachText } from './format-reach';

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
  /** Seconds until a change that waits takes itself back. */
  readonly secondsLeft: number | null;
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

/** The lines of a remedy to paste. */
export function remedyText(remedy: Remedy): string {
  const option = remedy.server === undefined ? '' : ` --server ${remedy.server}`;
  switch (remedy.kind) {
    case 'unban':
      // Without its length an IPv6 address means its /64.
      return `sluice unban ${formatAddress(remedy.prefix.family, remedy.prefix.words)}/${remedy.prefix.length}`;
    case 'udp-on':
      return `sluice udp on${option}`;
    case 'move':
      return `sluice move ${remedy.row} before ${remedy.before}${option}`;
    case 'allow':
      return `sluice ${remedy.before === undefined ? '' : `insert ${remedy.before} `}${remedy.text}${option}`;
  }
}

function filterChecks({ filtered, notFiltered }: DoorReport, { file, generation, secondsLeft }: DoctorWords): Check[] {
  if (generation === null) return [{ state: 'look', text: 'nothing is filtered: sluice keeps nobody out' }];
  const names = filtered.map(({ name, mode }) => `${name} (${mode})`).join(', ');
  const others = notFiltered.length > 0 ? `; not filtered: ${notFiltered.join(', ')}` : '';
  return [
    { state: 'ok', text: `filtered: ${names}, by ${file} (generation ${generation})${others}` },
    ...(secondsLeft === null
      ? []
      : [
          {
            state: 'look' as const,
            text: `this ruleset waits to be confirmed: in ${secondsLeft} s the one before it judges again`,
            remedy: 'sluice confirm',
          },
        ]),
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

function obstacleText({ what, row, below, elsewhere, off, decision }: Obstacle, file: string): string {
  const verb = decision.verdict === 'reject' ? 'rejects' : 'denies';
  const [let1, wouldLet] = [below.at(0), off.at(0)];
  const others = elsewhere.slice(0, SHOWN).map(named).join(', ');
  const more = elsewhere.length > SHOWN ? ` and ${elsewhere.length - SHOWN} more` : '';
  const nearly = [
    ...(let1 && row ? [`${named(let1)} would let it in, but stands below: the first that matches decides`] : []),
    ...(wouldLet ? [`${named(wouldLet)} would let it in, but is switched off or has ended`] : []),
    ...(others !== '' && !let1 ? [`${others}${more} lets the same in, from elsewhere`] : []),
  ];
  const rest = nearly.length > 0 ? `; ${nearly.join('; ')}` : '';
  switch (what) {
    case 'ban':
      return 'its source is banned';
    case 'udp':
      return 'UDP that begins outside is off, whatever the rows say';
    case 'guard':
      return `${row ? `the guard, ${named(row)}, ` : 'the guard '}${verb} it, above all rows: only guard: in ${file} can let it in`;
    case 'answer':
      return `it gets in, but its answer does not get out: ${row ? `the guard, ${named(row)}, ` : ''}${verb} that; see guard: in ${file}`;
    case 'row':
      return `${row ? named(row) : 'a row'} ${verb} it${rest}`;
    case 'ssh':
      return `no row lets it in, and the SSH row lets in only those whom rows do${rest}`;
    case 'default':
      return `no row lets it in, and the default ${verb} what no row decides${rest}`;
  }
}

/** Rows that are named one by one. */
const SHOWN = 3;

function named({ number, rule }: NumberedRow): string {
  return `rule ${number} "${rule.text}"`;
}

function behindChecks({ listeners, ufw, key, server }: DoorReport, door: string): Check[] {
  const reached = listeners.filter(({ loopback, families }) => !loopback && (!key || families.includes(key.family)));
  const checks: Check[] = [];
  if (reached.length > 0) checks.push({ state: 'ok', text: `${reached.map(program).join(', ')} listens on ${door}` });
  else if (listeners.length > 0)
    checks.push({
      state: 'NO',
      text: `${listeners.map(program).join(', ')} listens on ${door}, but only ${where(listeners)}: its own settings say where`,
    });
  else if (server) {
    const behind = server.target === undefined ? '' : `, ${server.target},`;
    checks.push({ state: 'look', text: `whether something listens behind NAT${behind} cannot be seen from here` });
  } else checks.push({ state: 'look', text: `nothing listens on ${door} here; right where NAT or a container has it` });
  if (ufw)
    checks.push({
      state: 'look',
      text: 'a local ufw filters behind sluice, by rules of its own',
      remedy: 'sudo ufw disable',
    });
  return checks;
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
