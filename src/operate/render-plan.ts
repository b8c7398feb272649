import { formatMoment } from '../parse/time';
import { type ChangedSetting, isEmptyPlan, type RulesetPlan, type SectionPlan } from './plan';

/**
 * The plan as text: one line a row (`+` added, `-` removed, `~` changed, `→` moved), of many rows the first
 * `linesMax`, then the sums.
 */
export function renderPlan(plan: RulesetPlan, linesMax = Infinity): string {
  if (isEmptyPlan(plan)) return 'no changes\n';
  const lines = [
    ...plan.settings.map(({ key, from, to }) => `  ~ ${key}: ${to} (was ${from})`),
    ...plan.sets.map((set) => `  ~ set ${set.name}: ${sample('+', set.added)}${sample('-', set.removed)}`.trimEnd()),
    ...plan.sections.flatMap(renderSection),
    ...plan.expect.added.map((text) => `  + expect ${text}`),
    ...plan.expect.removed.map((text) => `  - expect ${text}`),
  ];
  const hidden = lines.length - linesMax;
  const shown = hidden > 0 ? [...lines.slice(0, linesMax), `  … and ${hidden} more`] : lines;
  return `${[...shown, summary(plan)].join('\n')}\n`;
}

/** What changes in one section, a line each; `null`: nothing. */
export function renderSectionPlan(plan: SectionPlan | null): string[] {
  return plan ? renderSection(plan) : ['no changes'];
}

function renderSection(plan: SectionPlan): string[] {
  const nameOf = (id: string): string => (plan.section === 'inbound' ? id : `${plan.section}/${id}`);
  const listed = [...plan.added, ...plan.removed, ...plan.moved, ...plan.changed.map(({ to }) => to)];
  const width = Math.max(0, ...listed.map(({ id }) => nameOf(id).length));
  const row = (sign: string, id: string, text: string, rest = ''): string =>
    `  ${sign} ${nameOf(id).padEnd(width)}  ${text}${rest}`;
  return [
    ...plan.settings.map(({ key, from, to }) => `  ~ ${plan.section} ${key}: ${to} (was ${from})`),
    ...plan.added.map(({ id, number, text }) => row('+', id, text, ` (rule ${number})`)),
    ...plan.changed.map(({ from, to, enabled, until, settings = [] }) => {
      const switched = enabled === undefined ? [] : [enabled ? 'now enabled' : 'now disabled'];
      const ending =
        until === undefined
          ? []
          : [until === null ? 'now without end' : `now until ${formatMoment(Date.parse(until))}`];
      const notes = [
        ...(from.text === to.text ? [] : [`was ${from.text}`]),
        ...switched,
        ...ending,
        ...settings.map(settingText),
      ];
      return row('~', to.id, to.text, ` (${notes.join('; ')})`);
    }),
    ...plan.moved.map(({ id, text, from, to }) => row('→', id, text, ` (moved ${from} → ${to})`)),
    ...plan.removed.map(({ id, number, text }) => row('-', id, text, ` (was rule ${number})`)),
  ];
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
