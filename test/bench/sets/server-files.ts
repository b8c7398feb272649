/** The servers of a ruleset text in files of their own, and what is counted in their rows. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Snapshot } from '../../../src/observe/snapshot';
import type { BenchSet } from './bench-set';
import { NO_ROW } from './scan';
import { nameOf } from './servers';
import type { Trace } from './trace';

/** The same text whose rows all deny (a frame that passes costs what the stack costs), and whose servers have owners. */
export function owned(text: string): string {
  return text
    .replaceAll('- allow ', '- deny ')
    .replaceAll('\n    udp: on\n', '\n    udp: on\n    owner: { group: 0, changes: 600 }\n');
}

/** Writes the ruleset file; `isFolder`: with the servers in files of their own. Its path. */
export function writeRuleset(directory: string, text: string, isFolder: boolean): string {
  const file = join(directory, 'rules.yaml');
  const [head, servers] = text.split('servers:\n');
  if (!isFolder) {
    writeFileSync(file, text);
    return file;
  }
  mkdirSync(join(directory, 'servers.d'));
  writeFileSync(file, `${head}servers: { dir: servers.d }\n`);
  for (const block of servers.split(/^ {2}(?=s\d+:)/m).filter((one) => one !== '')) {
    const [name] = block.split(':', 1);
    const lines = block.slice(name.length + 2).replaceAll(/^ {4}/gm, '');
    writeFileSync(join(directory, 'servers.d', `${name}.yaml`), lines);
  }
  return file;
}

/** Names of the servers of a set. */
export function serverNames({ rules, servers = rules.length }: BenchSet): string[] {
  return Array.from({ length: Math.ceil(rules.length / servers) }, (_, number) => nameOf(number));
}

/** Rows that have not counted what was sent, over all generations; those that owners added stand behind them. */
export function wrongRows(
  { servers: rowsOfEach = 0 }: BenchSet,
  { sections }: Pick<Snapshot, 'sections'>,
  sent: readonly number[],
): string[] {
  const byName = new Map(sections.map((section) => [section.name, section]));
  return sent.flatMap((count, row) => {
    const [name, number] = [nameOf(Math.floor(row / rowsOfEach)), (row % rowsOfEach) + 1];
    const found = byName.get(name)?.rows.find((one) => one.number === number)?.packets;
    return Number(found) === count ? [] : [`${name} rule ${number}: ${found} for ${count}`];
  });
}

/** Adds what each row must have counted of a burst. */
export function countFrames(counts: number[], { packets, rows }: Trace, sent: number): void {
  const whole = Math.floor(sent / packets.count);
  const rest = sent % packets.count;
  rows.forEach((row, i) => {
    if (row !== NO_ROW) counts[row] += whole + (i < rest ? 1 : 0);
  });
}
