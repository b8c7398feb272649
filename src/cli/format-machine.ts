/** What `doctor` found of the machine: a line a check, and below it the command that mends it. */
import type { MachineCheck } from '../operate/machine';

/** All of them, and at the end how many want mending. */
export function formatMachine(checks: readonly MachineCheck[]): string {
  const width = Math.max(...checks.map(({ about }) => about.length));
  const warnings = checks.filter(({ state }) => state === 'warn').length;
  const end = warnings === 1 ? 'one thing is not' : `${warnings} things are not`;
  return [
    ...checks.flatMap(({ about, state, text, remedy }) => [
      `  ${state.padEnd(4)}  ${about.padEnd(width)}  ${text}`,
      ...(remedy === undefined ? [] : [`${' '.repeat(width + 10)}${remedy}`]),
    ]),
    warnings === 0 ? 'this machine is as it should be' : `${end} as it should be`,
  ].join('\n');
}
