/** The words of a unit's ExecStart=, for a test that runs the very command line. */
export function unitWords(unit: string): readonly string[] {
  const line = /^ExecStart=(.*)$/m.exec(unit)?.[1];
  if (line === undefined) throw new Error(`the unit starts nothing:\n${unit}`);
  if (/["\\$%]/.test(line)) throw new Error(`words that systemd would read otherwise: ${line}`);
  return line.split(' ');
}
