import { formatMoment } from '../parse/time';
import { type ChangedSetting, isEmptyPlan, type RulesetPlan, type SectionPlan } from './plan';

/**
 * The plan as text: one line a row (`+` added, `-` removed, `~` changed, `→` moved), of many rows the first
 * `linesMax`, then the sums.
 */
export function renderPlan(plan: RulesetPlan, linesMax = Infinity): string {
  if (isEmptyPlan(plan)) return 'no changes\n';
  const shown: string[] = [];
  const lines = linesOf(plan);
  for (let line = lines.next(); !line.done && shown.length < linesMax; line = lines.next()) shown.push(line.value);
  const hidden = lineCount(plan) - shown.length;
  if (hidden > 0) shown.push(`  … and ${hidden} more`);
  return `${[...shown, summary(plan)].join('\n')}\n`;
}

/** Each when it is asked for: of a hundred thousand few are shown. */
function* linesOf({ settings, sets, sections, expect }: RulesetPlan): Generator<string> {
  for (const { key, from, to } of settings) yield `  ~ ${key}: ${to} (was ${from})`;
  for (const { name, added, removed } of sets)
    yield `  ~ set ${name}: ${sample('+', added)}${sample('-', removed)}`.trimEnd();
  for (const section of sections) yield* sectionLines(section);
  for (const text of expect.added) yield `  + expect ${text}`;
  for (const text of expect.removed) yield `  - expect ${text}`;
}

function lineCount({ settings, sets, sections, expect }: RulesetPlan): number {
  const ofSection = ({ added, removed, changed, moved, settings: own }: SectionPlan): number =>
    added.length + removed.length + changed.length + moved.length + own.length;
  const others = settings.length + sets.length + expect.added.length + expect.removed.length;
  return sections.reduce((sum, section) => sum + ofSection(section), others);
}

/** What changes in one section, a line each; `null`: nothing. */
export function renderSectionPlan(plan: SectionPlan | null): string[] {
  return plan ? [...sectionLines(plan)] : ['no changes'];
}

function* sectionLines(plan: SectionPlan): Generator<string> {
  const nameOf = (id: string): string => (plan.section === 'inbound' ? id : `${plan.section}/${id}`);
  const listed = [plan.added, plan.removed, plan.moved, plan.changed.map(({ to }) => to)];
  const width = listed.flat().reduce((most, { id }) => Math.max(most, nameOf(id).length), 0);
  const row = (sign: string, id: string, text: string, rest = ''): string =>
    `  ${sign} ${nameOf(id).padEnd(width)}  ${text}${rest}`;
  for (const { key, from, to } of plan.settings) yield `  ~ ${plan.section} ${key}: ${to} (was ${from})`;
  for (const { id, number, text } of plan.added) yield row('+', id, text, ` (rule ${number})`);
  for (const { from, to, enabled, until, settings = [] } of plan.changed) {
    const switched = enabled === undefined ? [] : [enabled ? 'now enabled' : 'now disabled'];
    const ending =
      until === undefined ? [] : [until === null ? 'now without end' : `now until ${formatMoment(Date.parse(until))}`];
    const notes = [
      ...(from.text === to.text ? [] : [`was ${from.text}`]),
      ...switched,
      ...ending,
      ...settings.map(settingText),
    ];
    yield row('~', to.id, to.text, ` (${notes.join('; ')})`);
  }
  for (const { id, text, from, to } of plan.moved) yield row('→', id, text, ` (moved ${from} → ${to})`);
  for (const { id, number, text } of plan.removed) yield row('-', id, text, ` (was rule ${number})`);
}

function settingText({ key, from, to }: ChangedSetting): string {
  return `${key} ${key === 'note' ? JSON.stringify(to) : to}, was ${key === 'note' ? JSON.stringify(from) : from}`;
}

function summary(plan: RulesetPlan): string {
  const sum = (count: (section: SectionPlan) => number): number => plan.sections.reduce((n, s) => n + count(s), 0);
  const figures = [
    [sum((section) => section.added.length), 'added'],
    [sum((section) => section.changed.length), 'changed'],
    [sum((section) => section.moved.length), 'moved'],
    [sum((section) => section.removed.length), 'removed'],
    [
      plan.settings.length +
        plan.sets.length +
        plan.expect.added.length +
        plan.expect.removed.length +
        sum((section) => section.settings.length),
      'other',
    ],
  ] as const;
  return figures
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word}`)
    .join(', ');
}

/** The first few addresses of a change of a set: `+203.0.113.0/24 +198.51.100.7 … (12 more) `. */
function sample(sign: string, addresses: readonly string[]): string {
  const shown = addresses.slice(0, 3).map((address) => `${sign}${address} `);
  const more = addresses.length - shown.length;
  return shown.join('') + (more > 0 ? `${sign}${more} more ` : '');
}
