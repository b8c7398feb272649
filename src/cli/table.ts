/** Borderless tables: two spaces between columns, numbers to the right. */
import { displayWidth, escapeControls } from '../diagnostics/display';

export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

/** Rows of equal length under their titles. Control characters are shown as escapes. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(escapeControls));
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...clean.map((row) => displayWidth(row[i]))));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => {
        const space = ' '.repeat(widths[i] - displayWidth(cell));
        return columns[i].right ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...clean.map(line)].join('\n');
}

/** A length of time as people say it: `45 s`, `59 min`, `5 h`, `12 d`. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** `12 s ago`, `3 min ago`, `5 h ago`, `12 d ago`, or `never`. */
export function ago(iso: string | null, now: string): string {
  if (iso === null) return 'never';
  const milliseconds = Date.parse(now) - Date.parse(iso);
  return milliseconds < 1500 ? 'now' : `${span(milliseconds)} ago`;
}
