/** Numbers that a person or a dashboard wrote before rows: `1 Deny …`, `2. Allow …`, `[ 3] allow …`. */

/** Indentation, list mark and quote; the number; what stands between it and the action. */
const NUMBERED = /^(\s*(?:-\s+)?(?:["']\s*)?(?:\[\s*)?)(\d+)([\].):]*\s+)(?=[A-Za-z])/;

/** Whether all rows are numbered 1, 2, 3 … in order. */
export function areNumbered(bodies: readonly string[]): boolean {
  return bodies.length > 0 && bodies.every((body, i) => NUMBERED.exec(body)?.[2] === String(i + 1));
}

/** The row (its bare text) with a number in the style of its neighbour; any number it came with is taken off. */
export function withNumber(row: string, neighbour: string): string {
  const bare = withoutNumber(row);
  const style = NUMBERED.exec(neighbour);
  if (!style) return bare;
  const bracket = style[1].includes('[') ? '[' : '';
  return `${bracket}${style[2]}${style[3]}${bare}`;
}

/** The row without a leading number. */
export function withoutNumber(row: string): string {
  const style = NUMBERED.exec(row);
  return style ? row.slice(style[0].length) : row;
}

/** Rows numbered 1, 2, 3 … in their new order. */
export function renumber(bodies: readonly string[]): string[] {
  return bodies.map((body, i) =>
    body.replace(NUMBERED, (_, before: string, __, after: string) => `${before}${i + 1}${after}`),
  );
}
