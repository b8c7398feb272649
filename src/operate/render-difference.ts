/** The packets whose verdict changes, as text and as JSON. */
import { isServer } from '../analyse/decisions';
import type { Difference, VerdictChange } from '../analyse/difference';
import { describePacket } from '../analyse/packet-text';
import { describeRegion, regionData } from '../analyse/region-text';
import type { Traffic } from '../analyse/verdict-layers';
import type { Decision } from '../model/evaluate';
import { tierWords } from '../model/verdict';
import type { Ruleset } from '../model/ruleset';
import { type ChangePlan, changesNothing } from './change-plan';
import { isEmptyPlan } from './plan';
import { renderPlan } from './render-plan';

/** Lines a change of one kind takes in the text, and kinds that are shown; JSON has all. */
const LINES_MAX = 6;
const KINDS_MAX = 12;
/** Regions that JSON lists; of more it says how many. */
const REGIONS_MAX = 1000;

/** In front of a packet, as `explain` takes it: what comes in needs no word. */
const TRAFFIC_WORDS: Readonly<Record<Traffic, string>> = { in: '', out: 'out ', answers: 'out (answers) ' };

const UNKNOWN = {
  unfiltered: 'nothing is filtered now: every packet passes',
  lost: 'the record of what enforces is lost: nobody can tell which packets change their verdict',
  large: 'too many rules to compare packets in a moment: sluice plan does, in its own time',
} as const;

/** What a change does to rows, of which the first `linesMax` are shown, and to packets. */
export function renderChange(
  change: ChangePlan,
  after: Pick<Ruleset, 'inbound' | 'outbound'>,
  linesMax = Infinity,
): string {
  if (changesNothing(change)) return renderPlan(change.plan);
  const rows = isEmptyPlan(change.plan) ? '' : renderPlan(change.plan, linesMax);
  const { inbound, outbound } = after;
  const first =
    change.difference === 'unfiltered'
      ? `this ruleset would be the first: default ${inbound.default} for what comes in, ${outbound.default} for what goes out\n`
      : '';
  return `${rows}${renderDifference(change)}${first}`;
}

/** Which packets change their verdict, with an example each, and how sure that is. */
export function renderDifference({ difference, notCompared }: Omit<ChangePlan, 'plan'>): string {
  if (typeof difference === 'string') return `${UNKNOWN[difference]}\n`;
  const { changes, isExact } = difference;
  const shown = changes.slice(0, KINDS_MAX);
  const width = Math.max(0, ...shown.map((change) => kindOf(change).length));
  const lines = shown.flatMap((change) => renderKind(difference, change, width));
  const hidden = changes.length - shown.length;
  const head = isExact ? 'packets whose verdict changes:' : 'packets whose verdict changes, among others:';
  return [
    ...(changes.length > 0 ? [head, ...lines] : []),
    ...(hidden > 0 ? [`  and changes of ${hidden} more kinds: --json lists them`] : []),
    ...conclusion(difference, notCompared),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

/** The same as data, nothing shortened but the number of regions. */
export function differenceToJson({ difference, notCompared }: Omit<ChangePlan, 'plan'>): unknown {
  if (typeof difference === 'string') return { exact: false, proven: false, unknown: difference };
  const { space, changes, isExact, lists } = difference;
  let left = REGIONS_MAX;
  return {
    exact: isExact,
    proven: isExact && changes.length === 0 && lists.length === 0 && notCompared.length === 0,
    notCompared,
    deciding: lists,
    changes: changes.map(({ traffic, from, to, region, examples }) => {
      const shown = region.slice(0, left);
      left -= shown.length;
      return {
        traffic,
        from: { verdict: from.words, ...(from.limitedBy !== undefined && { rule: from.limitedBy }) },
        to: { verdict: to.words, ...(to.limitedBy !== undefined && { rule: to.limitedBy }) },
        regions: shown.map((cube, i) => ({
          ...regionData(space, cube),
          example: {
            packet: describePacket(examples[i].key),
            before: decider(examples[i].before),
            after: decider(examples[i].after),
          },
        })),
        more: region.length - shown.length,
      };
    }),
  };
}

function renderKind({ space }: Difference, change: VerdictChange, width: number): string[] {
  const { traffic, region, examples } = change;
  const regions = describeRegion(space, region);
  const indent = ' '.repeat(width + 4);
  const lines = regions.slice(0, LINES_MAX).flatMap(({ text, cube }, i) => {
    const { key, before, after } = examples[region.indexOf(cube)];
    const why = `${whoDecides(before)} → ${whoDecides(after)}`;
    const start = i === 0 ? `  ${kindOf(change).padEnd(width)}  ` : indent;
    return [`${start}${TRAFFIC_WORDS[traffic]}${text}`, `${indent}  as ${describePacket(key)}: ${why}`];
  });
  const more = regions.length - LINES_MAX;
  return more > 0 ? [...lines, `${indent}and ${more} more, smaller: --json lists them`] : lines;
}

function kindOf({ from, to }: VerdictChange): string {
  const sameWords = from.words === to.words;
  const words = ({ words: text, limitedBy }: VerdictChange['from']): string =>
    sameWords && limitedBy !== undefined ? `${text} (${limitedBy})` : text;
  return `${words(from)} → ${words(to)}`;
}

function whoDecides(decision: Decision): string {
  const { section, rule, tier } = decision;
  if (rule !== null) return section === 'inbound' ? rule : `${section}/${rule}`;
  return isServer(section) ? `${section} ${tierWords(tier)}` : tierWords(tier);
}

function decider({ section, tier, rule }: Decision): Pick<Decision, 'section' | 'tier' | 'rule'> {
  return { section, tier, rule };
}

function conclusion({ changes, isExact, lists }: Difference, notCompared: readonly string[]): string[] {
  const said: string[] = [];
  if (!isExact)
    said.push(
      changes.length > 0
        ? 'these are not all: too many rules overlap to compare every packet'
        : 'too many rules overlap to tell which packets change their verdict',
    );
  else if (changes.length === 0)
    said.push(
      lists.length === 0
        ? 'no packet changes its verdict'
        : `no packet that begins something changes its verdict; of open flows and ICMP errors some can (${lists.join(', ')})`,
    );
  if (notCompared.length > 0) said.push(`not compared: what another ${notCompared.join(', ')} does`);
  return said;
}
