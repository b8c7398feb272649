/** An inclusive range of port numbers, 1–65535 in rules (0–65535 in the algebra of analyse and compile). */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Whether the port lies in one of the ranges. */
export function portInRanges(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some((range) => range.first <= port && port <= range.last);
}

/** Canonical text: `80`, or `8000:8080`. */
export function formatPortRange(range: PortRange): string {
  return range.first === range.last ? String(range.first) : `${range.first}:${range.last}`;
}

/** Canonical text of a list of ranges. */
export function formatPorts(ranges: readonly PortRange[]): string {
  return ranges.length === 0 ? 'none' : ranges.map(formatPortRange).join(',');
}
