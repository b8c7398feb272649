/** What keeps somebody out, and the line that lets him in, in words. */
import type { NumberedRow, Obstacle, Remedy } from '../analyse/diagnose';
import { formatAddress } from '../model/prefix';

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

/** What is in the way; `file`: where the guard stands, which no verb changes. */
export function obstacleText({ what, row, below, elsewhere, off, decision }: Obstacle, file: string): string {
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
